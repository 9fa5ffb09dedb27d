"""The state of an execution of a recovery plan.

The status query returns one `ExecutionState`; the terminal shows it and the history stores it.
Times are epoch seconds.
"""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.notification_problem import NotificationProblem
from recovery.execution.open_decision import OpenDecision
from recovery.execution.server import LaunchStatus, ServerResult, server_label
from recovery.execution.wave import OperatorDecision, WaveState
from recovery.plan.members import Membership
from recovery.plan.model import RecoveryPlan, RecoveryRules
from recovery.plan.snapshots import PointInTime
from recovery.steps.replaced import StepRevert
from recovery.steps.state import StepState, StepStatus
from recovery.text_format import listed


class ExecutionType(StrEnum):
    """A drill is a rehearsal; a recovery is real."""

    DRILL = "DRILL"
    RECOVERY = "RECOVERY"


def rules_of(plan: RecoveryPlan, execution_type: ExecutionType) -> RecoveryRules:
    """Whose approval an execution of a plan needs; a drill needs nobody's."""
    return plan.recovery if execution_type is ExecutionType.RECOVERY else RecoveryRules()


def needs_signature(plan: RecoveryPlan, execution_type: ExecutionType) -> bool:
    """Whether a start must be signed, so that whose approval it needs can be verified."""
    return rules_of(plan, execution_type).is_about_people


class PlanStatus(StrEnum):
    """The status of an execution."""

    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class RefusalCode(StrEnum):
    """Why an operator's message was rejected."""

    MALFORMED = "MALFORMED"
    UNKNOWN_MESSAGE = "UNKNOWN_MESSAGE"
    UNKNOWN_WAVE = "UNKNOWN_WAVE"
    UNKNOWN_LAUNCH = "UNKNOWN_LAUNCH"
    STEP_REFUSED = "STEP_REFUSED"
    """The step is unknown, or its state does not allow the message."""
    LAUNCH_NOT_NAMED = "LAUNCH_NOT_NAMED"
    OTHER_EXECUTION = "OTHER_EXECUTION"
    EXECUTION_ENDED = "EXECUTION_ENDED"
    EXECUTION_CANCELLED = "EXECUTION_CANCELLED"
    PAUSED_ALREADY = "PAUSED_ALREADY"
    NOT_PAUSED = "NOT_PAUSED"
    DECIDED_ALREADY = "DECIDED_ALREADY"
    WAVE_STATUS = "WAVE_STATUS"
    WAVE_LAUNCHED = "WAVE_LAUNCHED"
    NO_APPROVAL_NEEDED = "NO_APPROVAL_NEEDED"
    STARTER_MAY_NOT_APPROVE = "STARTER_MAY_NOT_APPROVE"
    NOT_IN_DOUBT = "NOT_IN_DOUBT"
    NOTHING_ASKED = "NOTHING_ASKED"
    ATTEMPTS_USED_UP = "ATTEMPTS_USED_UP"
    NOT_AUTHORIZED = "NOT_AUTHORIZED"
    """Its signature is missing, or is not one of this message."""
    ROLE_MISSING = "ROLE_MISSING"
    """Its sender, by the signature, lacks the role that it takes."""
    SIGNATURE_EXPIRED = "SIGNATURE_EXPIRED"
    REPLAYED = "REPLAYED"
    """The same signed message had its effect before."""


SENDERS_NOT_VERIFIED = "senders are not verified: no message has a valid signature"


class MessageRecord(Model):
    """An operator's message and its effect.

    Attributes:
        launch_id: the launch in doubt that it answers.
        step_id: the step that it is about.
        refusal: why it was rejected; None where it was accepted.
        actor_verified: the actor is the one who signed it.
        break_glass: the reason for signing it with an offline key.
        accepted: whether it had an effect.
        effect: what it did, or why it was rejected.
        repeats: how often the same message was rejected again; such are not recorded one by one.
        last_time: when the last of these came.
    """

    name: str
    wave_id: str | None = None
    launch_id: str | None = None
    step_id: str | None = None
    actor: str
    actor_verified: bool = False
    break_glass: str | None = None
    time: float
    reason: str = ""
    accepted: bool
    refusal: RefusalCode | None = None
    effect: str
    repeats: int = 0
    last_time: float | None = None

    @property
    def outcome(self) -> str:
        """The effect, and how often the message came again."""
        return f"{self.effect} (and {self.repeats} more)" if self.repeats else self.effect

    @property
    def revision(self) -> int:
        """Its revision in the history.

        After a reset, messages get their numbers again: the later one is correct.
        """
        return int((self.last_time or self.time) * 1000)

    def repeat(self, *, now: float) -> None:
        """Count one more of the same message (at `now`, epoch seconds)."""
        self.repeats, self.last_time = self.repeats + 1, now


