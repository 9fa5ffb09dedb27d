"""What the API and the pages do for a caller: read, start, steer, clean up."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from urllib.parse import quote

from temporalio.client import Client

from api.auth.audited_requests import note
from api.auth.rate_limits import READINESS, RateLimits
from api.auth.request_signing import RequestSigning
from api.auth.roles import require
from api.auth.tokens import Authenticator, Principal
from api.decisions.inbox_poller import InboxPoller
from api.execution_starter import ExecutionStarter
from api.hub import ExecutionHub
from api.metrics.goals import GoalReader
from api.parameters import MAX_VERSIONS
from api.problems import ApiProblem, raise_if_refused
from aws.cloudwatch_logs import configured_audit_log
from aws.quotas import configured
from client.cleanup import CleanupFailedError, followed_cleanup, start_cleanup
from client.connection import connect_to_temporal, explained_errors
from client.decisions.inbox_reader import InboxReader
from client.errors import RefusedError, UnreachableError
from client.executions import RunningExecution, find_running, list_runs
from client.health import LaunchHealth
from client.overview import MAX_ROWS, Overview, overview
from client.readiness.check import check_readiness
from client.readiness.reports import look_now
from client.recoveries.coverage import read_coverage
from client.recoveries.membership import read_membership
from client.recoveries.reports import RecordedReports
from client.recoveries.snapshots import read_snapshots
from client.recoveries.state_reader import StateReader
from client.recoveries.step_revert import revert_step
from client.schedules.drill_schedules import DrillSchedules
from client.schedules.registration import apply_registration, apply_removal
from client.steering import WITHOUT_WORKER, cancel, send
from client.takeover import refuse_while_running
from contract.cleanup import StartCleanup
from contract.identifiers import plan_id_of
from contract.readiness import PlanSnapshots, Readiness
from contract.steps import RevertResult, StartRevert
from contract.temporal import RPC_TIMEOUT
from recovery.access.approvals import weakens_approvals
from recovery.access.audit import AuditPlace
from recovery.access.roles import Role, role_for, role_to_undo
from recovery.base_model import Model
from recovery.coverage.gaps import Coverage
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import PlanStatus
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.report import ForecastReport
from recovery.forecast.simulation import forecast
from recovery.operator.confirmation import cancel_refusal, cleanup_refusal, revert_refusal
from recovery.operator.messages import MessageName, OperatorMessage, nearest
from recovery.plan.diff import differences
from recovery.plan.members import TaggedMembership
from recovery.plan.membership import resolve, unresolved, with_recorded
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import PlanOrigin
from recovery.readiness.report import ReadinessReport
from recovery.steps.replaced import RevertView
from settings import Settings
from storage.durations import learned_durations
from storage.history import HistoryError, HistoryTable
from storage.plans import NewerVersionError, PlanTable, PlanVersion, RegisteredPlan
from storage.readiness import ReadinessTable
from storage.schedules import ScheduleTable
from workflows.plan.workflow import RecoveryPlanWorkflow


class PlanDifference(Model):
    """How two versions of a plan differ.

    Attributes:
        differences: a line each: `+` for an addition, `-` for a removal, `~` for a change.
    """

    before: PlanVersion
    after: PlanVersion
    differences: list[str]


def version_of(text: str) -> int:
    """The version that an address or a form of a page names.

    Raises:
        ApiProblem: no plan can have it.
    """
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        detail = f"there is no version {text[:20]!r}; versions are numbers from 1 to {MAX_VERSIONS}"
        raise ApiProblem(HTTPStatus.NOT_FOUND, detail)
    return int(text)


class ExecutionService:
    """Reads and controls executions, for the API and the pages of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.audit = configured_audit_log(settings, AuditPlace.API)
        self.limits = RateLimits(settings)
        self.authenticator = Authenticator(settings, self.limits)
        self.history = HistoryTable(settings)
        self.plans = PlanTable(settings)
        self.goals = GoalReader(self.plans, self.history)
        self.readiness_table = ReadinessTable(settings)
        self.schedules = DrillSchedules(self.client, ScheduleTable(settings))
        self.reports = RecordedReports.of(settings)
        self.health = LaunchHealth()
        self.hub = ExecutionHub(self.client, self.history, self.health)
        self.states = StateReader()
        self.inbox = InboxPoller(InboxReader(self.client, self.history, self.health, self.states))
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self.signing = RequestSigning(settings)
        self.starter = ExecutionStarter(
            settings,
            self.client,
            self.plan,
            self.plans,
            self.history,
            signing=self.signing,
            limits=self.limits,
        )

    async def client(self) -> Client:
        """The connection to Temporal, which is made on first use.

        Raises:
            UnreachableError: Temporal does not answer.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await connect_to_temporal()
            return self._client

    async def plan(self, plan_id: str, version: int | None = None) -> RegisteredPlan:
        """Get a registered plan.

        Raises:
            ApiProblem: there is no such plan or version.
        """
        found = await self.plans.plan(plan_id, version)
        if found is None:
            newest = {
                each.plan_id: each.version for each in await self.plans.latest(with_removed=True)
            }
            if plan_id in newest:
                detail = f"there is no version {version} of plan {plan_id!r}; the newest is "
                detail += str(newest[plan_id])
            else:
                hint = f"; {nearest(plan_id, [*newest])}" if newest else "; none is registered"
                detail = f"there is no registered plan {plan_id!r}{hint}"
            raise ApiProblem(HTTPStatus.NOT_FOUND, detail)
        return found

    async def register(
        self,
        caller: Principal,
        plan: RecoveryPlan,
        *,
        after: int | None,
        origin: PlanOrigin | None = None,
    ) -> tuple[PlanVersion, bool]:
        """Register a plan as the newest version of its PlanId.

        Args:
            caller: its author.
            plan: the plan.
            after: the newest version that the caller knows, 0 for none; None if it may be any.
            origin: where it comes from, as the caller says.

        Returns:
            The version, and whether it is new.

        Raises:
            ApiProblem: the caller may not, or does not know the newest version.
        """
        note(plan_id=plan.plan_id, text=f"plan hash {plan.plan_hash}")
        require(caller, Role.OPERATOR)
        if not caller.may(Role.APPROVER):
            current = await self.plans.plan(plan.plan_id)
            if current is not None and (weaker := weakens_approvals(current.plan, plan)):
                what = f"nothing was registered: it would need less approval ({weaker[0]})"
                require(caller, Role.APPROVER, what=what)
            # Another version, registered meanwhile, was not compared.
            newest = current.version if current else None
            compared = newest.version if newest else 0
            if after not in (None, compared):
                detail = f"nothing was registered: {NewerVersionError(after, newest)}"
                raise ApiProblem(HTTPStatus.CONFLICT, detail)
            after = compared
        try:
            version, is_new = await self.plans.register(
                plan, author=caller.subject, after=after, origin=origin
            )
        except NewerVersionError as error:
            detail = f"nothing was registered: {error}"
            raise ApiProblem(HTTPStatus.CONFLICT, detail) from error
        signer = self.signing.signer(caller)
        await apply_registration(self.client, plan, actor=caller.subject, signer=signer)
        return version, is_new

    async def remove_plan(self, caller: Principal, plan_id: str, *, after: int) -> PlanVersion:
        """Mark a registered plan as removed; its versions are kept.

        Raises:
            ApiProblem: the caller may not, does not know the newest version, or there is no plan.
        """
        note(plan_id=plan_id, text="removed")
        require(caller, Role.OPERATOR)
        known = await self.plan(plan_id)
        await apply_removal(self.client, known.plan)
        try:
            return await self.plans.remove(plan_id, by=caller.subject, after=after)
        except NewerVersionError as error:
            detail = f"nothing was removed: {error}"
            raise ApiProblem(HTTPStatus.CONFLICT, detail) from error

    async def difference(self, plan_id: str, before: int, after: int) -> PlanDifference:
        """Compare two versions of a registered plan.

        Raises:
            ApiProblem: there is no such plan or version.
        """
        old, new = await self.plan(plan_id, before), await self.plan(plan_id, after)
        lines = differences(old.plan, new.plan)
        return PlanDifference(before=old.version, after=new.version, differences=lines)

    async def executions(
        self,
        *,
        plan_id: str | None = None,
        state: PlanStatus | None = None,
        limit: int = MAX_ROWS,
        all_running: bool = False,
    ) -> Overview:
        """List executions from Temporal and the history; one of the two may not answer."""
        return await overview(
            self.history,
            self.client,
            health=self.health,
            plan_id=plan_id,
            state=state,
            limit=limit,
            all_running=all_running,
        )

    async def frozen_plan(self, execution_id: str) -> RecoveryPlan:
        """The plan that an execution runs or ran.

        Raises:
            UnknownExecutionError: neither Temporal nor the history has the execution.
            UnreachableError: neither Temporal nor the history answered.
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
        async with explained_errors():
            handle = client.get_workflow_handle_for(
                RecoveryPlanWorkflow.run, runs[0].workflow_id, run_id=runs[0].run_id
            )
            return await handle.query(RecoveryPlanWorkflow.plan, rpc_timeout=RPC_TIMEOUT)

    async def forecast(self, plan_ids: Iterable[str]) -> ForecastReport:
        """Forecast the durations of registered plans that start together."""
        found = [(await self.plan(plan_id)).plan for plan_id in dict.fromkeys(plan_ids)]
        plans = [await self.with_recorded(plan) for plan in found]
        try:
            known = await learned_durations(self.history, plans)
        except HistoryError:
            known = LearnedDurations()
        quotas = configured(self.settings)
        return await asyncio.to_thread(forecast, plans, known, quotas)

    async def with_recorded(self, plan: RecoveryPlan) -> RecoveryPlan:
        """The plan with the servers that were last recorded for its tags, to show it.

        Raises:
            PlanTableError: the record cannot be read.
        """
        if not unresolved(plan):
            return plan
        return with_recorded(plan, await self.plans.recorded_servers(plan.plan_id))

    async def readiness(self, caller: Principal, plan: RecoveryPlan) -> Readiness:
        """What a worker, which has the AWS credentials, finds about a plan.

        Raises:
            TooManyRequestsError: the caller has asked too often.
            UnreachableError: Temporal or a worker did not answer.
        """
        await self.limits.count(READINESS, caller.subject)
        return await check_readiness(await self.client(), plan)

    async def coverage(self, caller: Principal) -> Coverage:
        """What registered plans and their drills leave uncovered, as a worker finds it.

        Raises:
            TooManyRequestsError: the caller has asked too often.
            UnreachableError: Temporal or a worker did not answer.
        """
        await self.limits.count(READINESS, caller.subject)
        return await read_coverage(await self.client())

    async def look_now(self, caller: Principal, plan_id: str) -> ReadinessReport:
        """Have a worker look at a registered plan, and record what it finds.

        Raises:
            RefusedError: the plan is not registered.
            TooManyRequestsError: the caller has asked too often.
            UnreachableError: Temporal or a worker did not answer.
        """
        await self.limits.count(READINESS, caller.subject)
        return await look_now(await self.client(), self.readiness_table, plan_id)

    async def snapshots(
        self, caller: Principal, plan: RecoveryPlan, around: float | None
    ) -> PlanSnapshots:
        """The snapshots of a plan's servers; of each, the one for a time (epoch seconds).

        Raises:
            TooManyRequestsError: the caller has asked too often.
            UnreachableError: Temporal or a worker did not answer.
        """
        await self.limits.count(READINESS, caller.subject)
        client = await self.client()
        return await read_snapshots(client, await self._with_servers(client, plan), around)

    async def _with_servers(self, client: Client, plan: RecoveryPlan) -> RecoveryPlan:
        """The plan with the servers that its tags match, to look at it.

        Raises:
            RefusedError: they match none, or cannot be read.
        """
        if not unresolved(plan):
            return plan
        known = await read_membership(client, self.plans, plan)
        resolution = resolve(plan, known, is_drill=False)
        if resolution.plan is None:
            raise RefusedError(str(resolution.problem))
        return resolution.plan

    async def membership(
        self, caller: Principal, plan: RecoveryPlan, *, accepted: str | None = None
    ) -> TaggedMembership:
        """What DRS has for the tags of a plan, and what was recorded before.

        Args:
            caller: who asks.
            plan: the plan.
            accepted: the hash of the plan with fewer servers, which were confirmed.

        Raises:
            TooManyRequestsError: the caller has asked too often.
            UnreachableError: Temporal or a worker did not answer.
        """
        require(caller, Role.OPERATOR)
        await self.limits.count(READINESS, caller.subject)
        return await read_membership(await self.client(), self.plans, plan, accepted=accepted)

    async def send_message(
        self,
        caller: Principal,
        execution_id: str,
        message: OperatorMessage,
        *,
        key: str | None = None,
    ) -> str | None:
        """Send an operator's message to a running execution.

        Args:
            caller: who sends it.
            execution_id: the execution.
            message: the message.
            key: an idempotency key; a repetition with the same key has no second effect.

        Returns:
            The effect; None if no worker is up. A worker takes up the message when it starts.

        Raises:
            RefusedError: the execution rejected the message, or does not run.
            UnreachableError: Temporal did not answer.
        """
        note(message=message.name.value, wave_id=message.wave)
        state = None
        if message.name in (MessageName.SKIP_WAVE, MessageName.ACKNOWLEDGE):
            async with self.hub.execution(execution_id).subscribed() as poller:
                state = (await poller.fresh()).value
        require(caller, role_for(state, message, caller.roles))
        client = await self.client()
        running = await self._running(client, execution_id)
        signer = self.signing.signer(caller)
        # Another caller's or another message's key is another one.
        own = key and hashlib.sha256(f"{caller.subject}\n{message}\n{key}".encode()).hexdigest()
        effect = await send(client, running, message, actor=caller.subject, signer=signer, key=own)
        note(text=effect or WITHOUT_WORKER)
        return effect

    async def cancel(
        self, caller: Principal, execution_id: str, *, reason: str, confirmation: str | None
    ) -> str | None:
        """Cancel a running execution; a real recovery needs the PlanId as confirmation.

        Returns:
            The effect; None if no worker is up.
        """
        require(caller, Role.OPERATOR)
        client = await self.client()
        running = await self._running(client, execution_id)
        raise_if_refused(
            cancel_refusal(running.plan_id, running.execution_type, confirmation), running.plan_id
        )
        return await cancel(client, running, actor=caller.subject, reason=reason)

    async def clean_up(
        self, caller: Principal, execution_id: str, *, force: bool, confirmation: str | None
    ) -> None:
        """Start to terminate the instances that an execution launched, no others.

        Raises:
            ApiProblem: the request is refused; nothing was terminated.
            RefusedError: the execution or its clean-up still runs.
        """
        require(caller, Role.OPERATOR)
        found = await self.history.execution(execution_id)
        if found is None:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} is not recorded yet; try again in a moment")
        state = found[0]
        require(caller, role_to_undo(state.execution_type))
        raise_if_refused(
            cleanup_refusal(state.plan_id, state.execution_type, confirmation, is_forced=force),
            state.plan_id,
        )
        client = await self.client()
        await refuse_while_running(client, state, "cancel it first, or wait for its end")
        await start_cleanup(
            client,
            StartCleanup(
                execution_id=execution_id,
                plan_id=state.plan_id,
                actor=caller.subject,
                confirmation=confirmation,
            ),
            signer=self.signing.signer(caller),
        )

    async def revert_step(
        self,
        caller: Principal,
        execution_id: str,
        step: str,
        *,
        view: RevertView | None = None,
        confirmation: str | None = None,
        is_forced: bool = False,
    ) -> RevertResult:
        """Look at what a step replaced or, with what was shown, put it back.

        Raises:
            RefusedError: it is not recorded, or is refused.
        """
        require(caller, Role.OPERATOR)
        found = await self.history.execution(execution_id)
        if found is None:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} is not recorded yet; try again in a moment")
        if view is not None:
            require(caller, role_to_undo(found[0].execution_type))
            refusal = revert_refusal(view, step, confirmation, is_forced=is_forced)
            raise_if_refused(refusal, step)
        start = StartRevert(
            execution_id=execution_id,
            plan_id=found[0].plan_id,
            step=step,
            actor=caller.subject,
            view=view,
            confirmation=confirmation,
            is_forced=is_forced,
        )
        return await revert_step(await self.client(), start, signer=self.signing.signer(caller))

    async def cleanup(self, execution_id: str) -> CleanupState:
        """The state of a clean-up, from Temporal or, once it has ended, from the history.

        Raises:
            ApiProblem: there is no clean-up after this execution.
            UnreachableError: neither Temporal nor the history answered.
        """
        unreachable: UnreachableError | None = None
        try:
            return await followed_cleanup(await self.client(), execution_id)
        except CleanupFailedError:
            raise
        except RefusedError:
            # Temporal has no clean-up, or its retention is over.
            pass
        except UnreachableError as error:
            unreachable = error
        found = await self.history.execution(execution_id)
        recorded = found[0].cleanup if found else None
        if recorded is not None and (unreachable is None or recorded.end_time is not None):
            return recorded
        if unreachable is not None:
            raise unreachable
        await self.hub.state(execution_id)
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"there is no clean-up after {execution_id}")

    def web_ui_link(self, workflow_id: str, run_id: str | None = None) -> str | None:
        """The URL of a workflow, or of one run of it, in Temporal's Web UI.

        Returns:
            None if no Web UI is configured, or Temporal has not answered yet.
        """
        if self.settings.temporal_ui is None or self._client is None:
            return None
        ui = self.settings.temporal_ui.rstrip("/")
        run = f"/{run_id}/history" if run_id else ""
        workflow = quote(workflow_id, safe="")
        return f"{ui}/namespaces/{self._client.namespace}/workflows/{workflow}{run}"

    async def close(self) -> None:
        """Stop all polling, and write what the audit log lacks."""
        await asyncio.gather(
            self.hub.close(), self.inbox.close(), *(close() for close in self._closing)
        )
        await asyncio.to_thread(self.audit.close)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call this too when the service is closed."""
        self._closing.append(close)

    async def _running(self, client: Client, execution_id: str) -> RunningExecution:
        running = await find_running(client, plan_id_of(execution_id))
        if running is None or running.execution_id != execution_id:
            await self.hub.state(execution_id)
            raise RefusedError(f"{execution_id} has ended")
        return running
