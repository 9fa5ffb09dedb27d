"""The recovery points that an execution achieved, as DRS reports them, beside the plan's RPO."""

from dataclasses import dataclass, field

from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.plan.snapshots import PointKind
from recovery.text_format import count, listed, rounded_duration, utc_timestamp

# The time of a snapshot and that of the instance launched from it may differ a little.
_SAME_SECONDS = 60.0
_MINUTE_SECONDS = 60.0


@dataclass
class AchievedPoints:
    """The recovery points of the servers that are up.

    Attributes:
        known: by source server, of when its data is (epoch seconds).
        unknown: the servers of which DRS does not say it.
        over_rpo: those whose data is older, at the start, than the plan's RPO.
        other: those whose data is of another time than the snapshot that was chosen for them.
        latest: those with their latest data, because no snapshot could be chosen for them.
    """

    known: dict[str, float] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    over_rpo: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    latest: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, state: ExecutionState) -> "AchievedPoints":
        """Those of an execution."""
        found = cls()
        for wave in state.waves:
            for server in wave.servers:
                if server.launch_status is LaunchStatus.LAUNCHED:
                    found._add(state, wave, server)
        return found

    def _add(self, state: ExecutionState, wave: WaveState, server: ServerResult) -> None:
        server_id, point = server.source_server_id, server.recovery_point
        chosen = wave.chosen_points.get(server_id)
        if chosen and chosen.kind is PointKind.LATEST:
            self.latest.append(server_id)
        if point is None:
            self.unknown.append(server_id)
            return
        self.known[server_id] = point
        if state.rpo is not None and state.start_time - point > state.rpo * _MINUTE_SECONDS:
            self.over_rpo.append(server_id)
        if chosen and chosen.time is not None and abs(chosen.time - point) > _SAME_SECONDS:
            self.other.append(server_id)


def recovery_point_text(state: ExecutionState, server: ServerResult) -> str:
    """The recovery point of a server that is up, beside the RPO; "" of one that is not."""
    if server.launch_status is not LaunchStatus.LAUNCHED:
        return ""
    if server.recovery_point is None:
        return "recovery point unknown"
    age = state.start_time - server.recovery_point
    before = f"{rounded_duration(abs(age))} {'before' if age >= 0 else 'after'} the start"
    over = state.rpo is not None and age > state.rpo * _MINUTE_SECONDS
    against = f", over the RPO of {state.rpo} min" if over else ""
    return f"recovery point {utc_timestamp(server.recovery_point)}, {before}{against}"


def recovery_point_lines(state: ExecutionState) -> list[str]:
    """The point in time that was asked for, and the recovery points that were achieved."""
    lines = []
    wanted, achieved = state.point_in_time, AchievedPoints.of(state)
    if wanted is not None:
        but = f", except {count(len(achieved.latest), 'server')}" if achieved.latest else ""
        time = utc_timestamp(wanted.time)
        lines.append(f"recovered to {time}, by the snapshots chosen for it{but}")
    rpo = "no RPO" if state.rpo is None else f"RPO {state.rpo} min"
    if achieved.known:
        oldest, newest = min(achieved.known.values()), max(achieved.known.values())
        age = rounded_duration(max(0.0, state.start_time - oldest))
        lines.append(
            f"recovery points of {count(len(achieved.known), 'server')}: from "
            f"{utc_timestamp(oldest)} ({age} before the start; {rpo}) to {utc_timestamp(newest)}"
        )
    for servers, text in (
        (achieved.latest, "up with the latest data, for want of a snapshot"),
        (achieved.over_rpo, f"over the RPO of {state.rpo} min"),
        (achieved.unknown, "up with an unknown recovery point"),
        (achieved.other, "launched from another point than was chosen: check their data"),
    ):
        if servers:
            names = listed([state.server_label(server_id) for server_id in servers], shown=5)
            lines.append(f"{count(len(servers), 'server')} {text}: {names}")
    return lines
