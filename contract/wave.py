"""The input, a signal and the result of a wave's workflow."""

from pydantic import JsonValue

from contract.steps import StepAnswer, StepServer
from recovery.access.grants import SignedApproval, SignedRequest
from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model
from recovery.execution.server import OperatingSystem, ServerResult
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveAttempt, WaveReport, WaveState
from recovery.forecast.estimates import EARLIEST_SERVER_SECONDS
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.launch_settings.model import LaunchSettings
from recovery.notify.events import NotifiedExecution
from recovery.plan.model import PlanChannel, Wave
from recovery.plan.snapshots import PointInTime
from recovery.steps.state import StepState


class WaveInput(Model):
    """Input of a wave's workflow: its own wave only.

    Attributes:
        plan_workflow_id: the workflow that it reports to.
        since: the execution's start (epoch seconds); none of its jobs is older.
        earlier: the servers' results of earlier attempts or of an earlier execution; they are
            reviewed with DRS before anything is launched.
        launch_prefixes: the prefixes of their launch IDs; empty if there are none.
        paused: the plan is paused: launch nothing until `resume`.
        account_id: the account that the worker acts in, if it is known.
        launches_requested: when the plan requested its launches, before it started the wave (epoch
            seconds); None: the wave does.
        launch_before: the plan's deadline (epoch seconds).
        priority: the plan's; 1 is the highest.
        remaining_seconds: how long the plan is expected to take from this wave on, along its
            longest chain.
        rto_launch_time: when the wave must be launched for the plan to meet its RTO (epoch
            seconds), if the plan has one.
        expected_seconds: what the wave is expected to take from acceptance on, if known.
        earliest_seconds: seconds before which none of them is expected to be up.
        operating_systems: of the wave's servers, if DRS returns them.
        server_names: of the wave's servers, if DRS returns them.
        past_attempts: the wave's attempts before this one, for its history.
        acting_for: the execution and actor that sessions in AWS are named after.
        retried_by: the operators' signed messages that its attempts follow.
        approved_by: the signed approvals of the recovery and of the wave.
        earlier_steps: the steps' states of earlier attempts or of an earlier execution.
        steps_in_doubt: an earlier attempt was lost, and may have begun steps nobody recorded.
        is_signed: the start is signed, so decisions about the wave are verified.
        launch_accepted: launch nothing, because an operator accepted what is up.
        step_servers: servers of other waves that the references of its steps name.
        step_outputs: what steps returned that its references name, by `WAVE.STEP` and name.
        secret_references: those of them whose values are secret, as the plan writes them.
        reported_execution: as notifications name it; the wave reports once the plan has ended.
        channels: the channels that the plan names.
        optimal_seconds: as the wave's state has them.
        drill_settings: of a drill: the plan's own DrillLaunchSettings.
        drill_subnets: of a recovery: where the plan's drills launch.
        point_in_time: what its servers are recovered to, by what was chosen for each.
    """

    execution_id: str
    execution_type: ExecutionType
    plan_id: str
    plan_workflow_id: str
    wave: Wave
    attempt: int
    revision: int
    speed: float
    since: float
    launch_before: float
    relaunch: list[str] = []
    earlier: list[ServerResult] = []
    launch_prefixes: list[str] = []
    paused: bool = False
    account_id: str | None = None
    launches_requested: float | None = None
    priority: int = DEFAULT_PRIORITY
    remaining_seconds: float = 0.0
    rto_launch_time: float | None = None
    expected_seconds: float | None = None
    earliest_seconds: float = EARLIEST_SERVER_SECONDS
    operating_systems: dict[str, OperatingSystem] = {}
    server_names: dict[str, str] = {}
    past_attempts: list[WaveAttempt] = []
    acting_for: SessionIdentity | None = None
    retried_by: list[SignedRequest] = []
    approved_by: list[SignedApproval] = []
    earlier_steps: list[StepState] = []
    steps_in_doubt: bool = False
    is_signed: bool = False
    launch_accepted: bool = False
    step_servers: list[StepServer] = []
    step_outputs: dict[str, dict[str, JsonValue]] = {}
    secret_references: list[str] = []
    reported_execution: NotifiedExecution | None = None
    channels: list[PlanChannel] = []
    optimal_seconds: dict[str, float | None] = {}
    drill_settings: LaunchSettings | None = None
    drill_subnets: list[str] = []
    point_in_time: PointInTime | None = None

    @property
    def is_drill(self) -> bool:
        """Whether it belongs to a drill."""
        return self.execution_type is ExecutionType.DRILL


class StopWave(Model):
    """Signal to a wave: launch nothing more, and stop waiting for what was launched."""

    reason: str


class AcceptLaunch(Model):
    """Signal to a wave: an operator accepted what is up, so that the steps after it begin.

    Attributes:
        signed: the message, as it was signed.
    """

    signed: SignedRequest | None = None


class WaveDecision(Model):
    """An operator's decision as a wave got it, to be compared with what was signed.

    Attributes:
        name: of the message.
        answer: about a step; None about the wave.
        signed: the message, as it was signed.
    """

    name: str
    answer: StepAnswer | None = None
    signed: SignedRequest | None = None


class WaveOutcome(Model):
    """The result of a wave's workflow.

    Attributes:
        wave: its last state, with the servers and steps that changed since its last report.
        recorded_revision: the wave's revision in the history.
        outputs: what these steps returned; not masked.
    """

    wave: WaveState
    recorded_revision: int
    outputs: dict[str, dict[str, JsonValue]] = {}

    def as_report(self, execution_id: str) -> WaveReport:
        """The report that it amounts to."""
        return WaveReport(execution_id=execution_id, wave=self.wave, outputs=self.outputs)
