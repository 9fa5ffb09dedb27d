"""What `RecoveryMode: FAST` saves: it leaves out the conversion of a server's disks."""

from collections.abc import Mapping

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import CONVERSION_SHARE, DEFAULT_SERVER_SECONDS, expected_durations
from recovery.forecast.report import FastMode, FastServer
from recovery.launch_settings.model import RecoveryMode
from recovery.launch_settings.resolve import drill_settings_in, drill_settings_of, settings_of
from recovery.plan.graph import CriticalPath
from recovery.plan.model import RecoveryPlan, Wave
from recovery.text_format import count, listed, rounded_duration

_SHOWN = 5


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


def optimal_seconds(
    plan: RecoveryPlan, wave: Wave, learned: LearnedDurations
) -> dict[str, float | None]:
    """By server that a drill launches in the mode FAST: how long it took in OPTIMAL before.

    None where the history does not say it.
    """
    return {
        server_id: learned.optimal.get(server_id)
        for server_id, settings in drill_settings_in(plan.drill_launch_settings, wave).items()
        if settings.recovery_mode is RecoveryMode.FAST
    }


def measured_text(fast_seconds: float, optimal_seconds: float) -> str:
    """What the mode FAST saved of one launch."""
    took = f"took {rounded_duration(fast_seconds)} in FAST mode, "
    saved = optimal_seconds - fast_seconds
    less = f"{rounded_duration(abs(saved))} {'less' if saved >= 0 else 'more'}"
    return f"{took}{rounded_duration(optimal_seconds)} in OPTIMAL: {less}"


def fast_lines(state: ExecutionState) -> list[str]:
    """What a drill in the mode FAST really saved, and what it could not know."""
    lines, unknown, unlaunched = [], [], []
    for wave in state.waves:
        launched, saved = wave.launch_seconds, wave.fast_saved_seconds
        for server_id, before in wave.optimal_seconds.items():
            label = wave.server_label(server_id)
            if server_id not in launched:
                unlaunched.append(label)
            elif before is None:
                unknown.append(label)
            else:
                text = measured_text(launched[server_id], before)
                lines.append((saved[server_id], f"{label} {text}"))
    if not (lines or unknown) or state.end_time is None:
        return []
    lines.sort(key=lambda each: each[0], reverse=True)
    found = [f"RecoveryMode FAST: {text}" for _, text in lines[:_SHOWN]]
    if more := len(lines) - _SHOWN:
        found += [f"RecoveryMode FAST: {more} more measured, in --json"] if more > 0 else []
    for servers, why in (
        (unknown, "no launch in OPTIMAL mode is recorded to compare with"),
        (unlaunched, "this drill did not launch them"),
    ):
        if servers:
            names = listed(servers, shown=_SHOWN)
            known = f"of {count(len(servers), 'server')} it is not known what it saved"
            found.append(f"RecoveryMode FAST: {known}, because {why}: {names}")
    return found


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
