"""The progress of a wave as text."""

from recovery.execution.server import LaunchStatus
from recovery.execution.wave import Cause, WaveAttempt, WaveState, WaveStatus
from recovery.steps.progress import steps_text
from recovery.text_format import rounded_duration

# Each status has its own symbol: a reader may not see the color.
SYMBOLS = {
    WaveStatus.PENDING: "·",
    WaveStatus.WAITING: "…",
    WaveStatus.IN_PROGRESS: "▶",
    WaveStatus.COMPLETED: "✓",
    WaveStatus.PARTIAL: "◐",
    WaveStatus.FAILED: "✗",
    WaveStatus.TIMED_OUT: "◷",
    WaveStatus.SKIPPED: "↷",
    WaveStatus.CANCELLED: "■",
}


def unverified(wave: WaveState) -> int:
    """The number of launched servers whose instance or post-launch actions are UNKNOWN."""
    return sum(s.is_unverified for s in wave.servers)


def progress(wave: WaveState) -> str:
    """`1 of 2 launched`, with the number of unverified servers; of a wave of steps, these."""
    if not wave.servers:
        return steps_text(wave.steps)
    text = f"{wave.launched_count} of {len(wave.servers)} launched"
    unverified_count = unverified(wave)
    text += f", {unverified_count} unverified" if unverified_count else ""
    return f"{text}, late" if wave.late else text


def attempt_text(attempt: WaveAttempt) -> str:
    """`attempt 1 FAILED after 12 min: reason`."""
    start, end = attempt.start_time, attempt.end_time
    took = "" if start is None or end is None else f" after {rounded_duration(end - start)}"
    reason = f": {attempt.status_reason}" if attempt.status_reason else ""
    return f"attempt {attempt.number} {attempt.status}{took}{reason}"


def detail(wave: WaveState) -> str:
    """The part of a wave's reason that its status and its count do not show."""
    return "" if wave.status is WaveStatus.COMPLETED else wave.status_reason


def operator_decisions(wave: WaveState) -> list[str]:
    """The operators' decisions about a wave, unless its reason shows them."""
    decisions = wave.decisions
    outcomes = (
        ("accepted", decisions.accepted_by, None),
        ("approved", decisions.approved_by, Cause.APPROVAL_EXPIRED),
        ("skipped", decisions.skipped_by, Cause.SKIPPED_BY_OPERATOR),
        ("refused", decisions.refused_by, Cause.APPROVAL_REFUSED),
    )
    return [
        f"approval passed by break-glass of {decision}"
        if decision.break_glass
        else f"{verb} by {decision.actor}"
        for verb, decision, cause in outcomes
        if decision is not None and (cause is None or wave.cause is not cause)
    ]


def wave_notes(wave: WaveState, *, with_steps: bool = False) -> str:
    """Notes on a wave that its status and its count do not show.

    Args:
        wave: the wave.
        with_steps: its steps under way are shown too, so that its reason need not name them.
    """
    parts = [f"attempt {wave.attempt}"] if wave.attempt > 1 else []
    if wave.late:
        parts.append("late")
    parts += operator_decisions(wave)
    if unverified_count := unverified(wave):
        parts.append(f"{unverified_count} unverified")
    recorded = wave.recorded_count
    checking = sum(
        s.launch_status is LaunchStatus.LAUNCHED and s.verified is None for s in wave.servers
    )
    if recorded and not wave.is_running:
        parts.append(f"{recorded} recorded as up by an earlier execution, not checked again yet")
    elif checking and not wave.status.is_settled:
        parts.append(f"{checking} being verified")
    is_shown = with_steps and wave.steps_under_way and wave.launched_count == len(wave.servers)
    if not is_shown and (reason := detail(wave)):
        parts.append(reason)
    return "; ".join(parts)
