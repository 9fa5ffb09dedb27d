"""The report of an execution as programs read it. Times are epoch seconds."""

from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.server import LaunchStatus, PostLaunch, Verified
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.fields import Impact
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import PointInTime
from recovery.report.action_items import ActionItem
from recovery.report.declaration import Declaration, MeasuredFrom
from recovery.steps.model import StepKind, StepPhase
from recovery.steps.state import CheckResult, StepOverride, StepStatus

# Raised when a key is removed or renamed, or its type or meaning changes; not when one is added.
VERSION = 1


class ReportRecord(Model):
    """What the tables have of an execution, from which its report is made.

    Attributes:
        versions: the registered versions of this plan; None if they could not be read.
    """

    state: ExecutionState
    plan: RecoveryPlan
    versions: list[int] | None = None
    deliveries: list[DeliveryRecord] = []
    declarations: list[Declaration] = []
    action_items: list[ActionItem] = []


class QualificationKind(StrEnum):
    """Why a result is not to be read as an unqualified success."""

    FAILED_WAVE = "FAILED_WAVE"
    CANCELLED_WAVE = "CANCELLED_WAVE"
    SKIPPED_WAVE = "SKIPPED_WAVE"
    FAILED_PLAN = "FAILED_PLAN"
    CANCELLED_PLAN = "CANCELLED_PLAN"
    NOT_STARTED_PLAN = "NOT_STARTED_PLAN"
    OPEN_PLAN = "OPEN_PLAN"
    FOLLOWED_PLAN = "FOLLOWED_PLAN"
    """A plan whose execution the portfolio did not start."""
    UNRECORDED_PLAN = "UNRECORDED_PLAN"
    """A plan whose execution the history does not have."""
    QUALIFIED_PLAN = "QUALIFIED_PLAN"
    """A plan whose own report has qualifications."""
    OVERRIDE = "OVERRIDE"
    """An operator accepted a wave, or skipped or completed a step in place of its result."""
    START_OVERRIDE = "START_OVERRIDE"
    """It was started, or a server relaunched, against what a look at the plan found."""
    BREAK_GLASS = "BREAK_GLASS"
    LAUNCH_DECISION = "LAUNCH_DECISION"
    """An operator said whether DRS had the job of a launch."""
    FAILED_SERVER = "FAILED_SERVER"
    UNVERIFIED_SERVER = "UNVERIFIED_SERVER"
    UNKNOWN_NETWORK = "UNKNOWN_NETWORK"
    """A server of an isolated drill without evidence of its network."""
    FAILED_STEP = "FAILED_STEP"
    UNKNOWN_STEP = "UNKNOWN_STEP"
    """Whether it had its effect is not known."""
    INCONCLUSIVE_CHECK = "INCONCLUSIVE_CHECK"
    NOT_RUN_STEP = "NOT_RUN_STEP"
    NOT_TESTED_STEP = "NOT_TESTED_STEP"
    LATE_WAVE = "LATE_WAVE"
    RETRIED_WAVE = "RETRIED_WAVE"
    OVER_RTO = "OVER_RTO"
    OVER_RPO = "OVER_RPO"
    UNKNOWN_RECOVERY_POINT = "UNKNOWN_RECOVERY_POINT"
    LATEST_DATA = "LATEST_DATA"
    """A server with its latest data in a recovery to a point in time."""
    OTHER_RECOVERY_POINT = "OTHER_RECOVERY_POINT"
    """A server launched from another point than was chosen for it."""
    NOT_CLEANED_UP = "NOT_CLEANED_UP"
    """A clean-up left instances, or launch templates are not as before."""


class Qualification(Model):
    """One reason, with what it is about.

    Attributes:
        count: of how many waves, servers or steps.
        text: as people read it: `2 overrides`.
        subjects: which.
    """

    kind: QualificationKind
    count: int
    text: str
    subjects: list[str] = []


class ReportVerdict(Model):
    """The result in one sentence, and every reason not to read it as an unqualified success.

    Attributes:
        is_unqualified: it is COMPLETED, and there is no such reason.
    """

    status: PlanStatus
    is_unqualified: bool
    sentence: str
    qualifications: list[Qualification] = []