class ExecutionState(Model):
    """The whole state of an execution.

    Attributes:
        revision: grows with every change of the execution itself (its waves have their own).
        speed: our polls and deadlines are divided by it; 1 except in a sandbox.
        deadline_seconds: the plan's.
        rpo: the plan's recovery point objective, in minutes.
        point_in_time: what its servers are recovered to; None for their latest data, or the
            snapshots that the plan names.
        start_overrides: what was accepted at the start, or is relaunched, against a finding.
        declared_time: when the disaster or the exercise was declared, if the start says it.
        from_execution: the earlier execution whose servers this one took over.
        portfolio: the execution of a portfolio that started it.
        endpoints: of DRS, as its worker sees them.
        warnings: risks for the execution, such as a history table in the Region that is lost.
        approvers: how many people must approve it before its first launch.
        starter_may_approve: whether its starter may approve waves.
        fence_first: its first waves launch nothing before their first step has succeeded.
        membership: where the servers of waves with tags come from; None without such waves.
        file_hash: of the plan without the servers that its tags match; None if that is plan_hash.
        approvals: those that it has; one by break-glass counts as all.
        refused_by: who refused it; then it launches nothing.
        break_glass_time: when an offline key was last used for it (epoch seconds).
        open_decisions: what it waits for, and since when.
        notification_problems: channels that its notifications do not reach.
    """

    execution_id: str
    plan_id: str
    plan_name: str
    plan_hash: str
    execution_type: ExecutionType
    status: PlanStatus = PlanStatus.IN_PROGRESS
    status_reason: str = ""
    revision: int = 0
    started_by: str
    start_time: float
    end_time: float | None = None
    speed: float = 1.0
    deadline_seconds: float = 86400.0
    rpo: int | None = Field(default=None, alias="RPO")
    point_in_time: PointInTime | None = None
    membership: Membership | None = Field(default=None, exclude_if=lambda value: value is None)
    file_hash: str | None = Field(default=None, exclude_if=lambda value: value is None)
    declared_time: float | None = None
    start_overrides: list[str] = []
    from_execution: str | None = None
    portfolio: str | None = None
    endpoints: list[str] = []
    warnings: list[str] = []
    approvers: int = 0
    starter_may_approve: bool = True
    fence_first: bool = False
    approvals: list[OperatorDecision] = []
    refused_by: OperatorDecision | None = None
    break_glass_time: float | None = None
    waves: list[WaveState] = []
    messages: list[MessageRecord] = []
    open_decisions: list[OpenDecision] = []
    notification_problems: list[NotificationProblem] = []
    cleanup: CleanupState | None = None

    @classmethod
    def begin(
        cls,
        plan: RecoveryPlan,
        *,
        execution_id: str,
        execution_type: ExecutionType,
        started_by: str,
        now: float,
        declared_time: float | None = None,
    ) -> "ExecutionState":
        """The state of an execution that starts now."""
        rules = rules_of(plan, execution_type)
        is_drill = execution_type is ExecutionType.DRILL
        return cls(
            execution_id=execution_id,
            plan_id=plan.plan_id,
            plan_name=plan.plan_name,
            plan_hash=plan.plan_hash,
            file_hash=None if plan.membership is None else plan.file_hash,
            membership=plan.membership,
            execution_type=execution_type,
            started_by=started_by,
            start_time=now,
            approvers=rules.approvers,
            starter_may_approve=rules.starter_may_approve,
            fence_first=rules.fence_first,
            deadline_seconds=plan.deadline_seconds,
            rpo=plan.rpo,
            point_in_time=plan.point_in_time,
            declared_time=declared_time,
            waves=[
                WaveState.of(wave, is_drill=is_drill, drill_settings=plan.drill_launch_settings)
                for wave in plan.waves
            ],
        )

    def open_fence(self, wave: WaveState) -> StepState | None:
        """The step of a first wave that must stop the sources, and has not succeeded by itself."""
        if not self.fence_first or wave.depends_on:
            return None
        first = next((s for s in wave.steps if s.status is not StepStatus.NOT_TESTED), None)
        if first is None or (first.status is StepStatus.SUCCEEDED and not first.is_overridden):
            return None
        return first

    @property
    def registered_hash(self) -> str:
        """The hash of the plan as its file has it, to compare with registered versions."""
        return self.file_hash or self.plan_hash

    @property
    def shown_warnings(self) -> list[str]:
        """What screens warn of: risks, and channels that nobody reads messages on."""
        return [*self.warnings, *(each.text for each in self.notification_problems)]

    @property
    def deadline(self) -> float:
        """The plan's deadline (epoch seconds); after it nothing is launched."""
        return self.start_time + self.deadline_seconds / self.speed

    @property
    def is_over(self) -> bool:
        """Whether it accepts no more messages because it has ended."""
        return self.end_time is not None

    @property
    def has_recovery_rules(self) -> bool:
        """Whether its plan has rules about who approves it, for which senders are verified."""
        return bool(self.approvers) or not self.starter_may_approve

    @property
    def awaits_approvals(self) -> bool:
        """Whether it launches nothing because people must approve it first."""
        return not self.is_approved_with(self.approvals)

    def is_approved_with(self, approvals: Sequence[OperatorDecision]) -> bool:
        """Whether these approvals are all that it needs."""
        return len(approvals) >= self.approvers or any(each.break_glass for each in approvals)

    @property
    def approvals_text(self) -> str:
        """How many of the approvals it has, and whose; empty if it needs none."""
        if passed := next((each for each in self.approvals if each.break_glass), None):
            return f"approval passed by break-glass of {passed}"
        if not self.approvers:
            return ""
        by = f" ({listed([each.actor for each in self.approvals])})" if self.approvals else ""
        return f"{len(self.approvals)} of {self.approvers} approvals{by}"

    @property
    def has_verified_sender(self) -> bool:
        """Whether any message has a verified sender; if none has, this is said once for all."""
        return any(message.actor_verified for message in self.messages)

    def sender_of(self, message: MessageRecord) -> str:
        """Who sent a message; marked if that is not verified, but the sender of another is."""
        if message.break_glass is not None:
            return f"{message.actor} (break-glass: {message.break_glass})"
        is_marked = self.has_verified_sender and not message.actor_verified
        return f"{message.actor} (not verified)" if is_marked else message.actor

    @property
    def continue_command(self) -> str:
        """The command that, after the end, keeps what is up and launches the rest."""
        return continue_command(self.execution_id, self.execution_type)

    def has_terminated(self, server: ServerResult) -> bool:
        """Whether a clean-up after it has terminated the server's recovery instance."""
        terminated = self.cleanup.terminated if self.cleanup is not None else []
        launch = (server.source_server_id, server.recovery_job_id)
        return any((e.source_server_id, e.recovery_job_id) == launch for e in terminated)

    @property
    def servers_up(self) -> list[ServerResult]:
        """The servers that are recorded as launched, unless a clean-up terminated them."""
        servers = (server for wave in self.waves for server in wave.servers)
        launched = (s for s in servers if s.launch_status is LaunchStatus.LAUNCHED)
        return [server for server in launched if not self.has_terminated(server)]

    @property
    def steps_to_put_back(self) -> list[str]:
        """The steps, as `WAVE/STEP`, that replaced something which can be put back."""
        return [
            f"{wave.wave_id}/{step.step_id}"
            for wave in self.waves
            for step in wave.steps
            if step.can_be_put_back
        ]

    def with_reverts(self, reverts: Sequence[StepRevert]) -> "ExecutionState":
        """The execution with what was put back of what its steps replaced."""
        by_step: dict[tuple[str, str], list[StepRevert]] = {}
        for each in sorted(reverts, key=lambda each: each.time):
            by_step.setdefault((each.wave_id, each.step_id), []).append(each)
        waves = [
            wave.model_copy(
                update={
                    "steps": [
                        step.model_copy(
                            update={"reverts": by_step.get((wave.wave_id, step.step_id), [])}
                        )
                        for step in wave.steps
                    ]
                }
            )
            for wave in self.waves
        ]
        return self.model_copy(update={"waves": waves}) if by_step else self

    def server_label(self, server_id: str) -> str:
        """A server's name and ID, or its ID alone."""
        names = (wave.server_names.get(server_id) for wave in self.waves)
        return server_label(server_id, next(filter(None, names), None))

    def without_servers(self) -> "ExecutionState":
        """The execution with its waves, but without their servers."""
        waves = [wave.model_copy(update={"servers": []}) for wave in self.waves]
        return self.model_copy(update={"waves": waves})

    def without_waves(self) -> "ExecutionState":
        """The execution without its waves and messages."""
        return self.model_copy(update={"waves": [], "messages": []})


def continue_command(execution_id: str, execution_type: ExecutionType | None) -> str:
    """The command that, after an execution's end, keeps what is up and launches the rest."""
    option = " --recovery" if execution_type is ExecutionType.RECOVERY else ""
    return f"drs-waves run --from {execution_id}{option}"
