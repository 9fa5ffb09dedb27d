"""What the API and the pages do for a caller: look, start, steer, clean up."""

import asyncio
from http import HTTPStatus
from urllib.parse import quote

from temporalio.client import Client, WorkflowQueryFailedError

from api.auth.roles import require
from api.auth.tokens import Gate, Principal
from api.hub import Hub
from api.problems import ApiProblem
from api.starts import Started, Starter, StartRequest
from aws.quotas import configured
from client.cleanup import cleanup_state, start_cleanup
from client.connection import connect_to_temporal
from client.errors import RefusedError, UnreachableError
from client.executions import RunningExecution, find_running, list_runs
from client.overview import MOST, Overview, overview
from client.steering import cancel, send
from client.takeover import refuse_while_it_runs
from contract.cleanup import StartCleanup
from contract.identifiers import plan_id_of
from contract.rpc_limits import RPC_TIMEOUT
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.report import ForecastReport
from recovery.forecast.simulation import forecast
from recovery.operator.confirmation import RequestRefusal, cancel_refusal, cleanup_refusal
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import RecoveryPlan
from settings import Role, Settings
from storage.durations import learned_durations
from storage.history import HistoryError, HistoryTable
from storage.plans import PlanTable, RegisteredPlan

__all__ = ["House", "StartRequest", "Started", "require", "web_ui_link"]


