"""What the API and the pages do for a caller: look, start, steer, clean up."""

import asyncio
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import Field
from temporalio.service import RPCError

from activities.experience import experience, experience_at_once
from activities.history import HistoryError, HistoryTable
from activities.plan_table import PlanTable, RegisteredPlan
from api.auth import Gate, Principal
from api.hub import Hub
from api.problems import ApiProblem
from recovery.admission import Quotas
from recovery.execution import ExecutionType
from recovery.forecast import forecast
from recovery.forecast_report import ForecastReport
from recovery.learning import Experience
from recovery.messages import MessageName, OperatorMessage
from recovery.model import StrictModel
from recovery.plan import RecoveryPlan
from settings import Role, Settings
from workflows.client import RecoveryClient, RefusedError, UnreachableError
from workflows.messages import StartCleanup, new_execution_id, plan_id_of
from workflows.resuming import Earlier, earlier, recorded, refuse_while_it_runs
from workflows.steering import RunningExecution, cancel, find_running, send

_CHANGES_TOLD = 20
_SECONDS = Annotated[float, Field(ge=0, le=30 * 86_400)]


class StartRequest(StrictModel):
    """How a plan is to be run.

    Attributes:
        execution_type: a drill, or the real thing.
        confirmation: the PlanId, which a real recovery needs, and a relaunch too.
        version: the plan's version; the newest where none is said.
        relaunch: servers that may be launched although that destroys a live recovery instance.
        replace_drill: first end a running drill of the plan; for a real recovery.
        from_execution: an earlier execution whose servers are taken over. Without `version` its
            own frozen plan is run.
        cleanup_after_seconds: terminate a drill's instances so long after its end.
    """

    execution_type: ExecutionType = ExecutionType.DRILL
    confirmation: str | None = None
    version: Annotated[int, Field(ge=1)] | None = None
    relaunch: list[str] = []
    replace_drill: bool = False
    from_execution: str | None = None
    cleanup_after_seconds: _SECONDS | None = None


@dataclass(frozen=True)
class Started:
    """An execution that was asked for.

    Attributes:
        is_new: it was started by this request, not by an earlier one with the same key.
        warnings: what did not go as it should, such as a clean-up that could not be scheduled.
    """

    plan_id: str
    execution_id: str
    is_new: bool
    warnings: tuple[str, ...] = ()


