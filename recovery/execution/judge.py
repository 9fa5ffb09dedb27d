"""Derives a wave's status from its servers, and an execution's from its waves."""

from collections.abc import Callable

from recovery.base_model import Model
from recovery.execution.server import PostLaunch, ServerResult
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import OperatorDecision, WaveState, WaveStatus
from recovery.plan.fields import Impact
from recovery.steps.state import StepState, StepStatus
from recovery.text_format import count


class Verdict(Model):
    """A wave's status, derived from its servers.

    Attributes:
        reason: why, without the number of launched servers, which is shown beside it.
    """

    status: WaveStatus
    reason: str
    end_time: float | None = None


def judge_wave(servers: list[ServerResult], *, label: Callable[[str], str] = str) -> Verdict:
    """Derive a wave's status from its servers' own results, never from a job's status.

    Args:
        servers: the results of all the wave's servers.
        label: how the reason names a server, by its ID.

    Returns:
        IN_PROGRESS while any server is not final; else COMPLETED, PARTIAL (only servers marked
        OPTIONAL failed) or FAILED, with the time the last server reached its final state. A server
        fails, too, by one of DRS's post-launch actions.
    """
    if not all(s.is_final for s in servers):
        reason = _running_actions(servers, label)
        return Verdict(status=WaveStatus.IN_PROGRESS, reason=reason)
    ends = [s.end_time for s in servers if s.end_time is not None]
    end_time = max(ends) if ends else None
    failed = [s for s in servers if s.has_failed]
    if not failed:
        unverified = sum(s.is_unverified for s in servers)
        reason = "every server is launched"
        if unverified:
            reason += f", {unverified} not verified"
        return Verdict(status=WaveStatus.COMPLETED, reason=reason, end_time=end_time)
    named = named_failures(servers)
    reasons: dict[str, list[str]] = {}
    for server in named:
        reasons.setdefault(server.reason or "FAILED", []).append(label(server.source_server_id))
    reason = "; ".join(f"{', '.join(labels)}: {why}" for why, labels in reasons.items())
    if len(failed) > len(named):
        reason += f"; and {len(failed) - len(named)} more"
    critical = any(s.impact is Impact.CRITICAL for s in failed)
    status = WaveStatus.FAILED if critical else WaveStatus.PARTIAL
    return Verdict(status=status, reason=reason, end_time=end_time)


def _running_actions(servers: list[ServerResult], label: Callable[[str], str]) -> str:
    """Which of DRS's post-launch actions run, of the first server that has some."""
    running = [s for s in servers if s.verified and s.post_launch is PostLaunch.RUNNING]
    if not running:
        return ""
    more = f" (and {len(running) - 1} more)" if len(running) > 1 else ""
    return f"{label(running[0].source_server_id)}{more}: {running[0].reason}"


def judge_steps(verdict: Verdict | None, steps: list[StepState]) -> Verdict:
    """Derive a wave's status from its launch and its steps, none of which is open.

    Args:
        verdict: about the servers; None if the wave has none.
        steps: all of the wave.
    """
    ends = [s.end_time for s in steps if s.end_time is not None]
    if verdict is not None and verdict.end_time is not None:
        ends.append(verdict.end_time)
    end_time = max(ends, default=None)
    is_launched = verdict is None or verdict.status.satisfies
    # A step that was not run has not succeeded.
    failed = [s for s in steps if s.fails_wave or s.status is StepStatus.NOT_RUN]
    if failed or not is_launched:
        reasons = [] if verdict is None or is_launched else [verdict.reason]
        # Why the launch failed says why they were not run.
        named = failed if is_launched else [s for s in failed if s.fails_wave]
        reason = "; ".join([*reasons, *([_listed(named)] if named else [])])
        return Verdict(status=WaveStatus.FAILED, reason=reason, end_time=end_time)
    partial = [s for s in steps if s.makes_partial]
    status = WaveStatus.COMPLETED if verdict is None else verdict.status
    reasons = [] if verdict is None else [verdict.reason]
    if partial:
        status = WaveStatus.PARTIAL
        reasons.append(_listed(partial))
    elif any(s.status is StepStatus.SUCCEEDED for s in steps):
        reasons.append("every step succeeded")
    if left_out := sum(s.status is StepStatus.NOT_TESTED for s in steps):
        reasons.append(f"{count(left_out, 'step')} NOT_TESTED")
    return Verdict(status=status, reason=", ".join(reasons), end_time=end_time)


def _listed(steps: list[StepState]) -> str:
    texts = [f"step {s.step_id} {s.status}: {s.reason}".rstrip(": ") for s in steps]
    more = len(texts) - _FAILURES_SHOWN
    return "; ".join(texts[:_FAILURES_SHOWN]) + (f"; and {more} more" if more > 0 else "")


_FAILURES_SHOWN = 5


def named_failures(servers: list[ServerResult]) -> list[ServerResult]:
    """The failed servers that the reason of a wave's verdict names."""
    failed = [s for s in servers if s.has_failed]
    return failed[:_FAILURES_SHOWN]


def outcome_if_accepted(state: ExecutionState, wave_id: str) -> PlanStatus:
    """The outcome if a wave is accepted now and every wave that can still run completes."""
    waves = []
    for wave in state.waves:
        copy = wave.model_copy()
        if wave.wave_id == wave_id:
            by = OperatorDecision(actor="", time=0.0)
            copy.decisions = wave.decisions.model_copy(update={"accepted_by": by})
        elif not wave.status.is_settled or wave.caused_by == [wave_id]:
            copy.status = WaveStatus.COMPLETED
        waves.append(copy)
    return judge_plan(waves, cancelled=False)[0]


def judge_plan(waves: list[WaveState], *, cancelled: bool) -> tuple[PlanStatus, str]:
    """An execution's outcome and its reason, once every wave is settled.

    Args:
        waves: all waves of the execution.
        cancelled: whether the execution was cancelled.
    """
    count = {s: sum(w.status is s for w in waves) for s in WaveStatus}
    counts = ", ".join(f"{n} {s}" for s, n in count.items() if n)
    if cancelled:
        return PlanStatus.CANCELLED, f"Cancelled: {counts}"
    # A wave that is SKIPPED because of one of these needs no rule of its own.
    failed = [w for w in waves if w.status.has_failed and not w.decisions.accepted_by]
    if failed:
        names = ", ".join(f"{w.wave_name} {w.status}" for w in failed[:_FAILURES_SHOWN])
        return PlanStatus.FAILED, f"{names}: {counts}"
    partial = (WaveStatus.PARTIAL, WaveStatus.CANCELLED, WaveStatus.SKIPPED)
    if any(w.status in partial or w.decisions.accepted_by for w in waves):
        return PlanStatus.PARTIAL, counts
    return PlanStatus.COMPLETED, counts