class ReportedPlan(Model):
    """What ran.

    Attributes:
        versions: its registered versions; empty if none is, None if they could not be read.
    """

    plan_id: str
    plan_name: str
    plan_hash: str
    versions: list[int] | None = None
    owner: str = ""
    description: str = ""
    rto: int | None = Field(default=None, alias="RTO")
    rpo: int | None = Field(default=None, alias="RPO")
    waves: int
    servers: int
    steps: int


class ReportedTarget(Model):
    """An account and a Region that it launched in."""

    account_id: str | None = None
    region: str | None = None
    waves: int


class Method(Model):
    """How it was done.

    Attributes:
        isolated_servers: those that the plan's drills launch in a network of their own; 0 in a
            recovery.
        sandbox_speed: how much faster than DRS the simulation was; None on real AWS.
        from_execution: the execution whose servers it took over.
    """

    execution_type: ExecutionType
    servers: int
    isolated_servers: int = 0
    point_in_time: PointInTime | None = None
    targets: list[ReportedTarget]
    endpoints: list[str] = []
    sandbox_speed: float | None = None
    from_execution: str | None = None
    text: list[str]


class RtoOutcome(StrEnum):
    """The measured time against the plan's RTO."""

    MET = "MET"
    PARTLY = "PARTLY"
    """In time, but not everything that the plan asks for is up."""
    MISSED = "MISSED"
    NOT_REACHED = "NOT_REACHED"
    """It did not come to its end, so no time can be compared."""
    OPEN = "OPEN"
    """It runs, and its RTO is not over."""
    NO_OBJECTIVE = "NO_OBJECTIVE"


class MeasuredTime(Model):
    """How long something took.

    Attributes:
        end_time: when it was over.
        seconds: by the clock.
        real_seconds: the same at the speed of DRS; differs in a sandbox only.
    """

    end_time: float
    seconds: float
    real_seconds: float


class MeasuredRto(Model):
    """The measured recovery time.

    Attributes:
        since: what it is measured from.
        launched: to the last server that was launched; None if none was.
        complete: to the end of the last wave, with its steps; None if the plan did not come to
            its end.
        rto_seconds: the plan's; None if it has none.
        declarations: all that were recorded after the start.
    """

    since: float
    measured_from: MeasuredFrom
    launched: MeasuredTime | None = None
    complete: MeasuredTime | None = None
    rto_seconds: float | None = None
    outcome: RtoOutcome
    text: str
    declarations: list[Declaration] = []


class MeasuredRpo(Model):
    """The recovery points of the servers that are up.

    Attributes:
        known: of how many servers the recovery point is known.
        worst_seconds: from the oldest one to the start.
        over_rpo: servers whose data is older than the RPO.
        unknown: servers of which DRS does not say it.
        latest: servers with their latest data, for want of a snapshot at the point in time.
        other: servers launched from another point than was chosen for them.
        lines: all of this as people read it.
    """

    rpo_seconds: float | None = None
    known: int
    oldest: float | None = None
    newest: float | None = None
    worst_seconds: float | None = None
    over_rpo: list[str] = []
    unknown: list[str] = []
    latest: list[str] = []
    other: list[str] = []
    lines: list[str] = []


class ReportedServer(Model):
    """A server as it ended."""

    source_server_id: str
    name: str | None = None
    impact: Impact
    launch_status: LaunchStatus
    verified: Verified | None = None
    post_launch: PostLaunch | None = None
    recovery_instance_id: str | None = None
    recovery_job_id: str | None = None
    taken_over: bool = False
    launch_time: float | None = None
    end_time: float | None = None
    recovery_point: float | None = None
    recovery_point_text: str = ""
    network: str = ""
    reason: str = ""


