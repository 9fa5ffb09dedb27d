"""How far a wave is, in words."""

from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.wave import Cause, WaveState, WaveStatus

# Each status has a symbol of its own besides its word and its colour.
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
    """How many servers of a wave are launched, but their instance could not be looked up."""
    return sum(
        s.launch_status is LaunchStatus.LAUNCHED and s.verified is Verified.UNKNOWN
        for s in wave.servers
    )


def progress(wave: WaveState) -> str:
    """`1 of 2 launched`, with what is not verified."""
    text = f"{wave.launched_count} of {len(wave.servers)} launched"
    unverified_count = unverified(wave)
    text += f", {unverified_count} unverified" if unverified_count else ""
    return f"{text}, late" if wave.late else text


def detail(wave: WaveState) -> str:
    """What a wave's reason says beyond its status and the count that stands beside it."""
    return "" if wave.status is WaveStatus.COMPLETED else wave.status_reason


def operator_decisions(wave: WaveState) -> list[str]:
    """What operators decided about a wave, where its own reason does not say it."""
    decisions = wave.decisions
    outcomes = (
        ("accepted", decisions.accepted_by, None),
        ("approved", decisions.approved_by, Cause.APPROVAL_EXPIRED),
        ("skipped", decisions.skipped_by, Cause.SKIPPED_BY_OPERATOR),
        ("refused", decisions.refused_by, Cause.APPROVAL_REFUSED),
    )
    return [
        f"{verb} by {decision.actor}"
        for verb, decision, cause in outcomes
        if decision is not None and (cause is None or wave.cause is not cause)
    ]


def wave_notes(wave: WaveState) -> str:
    """What there is to say of a wave beside its status and its count."""
    parts = [f"attempt {wave.attempt}"] if wave.attempt > 1 else []
    if wave.late:
        parts.append("late")
    parts += operator_decisions(wave)
    if unverified_count := unverified(wave):
        parts.append(f"{unverified_count} unverified")
    checking = sum(
        s.launch_status is LaunchStatus.LAUNCHED and s.verified is None for s in wave.servers
    )
    if checking and not wave.status.is_settled:
        parts.append(f"{checking} being verified")
    if reason := detail(wave):
        parts.append(reason)
    return "; ".join(parts)