class House:
    """Temporal, the tables and the hub of one serving process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gate = Gate(settings)
        self.history = HistoryTable(settings)
        self.plans = PlanTable(settings)
        self.hub = Hub(self.client, self.history)
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._starter = Starter(settings, self.client, self.plan, self.history)

    async def client(self) -> Client:
        """The connection to Temporal, made when it is first needed.

        Raises:
            UnreachableError: Temporal does not answer.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await connect_to_temporal()
            return self._client

    async def plan(self, plan_id: str, version: int | None = None) -> RegisteredPlan:
        """A registered plan.

        Raises:
            ApiProblem: there is no such plan or version.
        """
        found = await self.plans.plan(plan_id, version)
        if found is None:
            named = f"no version {version} of plan" if version else "no registered plan"
            raise ApiProblem(HTTPStatus.NOT_FOUND, f"there is {named} {plan_id!r}")
        return found

    async def executions(
        self, *, plan_id: str | None = None, state: PlanStatus | None = None, limit: int = MOST
    ) -> Overview:
        """Executions as Temporal and the history know them; one of the two may be away."""
        try:
            client = await self.client()
        except UnreachableError:
            # Which the overview meets again, and tells of.
            client = None
        return await overview(self.history, client, plan_id=plan_id, state=state, limit=limit)

    async def frozen_plan(self, execution_id: str) -> RecoveryPlan:
        """The plan as an execution runs it, or ran it.

        Raises:
            UnknownExecutionError: nobody knows the execution.
            UnreachableError: neither Temporal nor the history could be asked.
        """
        try:
            recorded = await self.history.execution(execution_id)
        except HistoryError:
            recorded = None
        if recorded is not None:
            return recorded[1]
        await self.hub.state(execution_id)
        client = await self.client()
        runs = await list_runs(client, execution_id)
        if not runs:
            raise UnreachableError(f"the plan of {execution_id} is not known yet; try again")
        handle = client.get_workflow_handle(runs[0].workflow_id, run_id=runs[0].run_id)
        try:
            plan: RecoveryPlan = await handle.query(
                "plan", result_type=RecoveryPlan, rpc_timeout=RPC_TIMEOUT
            )
        except WorkflowQueryFailedError as error:
            raise UnreachableError(f"the plan of {execution_id} cannot be read: {error}") from error
        return plan

    async def forecast(self, plans: list[RecoveryPlan]) -> ForecastReport:
        """How long plans are expected to take that start together."""
        try:
            known = await learned_durations(self.history, plans)
        except HistoryError:
            known = LearnedDurations()
        quotas = configured(self.settings)
        found = await asyncio.to_thread(forecast, plans, known.durations, quotas)
        return ForecastReport.of(found, known)

    async def start(
        self, caller: Principal, plan_id: str, request: StartRequest, *, key: str | None = None
    ) -> Started:
        """Start an execution of a registered plan; see `Starter.start`."""
        return await self._starter.start(caller, plan_id, request, key=key)

    async def tell(
        self, caller: Principal, execution_id: str, message: OperatorMessage
    ) -> str | None:
        """Send an operator's message to a running execution.

        Returns:
            Its effect; None when no worker is up, and it is kept until one comes.

        Raises:
            RefusedError: the execution rejected it, or does not run.
            UnreachableError: Temporal did not answer.
        """
        role = Role.APPROVER if message.name is MessageName.APPROVE_WAVE else Role.OPERATOR
        require(caller, role)
        client = await self.client()
        running = await self._running(client, execution_id)
        return await send(client, running, message, actor=caller.subject)

    async def cancel(
        self, caller: Principal, execution_id: str, *, reason: str, confirmation: str | None
    ) -> str | None:
        """Cancel a running execution; a real recovery only with the PlanId as confirmation.

        Returns:
            Its effect; None when no worker is up.
        """
        require(caller, Role.OPERATOR)
        client = await self.client()
        running = await self._running(client, execution_id)
        _refuse_unless(cancel_refusal(running.plan_id, running.execution_type, confirmation))
        return await cancel(client, running, actor=caller.subject, reason=reason)

    async def clean_up(
        self, caller: Principal, execution_id: str, *, force: bool, confirmation: str | None
    ) -> None:
        """Start terminating exactly what an execution launched.

        Raises:
            ApiProblem: it is refused; nothing was terminated.
            RefusedError: the execution still runs, or its clean-up does.
        """
        require(caller, Role.OPERATOR)
        found = await self.history.execution(execution_id)
        if found is None:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} is not recorded yet; try again in a moment")
        state = found[0]
        if state.execution_type is ExecutionType.RECOVERY:
            require(caller, Role.ADMIN)
        _refuse_unless(
            cleanup_refusal(state.plan_id, state.execution_type, confirmation, is_forced=force)
        )
        client = await self.client()
        await refuse_while_it_runs(client, state, "cancel it first, or wait for its end")
        await start_cleanup(
            client,
            StartCleanup(
                execution_id=execution_id,
                plan_id=state.plan_id,
                actor=caller.subject,
                confirmation=confirmation,
            ),
        )

    async def cleanup(self, execution_id: str) -> CleanupState:
        """How the clean-up after an execution stands, by Temporal or, once it ended, the history.

        Raises:
            ApiProblem: there was none.
            UnreachableError: that is not known now.
        """
        away: UnreachableError | None = None
        try:
            return await cleanup_state(await self.client(), execution_id)
        except RefusedError:
            # Temporal knows none, or no longer.
            pass
        except UnreachableError as error:
            away = error
        found = await self.history.execution(execution_id)
        recorded = found[0].cleanup if found else None
        if recorded is not None and (away is None or recorded.end_time is not None):
            return recorded
        if away is not None:
            raise away
        await self.hub.state(execution_id)
        raise ApiProblem(
            HTTPStatus.NOT_FOUND, f"nobody has asked for a clean-up after {execution_id}"
        )

    async def close(self) -> None:
        """Let go of everything."""
        await self.hub.close()

    async def _running(self, client: Client, execution_id: str) -> RunningExecution:
        running = await find_running(client, plan_id_of(execution_id))
        if running is None or running.execution_id != execution_id:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} does not run any more")
        return running


def _refuse_unless(refused: RequestRefusal | None) -> None:
    """Refuse what a rule refuses.

    Raises:
        ApiProblem: with the rule's text.
    """
    if refused is not None:
        raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, refused.text)


def web_ui_link(
    settings: Settings, namespace: str, workflow_id: str, run_id: str | None = None
) -> str | None:
    """Where Temporal's Web UI shows a workflow; None where its address is not known.

    Args:
        settings: have the address.
        namespace: Temporal's.
        workflow_id: the workflow.
        run_id: one run of it; None for the last.
    """
    if settings.temporal_ui is None:
        return None
    ui = settings.temporal_ui.rstrip("/")
    run = f"/{run_id}/history" if run_id else ""
    return f"{ui}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}{run}"