class ReportedStep(Model):
    """A step as it ended.

    Attributes:
        notes: its result, evidence and who decided, as every screen shows them.
        decided_by: the operator who decided about it.
    """

    step_id: str
    kind: StepKind
    phase: StepPhase
    impact: Impact
    status: StepStatus
    result: CheckResult | None = None
    is_overridden: bool = False
    notes: str = ""
    attempt: int = 0
    start_time: float | None = None
    end_time: float | None = None
    decided_by: str | None = None
    decision: StepOverride | None = None
    link: str = ""


class ReportedWave(Model):
    """A wave on the timeline.

    Attributes:
        waited_for: the names of the waves that it depends on.
        ready_time: when the last of them was settled; without any, the start of the execution.
        start_time: when DRS accepted its launch, in the first attempt.
        waits: what it waited for until then, as people read it.
        attempts: one line each, if there were several.
    """

    wave_id: str
    wave_name: str
    status: WaveStatus
    status_reason: str = ""
    late: bool = False
    account_id: str | None = None
    region: str | None = None
    waited_for: list[str] = []
    ready_time: float | None = None
    start_time: float | None = None
    launch_end_time: float | None = None
    end_time: float | None = None
    seconds: float | None = None
    launched: int = 0
    waits: list[str] = []
    attempts: list[str] = []
    servers: list[ReportedServer] = []
    steps: list[ReportedStep] = []


class DecisionAct(StrEnum):
    """What an operator decided."""

    APPROVED_RECOVERY = "APPROVED_RECOVERY"
    REFUSED_RECOVERY = "REFUSED_RECOVERY"
    SKIPPED_WAVE = "SKIPPED_WAVE"
    ACCEPTED_WAVE = "ACCEPTED_WAVE"
    APPROVED_WAVE = "APPROVED_WAVE"
    REFUSED_WAVE = "REFUSED_WAVE"
    DECIDED_STEP = "DECIDED_STEP"
    SKIPPED_PLAN = "SKIPPED_PLAN"
    STARTED_PLAN = "STARTED_PLAN"
    ACCEPTED_PLAN = "ACCEPTED_PLAN"


class ReportedDecision(Model):
    """A decision that stands.

    Attributes:
        subject: the wave, or `WAVE / STEP`; empty for the whole execution.
        time: when; None where that is not known.
        text: what was decided.
        expires: until when it is valid; None: without limit.
    """

    act: DecisionAct
    subject: str = ""
    actor: str
    time: float | None = None
    reason: str = ""
    text: str
    expires: float | None = None
    break_glass: bool = False

    @property
    def sentence(self) -> str:
        """What was decided about what, by whom, and why."""
        by = "of" if self.break_glass else "by"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.subject} {self.text} {by} {self.actor}{reason}".lstrip()


class ReportedMessage(MessageRecord):
    """An operator's message, with its sender as screens show it."""

    sender: str


class ReportedNotifications(Model):
    """What channels were sent."""

    sent: int
    undelivered: int
    by_channel: dict[str, int] = {}


class ExecutionReport(Model):
    """The report of an execution.

    Attributes:
        report_version: of this form.
        generated_time: when it was made.
        senders_verified: whether the sender of any message was verified.
        not_tested: the steps that this kind of execution left out, as `WAVE / STEP: reason`.
        isolation: the evidence of isolation, a line a server.
        problems: what went wrong beside the plan itself.
    """

    report_version: int = VERSION
    generated_time: float
    execution_id: str
    execution_type: ExecutionType
    status: PlanStatus
    status_reason: str = ""
    is_over: bool
    started_by: str
    start_time: float
    end_time: float | None = None
    verdict: ReportVerdict
    plan: ReportedPlan
    method: Method
    rto: MeasuredRto
    recovery_points: MeasuredRpo
    approvals: str = ""
    senders_verified: bool = False
    waves: list[ReportedWave]
    not_tested: list[str] = []
    decisions: list[ReportedDecision] = []
    messages: list[ReportedMessage] = []
    action_items: list[ActionItem] = []
    cleanup: CleanupState | None = None
    not_put_back: list[str] = []
    isolation: list[str] = []
    notifications: ReportedNotifications
    problems: list[str] = []
