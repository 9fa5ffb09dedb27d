"""What a step must satisfy to belong to a signed start and its plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from recovery.access.approvals import Approval, require_approvals
from recovery.access.binding import begins_attempt
from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Grant,
    MessageSubject,
    StartSubject,
)
from recovery.access.roles import Role
from recovery.execution.state import ExecutionType
from recovery.operator.messages import (
    MessageName,
    MessageRejected,
    OperatorMessage,
    read_message,
)
from recovery.operator.step_rules import typed_outputs
from recovery.plan.fields import Impact
from recovery.plan.model import RecoveryPlan, Target, Wave
from recovery.steps.model import Manual, Step, StepKind, StepPhase


@dataclass(frozen=True)
class RequestedStep:
    """A step that an activity is asked for.

    Attributes:
        attempt: of the step, from 1.
        server_ids: of the wave's servers that it concerns.
        servers: these and those that its references name, each with the target of its instance.
        earlier_attempts: of the step in the execution that is taken over, by its wave's word.
        messages: the operators' about the wave's steps and attempts; their signatures are
            verified.
        approvals: of the recovery and of the wave; their signatures are verified.
        wave_started: when the wave's workflow was started, by Temporal (epoch seconds).
    """

    execution_id: str
    execution_type: ExecutionType
    wave_id: str
    phase: StepPhase
    step: Step
    attempt: int
    target: Target
    server_ids: Sequence[str] = ()
    servers: Sequence[tuple[str, Target]] = ()
    earlier_attempts: int = 0
    messages: Sequence[Grant] = ()
    approvals: Sequence[Approval] = ()
    wave_started: float = 0.0


@dataclass(frozen=True)
class RequestedDecision:
    """A decision that a wave is to apply.

    Attributes:
        name: of the message.
        step_id: of the step that it is about; None if it is about the wave.
        manual: what that step asks for, if it is a manual one.
        author: who decided and why; None if nobody is named.
        outputs: of a completed step, by name.
    """

    name: str
    wave_id: str
    step_id: str | None = None
    manual: Manual | None = None
    author: tuple[str, str] | None = None
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)

    def matches(self, message: OperatorMessage, plan: RecoveryPlan) -> bool:
        """Whether it is what a message says."""
        given = message.outputs or {}
        typed = typed_outputs(self.manual, given) if self.manual is not None else given
        return (
            message.name == self.name
            and plan.names_wave(message.wave, self.wave_id)
            and message.step == self.step_id
            and self.author in (None, (message.actor, message.reason))
            and self.outputs in (given, typed)
        )


def require_step(asked: RequestedStep, signed: Grant, plan: RecoveryPlan) -> None:
    """Refuse a step that does not belong to a signed start and its plan.

    Args:
        asked: what is to be run.
        signed: the signed start.
        plan: the plan with the signed hash.

    Raises:
        AccessRefusedError: why it may not run.
    """
    start = signed.subject
    assert isinstance(start, StartSubject), "the grant of a start"
    if asked.execution_id != start.execution_id:
        raise AccessRefusedError(
            AccessCode.OTHER_EXECUTION,
            f"the step is of execution {asked.execution_id}; {start.execution_id} is signed",
        )
    if asked.execution_type is not start.execution_type:
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT, f"the signed start is a {start.execution_type}"
        )
    wave = next((w for w in plan.waves if w.wave_id == asked.wave_id), None)
    if wave is None:
        raise AccessRefusedError(
            AccessCode.OTHER_WAVE, f"the signed plan has no wave {asked.wave_id}"
        )
    _require_planned(asked, wave)
    _require_servers(asked, wave, plan)
    _require_attempt(asked, wave, plan)
    # What an earlier execution had decided is not signed for this one.
    if start.takeover is None:
        _require_gates(asked, wave, plan)
    require_approvals(signed, plan, wave, asked.approvals, started=asked.wave_started)


def require_decision(
    grant: Grant, start: StartSubject, plan: RecoveryPlan, asked: RequestedDecision
) -> None:
    """Refuse a decision about a wave, or a step of it, that is not what an operator signed.

    Args:
        grant: the signed message, which its plan's workflow took in time.
        start: the signed start of the execution.
        plan: its plan.
        asked: the decision.

    Raises:
        AccessRefusedError: why it has no effect.
    """
    subject = grant.subject
    if not isinstance(subject, MessageSubject) or subject.execution_id != start.execution_id:
        raise AccessRefusedError(
            AccessCode.OTHER_EXECUTION, f"no message to {start.execution_id} is signed"
        )
    if grant.break_glass is None and not Role.OPERATOR.is_among(grant.roles):
        raise AccessRefusedError(
            AccessCode.OTHER_ACTOR, f"{grant.actor} lacks the role {Role.OPERATOR}"
        )
    if asked.matches(_read(subject), plan):
        return
    raise AccessRefusedError(AccessCode.OTHER_CONTENT, f"it is not what {grant.actor} signed")


def _read(subject: MessageSubject) -> OperatorMessage:
    try:
        return read_message(MessageName(subject.name), (dict(subject.fields),))
    except (MessageRejected, ValueError) as error:
        raise AccessRefusedError(AccessCode.MALFORMED, str(error)) from error


def _require_planned(asked: RequestedStep, wave: Wave) -> None:
    step_id = asked.step.step_id
    if (asked.phase, asked.step) not in wave.all_steps:
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT,
            f"step {step_id} of {wave.wave_name} is not as the signed plan has it",
        )
    if not asked.step.runs_in(is_drill=asked.execution_type is ExecutionType.DRILL):
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT,
            f"step {step_id} does not run in a {asked.execution_type}, by its When",
        )
    planned = wave.target_of(asked.step)
    if not _is_same(asked.target, planned):
        raise AccessRefusedError(
            AccessCode.OTHER_TARGET, f"the signed plan runs step {step_id} in another target"
        )


def _is_same(target: Target, planned: Target) -> bool:
    same = (target.region, target.role_arn) == (planned.region, planned.role_arn)
    return same and planned.account_id in (None, target.account_id)


def _require_servers(asked: RequestedStep, wave: Wave, plan: RecoveryPlan) -> None:
    targets: Mapping[str, Target] = {i: w.target for w in plan.waves for i in w.server_ids}
    foreign = [i for i in asked.server_ids if i not in wave.server_ids]
    foreign += [
        i for i, target in asked.servers if i not in targets or not _is_same(target, targets[i])
    ]
    if foreign:
        raise AccessRefusedError(
            AccessCode.OTHER_SERVERS,
            f"step {asked.step.step_id} of {wave.wave_name} has no {', '.join(foreign[:3])} in the "
            "signed plan, or in another target",
        )


def _require_attempt(asked: RequestedStep, wave: Wave, plan: RecoveryPlan) -> None:
    """Each row of attempts begins with the wave's, or with an operator's signed message."""
    step_id = asked.step.step_id
    signed = {
        grant.nonce
        for grant in asked.messages
        if begins_attempt(grant, asked.execution_id, wave, plan)
    }
    rows = 1 + wave.retries + len(signed)
    if not 1 <= asked.attempt <= asked.earlier_attempts + rows * (1 + asked.step.retries):
        raise AccessRefusedError(
            AccessCode.ATTEMPT_NOT_SIGNED,
            f"attempt {asked.attempt} of step {step_id} is more than the plan's Retries and "
            f"{len(signed)} signed messages allow; send rerun-step",
        )


def _require_gates(asked: RequestedStep, wave: Wave, plan: RecoveryPlan) -> None:
    """Each critical manual step before it has a signed word of an operator."""
    is_drill = asked.execution_type is ExecutionType.DRILL
    for _, step in wave.all_steps:
        if step.step_id == asked.step.step_id:
            return
        is_gate = step.kind is StepKind.MANUAL and step.impact is Impact.CRITICAL
        if not is_gate or not step.runs_in(is_drill=is_drill):
            continue
        if not any(_passes(grant, step, asked, wave, plan) for grant in asked.messages):
            raise AccessRefusedError(
                AccessCode.DECISION_NOT_SIGNED,
                f"no signed message completes or skips manual step {step.step_id} of "
                f"{wave.wave_name}, which is before it; send complete-step",
            )


def _passes(grant: Grant, step: Step, asked: RequestedStep, wave: Wave, plan: RecoveryPlan) -> bool:
    subject = grant.subject
    return (
        isinstance(subject, MessageSubject)
        and subject.name in (MessageName.COMPLETE_STEP, MessageName.SKIP_STEP)
        and subject.execution_id == asked.execution_id
        and plan.names_wave(subject.fields.get("wave"), wave.wave_id)
        and subject.fields.get("step") == step.step_id
    )
