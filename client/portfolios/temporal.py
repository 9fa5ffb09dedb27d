"""Portfolios on Temporal itself, with the history and the plans in DynamoDB."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client.connection import explained_errors
from client.errors import NotRecordedError, NoWorkerError, RefusedError, RejectedError
from client.local_user import whoami
from client.portfolios.continuation import continued_order
from client.portfolios.order import PortfolioOrder, StartedPortfolio
from client.portfolios.start import already_running_error, running_portfolio, start_portfolio
from client.workers import answered_by_worker, has_worker
from contract.failures import FailureType
from contract.identifiers import (
    is_execution_id,
    plan_id_of,
    portfolio_workflow_id,
)
from contract.portfolio.start import unpacked_portfolio
from contract.temporal import RPC_TIMEOUT, UPDATE_SECONDS
from recovery.access.grants import MESSAGE_SECONDS, MessageSubject
from recovery.execution.state import ExecutionType, RefusalCode
from recovery.operator.confirmation import portfolio_cancel_refusal
from recovery.operator.messages import cancel_reason, nearest
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.state import PortfolioState
from security.signers import RequestSigner
from settings import get_settings
from storage.history import HistoryError
from storage.plans import PlanTable
from storage.portfolios import PortfolioTable
from workflows.portfolio.workflow import PortfolioWorkflow

CANCELLATION = (
    "no further plan is started, and the executions that it started are cancelled; jobs that run "
    "in DRS cannot be stopped and are still observed"
)


class UnknownPortfolioError(NotRecordedError):
    """Neither Temporal nor the history has the portfolio."""


class TemporalPortfolios:
    """`Portfolios` says what each method is for."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        signer: RequestSigner | None = None,
        actor: str | None = None,
    ) -> None:
        """Create it; `actor` acts, by default this user."""
        self._connect = connect
        self._signer = signer
        self._actor = actor or whoami()
        self._table = PortfolioTable(get_settings())

    async def registered_plan(self, plan_id: str) -> RecoveryPlan:
        table = PlanTable(get_settings())
        found = await table.plan(plan_id)
        if found is None:
            known = [each.plan_id for each in await table.latest()]
            hint = f"; {nearest(plan_id, known)}" if known else "; none is registered"
            raise RefusedError(f"there is no registered plan {plan_id!r}{hint}")
        return found.plan

    async def require_startable(self, portfolio_id: str, *, replace_drills: bool = False) -> None:
        found = await running_portfolio(await self._connect(), portfolio_id)
        if found is not None and not (replace_drills and found.is_drill):
            raise already_running_error(portfolio_id)

    async def was_started(self, portfolio_id: str, execution_id: str) -> bool:
        """Whether an execution was started, running or recorded."""
        if await self._running_id(portfolio_id) == execution_id:
            return True
        try:
            return await self._table.portfolio(execution_id) is not None
        except HistoryError:
            # A recovery must not wait for DynamoDB.
            return False

    async def continuation(
        self, execution_id: str, execution_type: ExecutionType
    ) -> PortfolioOrder:
        state = await self.state(execution_id)
        if await self._running_id(state.portfolio_id) is not None:
            raise already_running_error(state.portfolio_id)
        client = await self._connect()
        return await continued_order(client, self._table, state, execution_type)

    async def start(self, order: PortfolioOrder) -> StartedPortfolio:
        client = await self._connect()
        return await start_portfolio(client, order, started_by=self._actor, signer=self._signer)

    async def state(self, given: str) -> PortfolioState:
        client = await self._connect()
        portfolio_id = plan_id_of(given) if is_execution_id(given) else given
        for each in dict.fromkeys((portfolio_id, given)):
            running = await self._running_id(each)
            if running is not None and given in (running, each):
                return await self._queried(client, each)
        found = await self._recorded(given)
        if found is not None:
            return found
        known = [each.portfolio_id for each in await self.executions(50)]
        hint = f"; {nearest(given, list(dict.fromkeys(known)))}" if known else ""
        raise UnknownPortfolioError(f"there is no portfolio {given!r}{hint}")

    async def executions(self, limit: int) -> list[PortfolioState]:
        return await self._table.portfolios(limit=limit)

    async def send(
        self, state: PortfolioState, name: PortfolioMessageName, message: PortfolioMessage
    ) -> str | None:
        client = await self._connect()
        meant = message.model_copy(
            update={"actor": self._actor, "execution_id": state.execution_id}
        )
        fields = meant.model_dump(mode="json", exclude_none=True, by_alias=False)
        inputs: list[object] = [fields]
        if self._signer is not None:
            subject = MessageSubject(
                execution_id=state.execution_id, name=name.value, fields=fields
            )
            async with explained_errors():
                inputs.append(
                    await self._signer.sign(
                        subject, actor=self._actor, valid_seconds=MESSAGE_SECONDS
                    )
                )
        handle = client.get_workflow_handle(portfolio_workflow_id(state.portfolio_id))
        try:
            if await has_worker(client):
                async with asyncio.timeout(UPDATE_SECONDS):
                    effect: str = await handle.execute_update(
                        name.value, args=inputs, id=uuid4().hex, result_type=str
                    )
                    return effect
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != FailureType.SEND_AGAIN:
                raise _rejection(name, error) from error
        except (RPCTimeoutOrCancelledError, TimeoutError):
            # A second copy of a message that was accepted is rejected.
            pass
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _ended(state) from error
            if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                raise
        try:
            await handle.signal(name.value, args=inputs, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _ended(state) from error
            raise
        return None

    async def cancel(
        self, state: PortfolioState, *, reason: str, confirmation: str | None
    ) -> str | None:
        refusal = portfolio_cancel_refusal(state.portfolio_id, confirmation)
        if refusal is not None:
            raise RefusedError(refusal.text)
        client = await self._connect()
        if await self._running_id(state.portfolio_id) != state.execution_id:
            raise _ended(state)
        handle = client.get_workflow_handle(portfolio_workflow_id(state.portfolio_id))
        async with explained_errors():
            await handle.cancel(reason=cancel_reason(self._actor, reason), rpc_timeout=RPC_TIMEOUT)
        return CANCELLATION if await has_worker(client) else None

    async def _running_id(self, portfolio_id: str) -> str | None:
        """The running execution of a portfolio."""
        found = await running_portfolio(await self._connect(), portfolio_id)
        return None if found is None else found.execution_id

    async def _queried(self, client: Client, portfolio_id: str) -> PortfolioState:
        handle = client.get_workflow_handle_for(
            PortfolioWorkflow.run, portfolio_workflow_id(portfolio_id)
        )
        query = handle.query(PortfolioWorkflow.packed_status, rpc_timeout=RPC_TIMEOUT)
        try:
            async with explained_errors():
                return unpacked_portfolio(await answered_by_worker(client, query))
        except NoWorkerError:
            recorded = await self._recorded(portfolio_id)
            if recorded is None:
                raise
            recorded.outdated_reason = "no worker answers; this is what was last recorded"
            return recorded

    async def _recorded(self, given: str) -> PortfolioState | None:
        """The recorded execution with this ID, or the last one of this portfolio."""
        found = await self._table.portfolio(given) if is_execution_id(given) else None
        if found is None:
            latest = await self._table.portfolios(portfolio_id=given, limit=1)
            found = latest[0] if latest else None
        if found is not None and not found.is_over:
            running = None
            with suppress(HistoryError):
                running = await self._running_id(found.portfolio_id)
            if running != found.execution_id:
                found.outdated_reason = (
                    "its workflow was closed in Temporal before its end; its plans go on, and "
                    f"`{found.continue_command}` follows them"
                )
                found.is_closed = True
        return found


def _ended(state: PortfolioState) -> RefusedError:
    return RefusedError(
        f"{state.execution_id} is not running",
        command=f"`{state.continue_command}` starts the plans that did not complete",
    )


def _rejection(name: PortfolioMessageName, error: WorkflowUpdateFailedError) -> RefusedError:
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return RefusedError(f"{name} was not accepted: {cause}")
    code = cause.details[0] if cause.details else None
    known = RefusalCode(code) if code in list(RefusalCode) else None
    return RejectedError(f"{name.replace('_', '-')} was rejected: {cause.message}", known)
