"""What a recovery to one point in time launches, why it may not start, and how this is shown."""

from collections.abc import Mapping, Sequence

from recovery.execution.server import server_label
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import ChosenPoint, PointInTime, PointKind, Spread, too_old
from recovery.text_format import count, listed, rounded_duration, utc_timestamp

_NAMES_SHOWN = 10
# The clocks of machines differ.
_SKEW_SECONDS = 60.0
ANOTHER_SNAPSHOT = (
    "give it a RecoverySnapshotId that DRS has (drs-waves snapshots lists what there is), and "
    "continue with the corrected plan (run --from EXECUTION --plan FILE)"
)
"""What to do about a server without its snapshot."""


def points_problem(plan: RecoveryPlan, *, now: float | None = None) -> str | None:
    """Why a plan must not start with what was chosen for it; None if it may.

    Args:
        plan: the plan.
        now: the time that the latest data counts as in the spread (epoch seconds); None: the
            spread of these servers was looked at before.
    """
    wanted, points = plan.point_in_time, plan.chosen_points
    if wanted is None or not points:
        return None
    launched = {i: point for i, point in points.items() if point.kind.is_launched}
    if not launched:
        unread = all(point.kind is PointKind.UNREAD for point in points.values())
        missing = f"no server has a snapshot at or before {utc_timestamp(wanted.time)}"
        return "the snapshots of no server could be read" if unread else missing
    later = [i for i, p in launched.items() if p.time is not None and p.time > wanted.time]
    if later:
        return (
            f"the RecoverySnapshotId that the plan gives {listed(later)} was taken after "
            f"{utc_timestamp(wanted.time)}; omit it from the plan, or give an earlier one"
        )
    return _spread_problem(_dated(launched, now), wanted.max_spread_seconds)


def _dated(points: Mapping[str, ChosenPoint], now: float | None) -> dict[str, ChosenPoint]:
    """The points, of which those with the latest data have this time."""
    latest = ChosenPoint(kind=PointKind.LATEST, time=now)
    return {i: latest if each.kind is PointKind.LATEST else each for i, each in points.items()}


def left_out_text(plan: RecoveryPlan) -> str:
    """Which servers a start leaves out for want of a snapshot, and what to do; "" for none."""
    left = {i: each.kind for i, each in plan.chosen_points.items() if not each.kind.is_launched}
    if not left:
        return ""
    number, names = count(len(left), "server"), listed(list(left), shown=_NAMES_SHOWN)
    have = "has" if len(left) == 1 else "have"
    hint = ""
    if PointKind.MISSING in left.values():
        hint = "; --or-latest launches those that have none with their latest data"
    return f"{number} that {have} no snapshot for the point in time ({names}{hint})"


def _spread_problem(launched: Mapping[str, ChosenPoint], most: float | None) -> str | None:
    spread = Spread.of(launched.values())
    if most is None or spread is None or not (causes := too_old(launched, most)):
        return None
    named = [f"{i} ({utc_timestamp(launched[i].time or 0.0)})" for i in causes]
    apart = f"{rounded_duration(spread.seconds)} apart, and at most {rounded_duration(most)}"
    latest = [i for i, p in launched.items() if p.kind is PointKind.LATEST and p.time is not None]
    if latest:
        return (
            f"the chosen snapshots and the latest data are {apart} are allowed. "
            f"Without a snapshot, and so with the latest data: {listed(latest)}; "
            f"too old for it are those of {listed(named)}"
        )
    return (
        f"the chosen snapshots are {apart} are allowed. The newest is of "
        f"{utc_timestamp(spread.newest)}; too old are those of {listed(named)}"
    )


def time_problem(time: float, *, now: float) -> str | None:
    """Why nothing can be recovered to a time (both in epoch seconds); None if it can."""
    if time > now + _SKEW_SECONDS:
        return f"{utc_timestamp(time)} is in the future"
    return None


def unlaunched_reason(kind: PointKind, wanted: PointInTime | None) -> str:
    """Why a server without a snapshot for the point in time is not launched, and what to do."""
    time = utc_timestamp(wanted.time) if wanted else "the point in time"
    what = {
        PointKind.MISSING: f"DRS had no snapshot of it at or before {time}",
        PointKind.GONE: "DRS did not have the RecoverySnapshotId that the plan gives it",
        PointKind.UNREAD: "no snapshot was chosen for it, because its snapshots were not read",
    }[kind]
    return f"not launched: {what}; {ANOTHER_SNAPSHOT}"


def lost_snapshot_reason(point: ChosenPoint, refusal: str) -> str:
    """Why a server is not launched whose chosen snapshot DRS refuses, and what to do."""
    taken = f" of {utc_timestamp(point.time)}" if point.time is not None else ""
    return (
        f"DRS refused its snapshot {point.snapshot_id}{taken}, which it may no longer have; "
        f"{ANOTHER_SNAPSHOT}. {refusal}"
    )


def points_facts(
    plan: RecoveryPlan, names: Mapping[str, str | None] = {}, *, now: float | None = None
) -> dict[str, str]:
    """What a plan is recovered to, each by its name; empty without a point in time.

    Args:
        plan: the plan with what was chosen.
        names: of its source servers.
        now: the time of the latest data (epoch seconds); None: the start is not now.
    """
    wanted, points = plan.point_in_time, plan.chosen_points
    if wanted is None:
        return {}

    def label(server_ids: Sequence[str]) -> str:
        return listed([server_label(i, names.get(i)) for i in server_ids], shown=_NAMES_SHOWN)

    by_kind = {kind: [i for i, p in points.items() if p.kind is kind] for kind in PointKind}
    facts = {"Point": utc_timestamp(wanted.time)}
    from_snapshots = [*by_kind[PointKind.SNAPSHOT], *by_kind[PointKind.PLANNED]]
    spread = Spread.of(points.values())
    if spread is not None:
        facts["Chosen"] = (
            f"{count(len(from_snapshots), 'snapshot')} from {utc_timestamp(spread.oldest)} to "
            f"{utc_timestamp(spread.newest)}, a spread of {rounded_duration(spread.seconds)}"
        )
    texts = {
        PointKind.PLANNED: ("Planned", "from the plan's RecoverySnapshotId"),
        PointKind.LATEST: ("Latest", "with the latest data, for want of a snapshot"),
        PointKind.MISSING: ("Missing", "not launched: no snapshot at or before the point"),
        PointKind.GONE: ("Gone", "not launched: DRS does not have the plan's RecoverySnapshotId"),
        PointKind.UNREAD: ("Unread", "not launched: the snapshots could not be read"),
    }
    for kind, (name, text) in texts.items():
        if by_kind[kind]:
            servers = count(len(by_kind[kind]), "server")
            facts[name] = f"{servers} {text}: {label(by_kind[kind])}"
    whole = Spread.of(_dated(points, now).values())
    if by_kind[PointKind.LATEST] and now is not None and whole is not None:
        facts["Latest"] += (
            f"; with the latest data, the spread is {rounded_duration(whole.seconds)}"
        )
    return facts
