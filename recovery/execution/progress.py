"""How far a wave is, in words."""

from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.wave import WaveState, WaveStatus

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
    told = f"{wave.launched_count} of {len(wave.servers)} launched"
    doubtful = unverified(wave)
    return f"{told}, {doubtful} unverified" if doubtful else told


def own_reason(wave: WaveState) -> str:
    """The reason of a wave's status, without the count that stands beside it."""
    count = f"{wave.launched_count} of {len(wave.servers)} launched"
    doubtful = unverified(wave)
    reason = wave.status_reason.removeprefix(count)
    if doubtful:
        reason = reason.removeprefix(f", {doubtful} not verified")
    return reason.lstrip(";, ").strip()


def decided(wave: WaveState) -> list[str]:
    """What operators decided about a wave, where its own reason does not say it."""
    acts = {
        "accepted": wave.decisions.accepted_by,
        "approved": wave.decisions.approved_by,
        "skipped": wave.decisions.skipped_by,
        "refused": wave.decisions.refused_by,
    }
    return [
        f"{what} by {act.actor}"
        for what, act in acts.items()
        if act is not None and f"by {act.actor}" not in wave.status_reason
    ]


def remark(wave: WaveState) -> str:
    """What there is to say of a wave beside its status and its count."""
    told = [f"attempt {wave.attempt}"] if wave.attempt > 1 else []
    told += decided(wave)
    if doubtful := unverified(wave):
        told.append(f"{doubtful} unverified")
    checking = sum(
        s.launch_status is LaunchStatus.LAUNCHED and s.verified is None for s in wave.servers
    )
    if checking and not wave.status.is_settled:
        told.append(f"{checking} being verified")
    if reason := own_reason(wave):
        told.append(reason)
    return "; ".join(told)
