"""What `RecoveryMode: FAST` saves: it leaves out the conversion of a server's disks."""

from collections.abc import Mapping

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import CONVERSION_SHARE, DEFAULT_SERVER_SECONDS, expected_durations
from recovery.forecast.report import FastMode, FastServer
from recovery.launch_settings.model import RecoveryMode
from recovery.launch_settings.resolve import drill_settings_of, settings_of
from recovery.plan.graph import CriticalPath
from recovery.plan.model import RecoveryPlan


def fast_mode(plan: RecoveryPlan, learned: LearnedDurations, path: CriticalPath) -> FastMode:
    """What a plan's critical path gains by FAST, and on which servers.

    Args:
        plan: the plan.
        learned: what the history has.
        path: its critical path as it is.
    """
    durations = learned.durations_of(plan.plan_id)
    named = {
        server.source_server_id
        for wave in plan.waves
        for server in wave.servers
        if settings_of(plan, wave, server, is_drill=False).recovery_mode is RecoveryMode.FAST
    }
    faster: dict[str, float] = {}
    for wave_id in path.waves:
        before = {
            i: durations.get(i, DEFAULT_SERVER_SECONDS) for i in plan.wave(wave_id).server_ids
        }
        after = {
            i: seconds if i in named else _fast_seconds(i, seconds, learned)
            for i, seconds in before.items()
        }
        slowest = max(after.values(), default=0.0)
        faster |= {i: after[i] for i, seconds in before.items() if seconds > slowest}
    shorter = plan.graph.critical_path(expected_durations(plan, durations | faster))
    saves = path.seconds - shorter.seconds
    return FastMode(
        saves_seconds=max(0.0, saves),
        server_ids=list(faster) if saves > 0 else [],
        named_servers=len(named),
        measured=[
            FastServer(
                source_server_id=i, optimal_seconds=learned.optimal[i], fast_seconds=learned.fast[i]
            )
            for wave in plan.waves
            for i in wave.server_ids
            if i in learned.fast and i in learned.optimal
        ],
    )


def _fast_seconds(server_id: str, seconds: float, learned: LearnedDurations) -> float:
    measured = learned.fast.get(server_id)
    return min(seconds, seconds * (1 - CONVERSION_SHARE) if measured is None else measured)


def launch_modes(state: ExecutionState, plan: RecoveryPlan) -> Mapping[str, RecoveryMode]:
    """In which mode an execution launched its servers, as far as that is known.

    A drill applies its own DrillLaunchSettings, or does not launch. Whether LaunchSettings were
    applied is not known; without a mode in them, it is that of most servers, OPTIMAL. Where both
    name the same mode, a drill is as fast as a recovery, and the mode makes no difference.
    """
    is_drill = state.execution_type is ExecutionType.DRILL
    found: dict[str, RecoveryMode] = {}
    for wave in plan.waves:
        for server in wave.servers:
            own = drill_settings_of(plan, wave, server) if is_drill else None
            named = settings_of(plan, wave, server, is_drill=False).recovery_mode
            if own is not None and own.recovery_mode is not None:
                if own.recovery_mode is not named:
                    found[server.source_server_id] = own.recovery_mode
            elif named is None:
                found[server.source_server_id] = RecoveryMode.OPTIMAL
    return found
