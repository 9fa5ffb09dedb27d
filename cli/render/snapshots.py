"""The table of the snapshots of a plan's servers."""

from cli.render.cells import fit
from cli.render.tables import aligned
from contract.readiness import PlanSnapshots
from recovery.execution.server import server_label
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import ServerSnapshots
from recovery.text_format import rounded_duration, utc_timestamp


def snapshot_table(plan: RecoveryPlan, known: PlanSnapshots) -> list[str]:
    """List what there is of each server, and what is chosen for the time, a line each."""
    wave_of = {i: wave.wave_name for wave in plan.waves for i in wave.server_ids}
    rows = []
    for each in known.servers:
        row = [
            fit(wave_of.get(each.source_server_id, "-"), 24),
            server_label(each.source_server_id, each.server_name),
            *_what_there_is(each),
        ]
        if known.around is not None and each.error is None:
            row += _chosen(plan, each, known.around)
        rows.append(row)
    chosen = ["CHOSEN", "BEFORE", "SNAPSHOT"] if known.around is not None else []
    return aligned(rows, heading=["WAVE", "SERVER", "COUNT", "OLDEST", "NEWEST", *chosen])


def _what_there_is(each: ServerSnapshots) -> list[str]:
    if each.error is not None:
        return ["?", f"could not be read: {each.error}"]
    return [str(each.count), _time(each.oldest), _time(each.newest)]


def _chosen(plan: RecoveryPlan, each: ServerSnapshots, around: float) -> list[str]:
    """The time of what is chosen, how long before the point it was taken, and which it is."""
    point = plan.chosen_points.get(each.source_server_id)
    if point is not None:
        is_snapshot = point.kind.is_launched and point.snapshot_id is not None
        time, snapshot_id = point.time, point.snapshot_id if is_snapshot else point.kind.value
    else:
        time = each.chosen.time if each.chosen else None
        snapshot_id = each.chosen.snapshot_id if each.chosen else "none"
    gap = "-" if time is None else rounded_duration(around - time)
    return [_time(time), gap, snapshot_id or "-"]


def _time(epoch: float | None) -> str:
    return "-" if epoch is None else utc_timestamp(epoch)