class House:
    """Temporal, the tables and the hub of one serving process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gate = Gate(settings)
        self.history = HistoryTable(settings)
        self.plans = PlanTable(settings)
        self.hub = Hub(self.client, self.history)
        self._client: RecoveryClient | None = None
        self._connecting = asyncio.Lock()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(settings.starts_a_minute)

    async def client(self) -> RecoveryClient:
        """The connection to Temporal, made when it is first needed.

        Raises:
            UnreachableError: Temporal does not answer.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await RecoveryClient.connect()
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

    async def forecast(self, plans: list[RecoveryPlan]) -> ForecastReport:
        """How long plans are expected to take that start together."""
        try:
            known = await experience(self.history, plans)
        except HistoryError:
            known = Experience()
        settings = self.settings
        quotas = Quotas(jobs=settings.jobs_quota, servers=settings.servers_quota)
        found = await asyncio.to_thread(forecast, plans, known.durations, quotas)
        return ForecastReport.of(found, known)

    async def start(
        self, caller: Principal, plan_id: str, request: StartRequest, *, key: str | None = None
    ) -> Started:
        """Start an execution of a registered plan.

        Args:
            caller: who starts it.
            plan_id: the plan.
            request: how it is to be run.
            key: asking again with the same key starts nothing more.

        Raises:
            ApiProblem: it is refused; nothing was started.
            RefusedError: the plan runs already, or cannot go on from that execution.
            UnreachableError: Temporal did not answer.
        """
        _refuse_unconfirmed(caller, plan_id, request)
        execution_id = new_execution_id(plan_id, key and f"{caller.subject}\n{plan_id}\n{key}")
        asked = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        client = await self.client()
        if key is not None and await self._was_started(client, execution_id, asked):
            return Started(plan_id, execution_id, is_new=False)
        if not await asyncio.to_thread(self._limiter.hit, self._limit, caller.subject):
            raise ApiProblem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{caller.subject} started {self.settings.starts_a_minute} executions within a "
                "minute; try again in a minute",
                headers={"Retry-After": "60"},
            )
        plan, before = await self._to_run(plan_id, request)
        _refuse_unknown_servers(plan, request.relaunch)
        if request.replace_drill:
            await client.replace_drill(plan_id)
        try:
            await client.start(
                plan,
                execution_type=request.execution_type,
                confirmation=request.confirmation,
                relaunch=request.relaunch,
                takeover=before.takeover if before else None,
                experience=await experience_at_once(self.history, plan),
                started_by=caller.subject,
                execution_id=execution_id,
                request=asked,
            )
        except RefusedError:
            # The same request may have come twice at once.
            if key is None or not await self._was_started(client, execution_id, asked):
                raise
            return Started(plan_id, execution_id, is_new=False)
        warnings = await self._schedule_cleanup(client, caller, execution_id, request)
        if idle := await client.why_idle():
            warnings = (*warnings, f"it has not begun yet. {idle}")
        return Started(plan_id, execution_id, is_new=True, warnings=warnings)

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
        if running.execution_type is not ExecutionType.DRILL and confirmation != running.plan_id:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"nothing was cancelled: {execution_id} is a real RECOVERY; its Confirmation must "
                f"be the PlanId, {running.plan_id!r}",
            )
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
        state, _ = await recorded(execution_id)
        if state.execution_type is ExecutionType.RECOVERY:
            require(caller, Role.ADMIN)
            if not force or confirmation != state.plan_id:
                raise ApiProblem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"nothing was terminated: {execution_id} is a real RECOVERY, and its instances "
                    f"may be in use. Force and the Confirmation {state.plan_id!r} terminate them "
                    "all the same",
                )
        client = await self.client()
        await refuse_while_it_runs(client, state, "cancel it first, or wait for its end")
        await client.start_cleanup(
            StartCleanup(
                execution_id=execution_id,
                plan_id=state.plan_id,
                actor=caller.subject,
                confirmation=confirmation,
            )
        )

    async def close(self) -> None:
        """Let go of everything."""
        await self.hub.close()

    async def _running(self, client: RecoveryClient, execution_id: str) -> RunningExecution:
        running = await find_running(client, plan_id_of(execution_id))
        if running is None or running.execution_id != execution_id:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} does not run any more")
        return running

    async def _to_run(
        self, plan_id: str, request: StartRequest
    ) -> tuple[RecoveryPlan, Earlier | None]:
        """The plan to run, and the execution that it goes on from."""
        if request.from_execution is None:
            return (await self.plan(plan_id, request.version)).plan, None
        if plan_id_of(request.from_execution) != plan_id:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"nothing was started: {request.from_execution} is no execution of {plan_id}",
            )
        corrected = None
        if request.version is not None:
            corrected = (await self.plan(plan_id, request.version)).plan
        before = await earlier(
            request.from_execution,
            corrected,
            request.execution_type,
            replace_drill=request.replace_drill,
        )
        if before.changes and request.confirmation != plan_id:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"nothing was started: the plan differs from that of {request.from_execution}; "
                f"confirm that with the PlanId {plan_id!r} as Confirmation: "
                + "; ".join(before.changes[:_CHANGES_TOLD]),
            )
        return before.plan, before

    async def _was_started(self, client: RecoveryClient, execution_id: str, asked: str) -> bool:
        """Whether an execution was started, by this very request.

        Raises:
            ApiProblem: it was started by another request with the same key.
        """
        known = await client.request_of(execution_id)
        if known is None:
            try:
                return await self.history.execution(execution_id) is not None
            except HistoryError:
                # A recovery does not wait for DynamoDB; what Temporal knows covers its retention.
                return False
        if known != asked:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"this Idempotency-Key has started {execution_id} with another request; use a new "
                "key for a new request",
            )
        return True

    async def _schedule_cleanup(
        self, client: RecoveryClient, caller: Principal, execution_id: str, request: StartRequest
    ) -> tuple[str, ...]:
        if request.cleanup_after_seconds is None:
            return ()
        start = StartCleanup(
            execution_id=execution_id,
            plan_id=plan_id_of(execution_id),
            actor=caller.subject,
            after_seconds=request.cleanup_after_seconds / self.settings.speed,
        )
        try:
            await client.start_cleanup(start)
        except (RefusedError, UnreachableError, RPCError) as error:
            return (f"its clean-up could not be scheduled: {error}",)
        return ()


def require(caller: Principal, role: Role) -> None:
    """Refuse a caller that has not got a role.

    Raises:
        ApiProblem: it has not.
    """
    if not caller.may(role):
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            f"{caller.subject} lacks the role {role}",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )


def _refuse_unconfirmed(caller: Principal, plan_id: str, request: StartRequest) -> None:
    require(caller, Role.OPERATOR)
    real = request.execution_type is ExecutionType.RECOVERY
    wrong = None
    if real and request.cleanup_after_seconds is not None:
        wrong = "CleanupAfterSeconds is for a drill; what a real recovery launches stays"
    elif request.replace_drill and not real:
        wrong = "ReplaceDrill is for a real recovery"
    elif (real or request.relaunch) and request.confirmation != plan_id:
        what = "a real RECOVERY" if real else "a relaunch over live instances"
        wrong = f"{what} needs the PlanId {plan_id!r} as its Confirmation"
    elif request.confirmation not in (None, plan_id):
        wrong = f"the Confirmation is not the PlanId {plan_id!r}"
    if wrong is not None:
        raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, f"nothing was started: {wrong}")
    if request.relaunch:
        require(caller, Role.ADMIN)


def _refuse_unknown_servers(plan: RecoveryPlan, relaunch: list[str]) -> None:
    known = {server_id for wave in plan.waves for server_id in wave.server_ids}
    if unknown := [server_id for server_id in relaunch if server_id not in known]:
        raise ApiProblem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"nothing was started: Relaunch names {', '.join(unknown)}, which {plan.plan_id} does "
            "not launch",
        )


def web_ui_link(settings: Settings, namespace: str, workflow_id: str) -> str | None:
    """Where Temporal's Web UI shows a workflow; None where its address is not known."""
    if settings.temporal_ui is None:
        return None
    ui = settings.temporal_ui.rstrip("/")
    return f"{ui}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"
