"""Lists of executions: running ones from Temporal, ended ones from DynamoDB; and of their steps."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.service import RPCError

from client.connection import connect_to_temporal
from client.errors import UnreachableError, all_unreachable
from client.executions import LastKnownState
from client.health import LaunchHealth
from contract.identifiers import EXECUTION_ID_KEY, EXECUTION_TYPE_KEY, PLAN_ID_KEY, STATUS_KEY
from contract.temporal import RPC_TIMEOUT
from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveState
from recovery.readiness.report import ReadinessRow
from recovery.readiness.verdict import ReadinessStatus
from recovery.steps.progress import not_tested
from recovery.steps.state import StepState
from storage.history import HistoryError, HistoryTable
from storage.plans import PlanVersion

MAX_ROWS = 1000
_RUNNING = (
    f"{PLAN_ID_KEY.name} IS NOT NULL AND ExecutionStatus = 'Running' "
    "AND WorkflowType = 'RecoveryPlanWorkflow'"
)
_UNAVAILABLE = (UnreachableError, RPCError, HistoryError)
_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)


class ExecutionRow(Model):
    """An execution in a list.

    Attributes:
        running: whether it is running in Temporal; None if Temporal did not respond.
    """

    execution_id: str
    plan_id: str
    plan_name: str | None = None
    execution_type: str = ""
    status: str
    running: bool | None = None
    started_by: str | None = None
    start_time: float
    end_time: float | None = None

    @property
    def note(self) -> str:
        """A note that its status does not show."""
        if self.running:
            return "running"
        if self.running is False and self.status in _OPEN:
            return "no longer running; its end was not recorded"
        return ""


class KnownPlan(Model):
    """A plan in a list.

    Attributes:
        registered: its newest registered version.
        last_execution: its running execution, or else its last one.
        readiness: None: it is not registered, or that is not known.
    """

    plan_id: str
    plan_name: str | None = None
    registered: PlanVersion | None = None
    last_execution: ExecutionRow | None = None
    readiness: ReadinessStatus | None = None


def known_plans(
    executions: Sequence[ExecutionRow],
    registered: Sequence[PlanVersion],
    readiness: Sequence[ReadinessRow] = (),
) -> list[KnownPlan]:
    """The plans that have run or are registered: in the order of `executions`, then the others.

    Args:
        executions: one a plan.
        registered: the newest version of each registered plan.
        readiness: what is known of the registered plans.
    """
    ready = {row.plan_id: row.status for row in readiness}
    versions = {version.plan_id: version for version in registered}
    last = {row.plan_id: row for row in executions}
    found = []
    for plan_id in dict.fromkeys([*last, *versions]):
        row, version = last.get(plan_id), versions.get(plan_id)
        name = version.plan_name if version else row and row.plan_name
        found.append(
            KnownPlan(
                plan_id=plan_id,
                plan_name=name,
                registered=version,
                last_execution=row,
                readiness=ready.get(plan_id),
            )
        )
    return found


@dataclass(frozen=True)
class Overview:
    """Executions, those that run first and the newest first.

    Attributes:
        warnings: what keeps executions from launching; which source did not respond, and what is
            therefore unknown.
        is_complete: whether both sources responded.
    """

    rows: list[ExecutionRow]
    warnings: tuple[str, ...] = ()
    is_complete: bool = True

    @property
    def latest_of_plans(self) -> list[ExecutionRow]:
        """For each plan, its running execution or its last one."""
        latest: dict[str, ExecutionRow] = {}
        for row in self.rows:
            latest.setdefault(row.plan_id, row)
        return list(latest.values())


async def overview(
    table: HistoryTable,
    connect: Callable[[], Awaitable[Client]] = connect_to_temporal,
    *,
    health: LaunchHealth,
    plan_id: str | None = None,
    state: PlanStatus | None = None,
    limit: int = MAX_ROWS,
    all_running: bool = False,
) -> Overview:
    """List executions from Temporal and the history; one of them may be unavailable.

    Args:
        table: the history.
        connect: returns the connection to Temporal.
        health: what keeps executions from launching.
        plan_id: only this plan's.
        state: only those in this state.
        limit: the maximum number.
        all_running: list all that run, also if these are more.

    Raises:
        UnreachableError: both are unavailable.
    """
    running, recorded = await asyncio.gather(
        running_executions(connect, plan_id),
        table.executions(plan_id=plan_id, limit=MAX_ROWS if state else limit),
        return_exceptions=True,
    )
    for side in (running, recorded):
        if isinstance(side, BaseException) and not isinstance(side, _UNAVAILABLE):
            raise side
    warnings: list[str] = []
    is_complete = not any(isinstance(side, BaseException) for side in (running, recorded))
    if isinstance(running, BaseException):
        if isinstance(recorded, BaseException):
            raise all_unreachable(running, recorded)
        warnings.append(f"running executions are unknown: {running}")
        rows = merged(None, recorded)
    elif isinstance(recorded, BaseException):
        warnings.append(f"only running executions are listed: {recorded}")
        rows = merged(running, [])
    else:
        rows = merged(running, recorded)
    if any(row.running for row in rows):
        try:
            warnings += await health.problems(await connect())
        except (UnreachableError, RPCError) as error:
            warnings.append(f"whether launches proceed is unknown: {error}")
    found = [row for row in rows if state is None or row.status == state]
    if all_running:
        limit = max(limit, sum(bool(row.running) for row in found))
    return Overview(found[:limit], tuple(warnings), is_complete)


def merged(
    running: Sequence[ExecutionRow] | None, recorded: Sequence[ExecutionState]
) -> list[ExecutionRow]:
    """Running executions, then recorded ones, each once and the newest first.

    Args:
        running: from Temporal; None if it did not respond.
        recorded: from the history.
    """
    live = {row.execution_id: row for row in running or ()}
    rows = []
    for state in recorded:
        known = live.pop(state.execution_id, None)
        row = ExecutionRow.model_validate(dict(state))
        row.status = known.status if known else state.status
        row.running = known is not None if running is not None else None
        rows.append(row)
    rows += live.values()
    return sorted(rows, key=lambda row: (not row.running, -row.start_time))


async def running_executions(
    connect: Callable[[], Awaitable[Client]] = connect_to_temporal, plan_id: str | None = None
) -> list[ExecutionRow]:
    """The executions that run in Temporal, of all plans or of one.

    Args:
        connect: returns the connection to Temporal.
        plan_id: only this plan's.
    """
    client = await connect()
    rows = []
    async for found in client.list_workflows(_RUNNING, rpc_timeout=RPC_TIMEOUT):
        known = found.typed_search_attributes
        row = ExecutionRow(
            execution_id=known.get(EXECUTION_ID_KEY, ""),
            plan_id=known.get(PLAN_ID_KEY, found.id),
            execution_type=known.get(EXECUTION_TYPE_KEY, ""),
            status=known.get(STATUS_KEY, PlanStatus.IN_PROGRESS),
            running=True,
            start_time=found.start_time.timestamp(),
        )
        if plan_id in (None, row.plan_id):
            rows.append(row)
    return rows


class ListedStep(StepState):
    """A step of a wave of an execution. Times are epoch seconds."""

    wave_id: str
    wave_name: str

    @classmethod
    def of_wave(cls, wave: WaveState, step: StepState) -> "ListedStep":
        """A step of a wave."""
        names = {"wave_id": wave.wave_id, "wave_name": wave.wave_name}
        return cls.model_validate(dict(step) | names)


class StepList(Model):
    """All steps of an execution, wave by wave in the order of the plan.

    Attributes:
        recorded_time: when the state was recorded, if nothing newer is known (epoch seconds).
        outdated_reason: why nothing newer is known.
        not_tested: how many steps this kind of execution left out.
    """

    execution_id: str
    plan_id: str
    execution_type: ExecutionType
    status: PlanStatus
    recorded_time: float | None = None
    outdated_reason: str | None = None
    not_tested: int
    steps: list[ListedStep]

    @classmethod
    def of(cls, state: ExecutionState) -> "StepList":
        """The steps of an execution."""
        outdated = state if isinstance(state, LastKnownState) else None
        return cls(
            execution_id=state.execution_id,
            plan_id=state.plan_id,
            execution_type=state.execution_type,
            status=state.status,
            recorded_time=outdated.recorded_time if outdated else None,
            outdated_reason=outdated.outdated_reason if outdated else None,
            not_tested=sum(len(not_tested(wave.steps)) for wave in state.waves),
            steps=[ListedStep.of_wave(wave, s) for wave in state.waves for s in wave.steps],
        )
