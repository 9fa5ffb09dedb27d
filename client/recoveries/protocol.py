"""What commands ask for, whichever way it is done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from client.decisions.inbox import Inbox
from client.errors import NoWorkerError
from client.executions import LastKnownState, RunningExecution
from client.overview import ExecutionRow, Overview
from client.portfolios.order import Portfolios
from client.recoveries.reports import Reports
from client.recoveries.snapshots import OnProgress
from client.takeover import PreviousExecution
from contract.readiness import PlanSnapshots, Readiness
from recovery.base_model import Model
from recovery.coverage.gaps import Coverage
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.operator.confirmation import IntendedStart
from recovery.operator.messages import OperatorMessage
from recovery.plan.members import RecordedServers, TaggedMembership
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import PlanOrigin
from recovery.readiness.report import ReadinessReport, ReadinessRow
from recovery.steps.replaced import RevertView
from storage.plans import PlanVersion, RegisteredPlan


class StartedExecution(Model):
    """The execution that a request started.

    Attributes:
        temporal: the address and namespace of the Temporal that it runs on.
        is_new: false if an earlier request with the same key started it.
        is_queued: no worker runs, so it begins once one does.
        is_cleanup_scheduled: its instances are terminated after its end.
        warnings: steps that failed, although the execution was started.
    """

    execution_id: str
    plan_id: str
    temporal: str
    is_new: bool
    is_queued: bool = False
    is_cleanup_scheduled: bool = False
    warnings: list[str] = []


@dataclass(frozen=True)
class StartOrder:
    """A confirmed start.

    Attributes:
        plan: the plan, with what was chosen for its servers if a point in time was asked for.
        confirmation: the PlanId as it was typed.
        previous: the execution that it continues.
        cleanup_after: seconds from a drill's end until its instances are terminated.
        declared: when the disaster or the exercise was declared (epoch seconds), if known.
        accepts_findings: somebody has seen what a look before a drill found, and accepts it.
        accepted: those findings, named, so that the report has them.
        key: the same for each repetition of one start, which starts one execution.
    """

    plan: RecoveryPlan
    intended: IntendedStart
    confirmation: str | None = None
    previous: PreviousExecution | None = None
    cleanup_after: float | None = None
    declared: float | None = None
    accepts_findings: bool = False
    accepted: Sequence[str] = ()
    key: str = field(default_factory=lambda: uuid4().hex)


class Recoveries(Protocol):
    """The executions and plans of one installation.

    All methods raise RefusedError where something is refused or not known, and UnreachableError
    where Temporal, the workers or the API do not answer.
    """

    @property
    def place(self) -> str:
        """Which Temporal, or which API, for people."""

    @property
    def portfolios(self) -> Portfolios:
        """Its portfolios."""

    @property
    def is_configured(self) -> bool:
        """Whether a variable or a profile names it; else it is a default."""

    @property
    def reports(self) -> Reports:
        """Its reports and action items, for which Temporal is not needed."""

    async def find_running(self, plan_id: str) -> RunningExecution | None:
        """The running execution of a plan, or None."""

    async def require_running(self, given: str) -> RunningExecution:
        """The running execution that a PlanId or an execution ID names."""

    async def plan_and_execution(self, given: str) -> tuple[str, str | None]:
        """The PlanId that an operator means, and the execution if its ID is given."""

    async def recorded_id(self, given: str) -> str:
        """The ID of a recorded execution, given that ID or a PlanId for the plan's last one."""

    async def known_plan_ids(self) -> list[str]:
        """The PlanIds that run or are recorded, as far as they can be read in a short time."""

    async def state(self, plan_id: str, execution_id: str | None = None) -> ExecutionState:
        """The current state of a plan's running or last execution, or of exactly this one."""

    async def last_known(
        self, plan_id: str, reason: str, execution_id: str | None = None
    ) -> LastKnownState | None:
        """The recorded state; None if it cannot be read. `reason` is why nothing newer is known."""

    async def recorded(self, execution_id: str) -> ExecutionState:
        """An execution as it is recorded."""

    async def deliveries(self, execution_id: str) -> list[DeliveryRecord]:
        """The messages about an execution that channels got, the oldest first."""

    async def closed_status(self, plan_id: str, execution_id: str | None) -> str | None:
        """How the workflow of an execution was closed; None while it runs."""

    async def running_executions(self) -> list[ExecutionRow]:
        """The executions that run."""

    async def decisions(self) -> Inbox:
        """What all running executions wait for people to decide."""

    async def recorded_executions(self, plan_id: str | None, limit: int) -> list[ExecutionState]:
        """The executions that are recorded, without their waves, the newest first."""

    async def executions(
        self, *, plan_id: str | None = None, state: PlanStatus | None = None, limit: int
    ) -> Overview:
        """Executions, those that run first."""

    async def registered(self) -> list[PlanVersion]:
        """The newest version of each registered plan."""

    async def registered_plan(self, plan_id: str) -> RegisteredPlan | None:
        """The newest version of a plan, also of one that was removed; None if there is none."""

    async def register(
        self, plan: RecoveryPlan, *, after: int | None = None, origin: PlanOrigin | None = None
    ) -> tuple[PlanVersion, bool]:
        """Register a plan; its newest version and whether it is new.

        With `after`, nothing is registered if that is not the newest version, 0 for none.
        """

    async def remove_plan(self, plan_id: str, *, after: int) -> PlanVersion:
        """Mark a plan as removed, if `after` is its newest version; its versions are kept."""

    async def idle_reason(self) -> NoWorkerError | None:
        """Why a new execution would not start now; None if it would."""

    async def launch_problems(self) -> list[str]:
        """What keeps running executions from launching, each with what to do."""

    async def require_startable(self, intended: IntendedStart) -> None:
        """Refuse a start that would be refused after its confirmation.

        Raises:
            RefusedError: an execution of the plan runs that must not be replaced.
            NoWorkerError: its confirmation shows the targets, and no worker can show them.
        """

    async def check_readiness(self, plan: RecoveryPlan) -> Readiness:
        """What a worker finds about a plan's servers and targets; launches nothing."""

    async def coverage(self) -> Coverage:
        """What registered plans and their drills leave uncovered, as a worker finds it."""

    async def readiness_rows(self) -> list[ReadinessRow]:
        """What is known of the readiness of each registered plan."""

    async def readiness_report(self, plan_id: str, *, is_fresh: bool) -> ReadinessReport:
        """What is known of a registered plan; with `is_fresh`, after a look now."""

    async def snapshots(
        self,
        plan: RecoveryPlan,
        around: float | None,
        *,
        on_progress: OnProgress | None = None,
    ) -> PlanSnapshots:
        """The snapshots of a plan's servers; of each, the one for a time (epoch seconds)."""

    async def membership(
        self, plan: RecoveryPlan, *, accepted: str | None = None
    ) -> TaggedMembership:
        """What DRS has for the tags of a plan, and what was recorded before.

        `accepted` is the hash of the plan with fewer servers than before, which were confirmed.
        """

    async def recorded_servers(self, plan_id: str) -> RecordedServers | None:
        """The servers that were last recorded for a plan's tags; None if none were."""

    async def previous(
        self,
        execution_id: str,
        corrected: RecoveryPlan | None,
        execution_type: ExecutionType,
        *,
        replace_drill: bool = False,
    ) -> PreviousExecution:
        """An execution to continue, with its frozen plan or a corrected one."""

    async def start(self, order: StartOrder) -> StartedExecution:
        """Start an execution, and what belongs to the start: the drill's end, the clean-up."""

    async def send(
        self, running: RunningExecution, message: OperatorMessage, *, actor: str | None = None
    ) -> str | None:
        """Send a message to exactly this execution; its effect, None while no worker answers."""

    async def cancel(
        self,
        running: RunningExecution,
        *,
        reason: str,
        confirmation: str | None,
        actor: str | None = None,
    ) -> str | None:
        """Cancel exactly this execution; the effect, None while no worker answers."""

    async def start_cleanup(self, state: ExecutionState, confirmation: str | None) -> None:
        """Start the clean-up after an execution, which was confirmed."""

    async def look_at_step(self, state: ExecutionState, step: str) -> RevertView:
        """What a step (`WAVE/STEP`) of a recorded execution replaced, and what is there now."""

    async def put_back(
        self,
        state: ExecutionState,
        step: str,
        view: RevertView,
        *,
        confirmation: str,
        is_forced: bool,
    ) -> str:
        """Put back what was shown and confirmed; what was done."""

    async def cleanup_state(self, execution_id: str) -> CleanupState:
        """The state of a clean-up.

        Raises:
            RefusedError: there is none, or it failed.
        """
