"""The result of an execution in one sentence that never says more than is known."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import Cause, WaveState, WaveStatus
from recovery.operator.messages import MessageName
from recovery.report.model import (
    MeasuredRpo,
    MeasuredRto,
    Qualification,
    QualificationKind,
    ReportVerdict,
    RtoOutcome,
)
from recovery.steps.state import CheckResult, StepState, StepStatus
from recovery.text_format import count

_Kind = QualificationKind
_STATUS_WORDS = {
    PlanStatus.IN_PROGRESS: "Not ended yet",
    PlanStatus.PAUSED: "Paused, not ended yet",
    PlanStatus.COMPLETED: "Completed",
    PlanStatus.PARTIAL: "Completed in part",
    PlanStatus.FAILED: "Failed",
    PlanStatus.CANCELLED: "Cancelled",
}
_STEP_FAILED = (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.CANCELLED)
_OVER = (RtoOutcome.MISSED, RtoOutcome.NOT_REACHED)


def verdict_of(state: ExecutionState, rto: MeasuredRto, rpo: MeasuredRpo) -> ReportVerdict:
    """The verdict about an execution."""
    qualifications = [
        *found(_Kind.START_OVERRIDE, state.start_overrides, "finding", "accepted at the start"),
        *_about_waves(state),
        *_about_servers(state),
        *_about_steps(state),
        *_about_objectives(rto, rpo),
        *_about_cleanup(state),
    ]
    return verdict(state.status, qualifications, is_over=state.is_over, of="wave")


def verdict(
    status: PlanStatus, qualifications: list[Qualification], *, is_over: bool, of: str
) -> ReportVerdict:
    """The verdict by these qualifications; `of` names what came up: `wave` or `plan`."""
    is_unqualified = is_over and status is PlanStatus.COMPLETED and not qualifications
    sentence = _STATUS_WORDS[status]
    if is_unqualified:
        sentence += f": every {of} came up, every server was verified, every step succeeded"
    elif qualifications:
        joint = " with " if status is PlanStatus.COMPLETED else ": "
        sentence += joint + "; ".join(each.text for each in qualifications)
    return ReportVerdict(
        status=status,
        is_unqualified=is_unqualified,
        sentence=f"{sentence}.",
        qualifications=qualifications,
    )


def found(
    kind: QualificationKind, subjects: Sequence[str], thing: str, after: str = ""
) -> Iterator[Qualification]:
    """The qualification about these subjects; nothing if there are none."""
    if subjects:
        text = f"{count(len(subjects), thing)} {after}".rstrip()
        yield Qualification(kind=kind, count=len(subjects), text=text, subjects=[*subjects])


def _about_waves(state: ExecutionState) -> Iterator[Qualification]:
    waves = state.waves

    def names(found: Iterable[WaveState]) -> list[str]:
        return [wave.wave_name for wave in found]

    failed = names(w for w in waves if w.status.has_failed)
    yield from found(_Kind.FAILED_WAVE, failed, "wave", "failed or timed out")
    cancelled = names(w for w in waves if w.status is WaveStatus.CANCELLED)
    yield from found(_Kind.CANCELLED_WAVE, cancelled, "wave", "cancelled")
    skipped = [w for w in waves if w.status is WaveStatus.SKIPPED]
    by_operator = names(w for w in skipped if w.cause is Cause.SKIPPED_BY_OPERATOR)
    yield from found(_Kind.SKIPPED_WAVE, by_operator, "wave", "skipped by an operator")
    others = names(w for w in skipped if w.cause is not Cause.SKIPPED_BY_OPERATOR)
    yield from found(_Kind.SKIPPED_WAVE, others, "wave", "skipped")
    yield from found(_Kind.OVERRIDE, overrides(state), "override")
    approvals = {wave.wave_name: wave.decisions.approved_by for wave in waves}
    passed = [name for name, approval in approvals.items() if approval and approval.break_glass]
    passed += ["the recovery"] if any(a.break_glass for a in state.approvals) else []
    passed += [
        m.name
        for m in state.messages
        if m.accepted and m.break_glass is not None and not m.name.startswith("approve")
    ]
    yield from found(_Kind.BREAK_GLASS, passed, "act", "by break-glass")
    asked = (MessageName.LAUNCH_ANYWAY, MessageName.ADOPT_JOB)
    launches = [m.wave_id or "" for m in state.messages if m.accepted and m.name in asked]
    yield from found(_Kind.LAUNCH_DECISION, launches, "launch decision", "of an operator")
    late = names(w for w in waves if w.late)
    yield from found(_Kind.LATE_WAVE, late, "wave", "late")
    retried = names(w for w in waves if w.attempt > 1)
    yield from found(_Kind.RETRIED_WAVE, retried, "wave", "retried")


def overrides(state: ExecutionState) -> list[str]:
    """What operators accepted, or decided in place of its own result."""
    accepted = [wave.wave_name for wave in state.waves if wave.decisions.accepted_by]
    return accepted + _named(state, lambda step: step.is_overridden)


def _about_servers(state: ExecutionState) -> Iterator[Qualification]:
    def labels(matches: Callable[[ServerResult], bool]) -> list[str]:
        return [
            state.server_label(server.source_server_id)
            for wave in state.waves
            for server in wave.servers
            if matches(server)
        ]

    yield from found(_Kind.FAILED_SERVER, labels(lambda s: s.has_failed), "server", "failed")
    unverified = labels(lambda s: s.is_unverified or s.is_recorded_up)
    yield from found(_Kind.UNVERIFIED_SERVER, unverified, "server", "not verified")
    isolated = {server_id for wave in state.waves for server_id in wave.drill_subnets}
    unseen = labels(
        lambda s: (
            s.launch_status is LaunchStatus.LAUNCHED
            and s.source_server_id in isolated
            and (s.network is None or s.network.subnet_id is None)
        )
    )
    yield from found(_Kind.UNKNOWN_NETWORK, unseen, "server", "in an unknown network")


def _about_steps(state: ExecutionState) -> Iterator[Qualification]:
    failed = _named(state, lambda s: s.status in _STEP_FAILED and not _is_inconclusive(s))
    yield from found(_Kind.FAILED_STEP, failed, "step", "failed")
    unknown = _named(state, lambda s: s.status is StepStatus.OUTCOME_UNKNOWN)
    yield from found(_Kind.UNKNOWN_STEP, unknown, "step", "of unknown outcome")
    inconclusive = _named(state, _is_inconclusive)
    yield from found(_Kind.INCONCLUSIVE_CHECK, inconclusive, "check", "inconclusive")
    not_run = _named(state, lambda s: s.status is StepStatus.NOT_RUN)
    yield from found(_Kind.NOT_RUN_STEP, not_run, "step", "not run")
    left_out = _named(state, lambda s: s.status is StepStatus.NOT_TESTED)
    yield from found(_Kind.NOT_TESTED_STEP, left_out, "step", "not tested")


def _is_inconclusive(step: StepState) -> bool:
    return step.result is CheckResult.INCONCLUSIVE


def _about_objectives(rto: MeasuredRto, rpo: MeasuredRpo) -> Iterator[Qualification]:
    if rto.outcome in _OVER:
        yield Qualification(kind=_Kind.OVER_RTO, count=1, text=rto.text)
    yield from found(_Kind.OVER_RPO, rpo.over_rpo, "server", "over the RPO")
    after = "with the latest data instead of the point in time"
    yield from found(_Kind.LATEST_DATA, rpo.latest, "server", after)
    after = "launched from another point than was chosen"
    yield from found(_Kind.OTHER_RECOVERY_POINT, rpo.other, "server", after)
    if rpo.rpo_seconds is not None:
        after = "with an unknown recovery point"
        yield from found(_Kind.UNKNOWN_RECOVERY_POINT, rpo.unknown, "server", after)


def _about_cleanup(state: ExecutionState) -> Iterator[Qualification]:
    cleanup = state.cleanup
    if cleanup is None or cleanup.status is CleanupStatus.WAITING:
        return
    left = [each.recovery_instance_id for each in cleanup.leftovers]
    yield from found(_Kind.NOT_CLEANED_UP, left, "instance", "left by the clean-up")
    after = "not as before the drill"
    yield from found(_Kind.NOT_CLEANED_UP, cleanup.differences, "launch template", after)


def _named(state: ExecutionState, matches: Callable[[StepState], bool]) -> list[str]:
    return [
        f"{wave.wave_name} / {step.step_id}"
        for wave in state.waves
        for step in wave.steps
        if matches(step)
    ]
