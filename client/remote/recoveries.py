"""Executions through the API."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from pydantic.alias_generators import to_pascal

from client.decisions.inbox import Inbox
from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import LastKnownState, RunningExecution
from client.overview import MAX_ROWS, ExecutionRow, Overview
from client.portfolios.order import Portfolios
from client.portfolios.remote import ApiPortfolios
from client.recoveries.protocol import StartedExecution, StartOrder
from client.recoveries.snapshots import OnProgress, snapshots_seconds
from client.remote.api_client import ApiClient, ApiRefusedError
from client.remote.reports import ApiReports
from client.remote.session import Session
from client.start import already_running_error
from client.takeover import PreviousExecution
from contract.identifiers import is_execution_id, plan_id_of
from contract.readiness import PlanSnapshots, Readiness
from recovery.coverage.gaps import Coverage
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.operator.confirmation import IntendedStart
from recovery.operator.messages import OperatorMessage
from recovery.plan.fields import ID_PATTERN
from recovery.plan.members import RecordedServers, TaggedMembership
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import PlanOrigin
from recovery.readiness.report import ReadinessReport, ReadinessRow
from recovery.steps.replaced import RevertView
from settings import Settings
from storage.plans import PlanVersion, RegisteredPlan

_KNOWN = 200
# What the API adds to a message by itself.
_OF_THE_API = ("actor", "ExecutionId", "client")


@asynccontextmanager
async def api_recoveries(settings: Settings, *, if_lost: str) -> AsyncIterator["ApiRecoveries"]:
    """The executions of the API that the settings name; `if_lost` is what to do without it."""
    async with Session.of(settings).api(if_lost=if_lost) as api:
        yield ApiRecoveries(api)


class ApiRecoveries:
    """`Recoveries` says what each method is for."""

    is_configured = True

    def __init__(self, api: ApiClient) -> None:
        """Create it."""
        self._api = api
        self._ended: dict[str, ExecutionState] = {}

    @property
    def api(self) -> ApiClient:
        """The API."""
        return self._api

    @property
    def place(self) -> str:
        return f"the API at {self._api.url}"

    @property
    def portfolios(self) -> Portfolios:
        return ApiPortfolios(self._api)

    @property
    def reports(self) -> ApiReports:
        return ApiReports(self._api)

    async def find_running(self, plan_id: str) -> RunningExecution | None:
        try:
            return await self.require_running(plan_id)
        except ApiRefusedError as error:
            # What else the API refuses says nothing about the execution.
            if error.status != HTTPStatus.CONFLICT:
                raise
            return None

    async def require_running(self, given: str) -> RunningExecution:
        found = await self._api.get(f"/running/{_in_path(given)}")
        kind = found.get("ExecutionType")
        return RunningExecution(
            found["PlanId"], found["ExecutionId"], kind and ExecutionType(kind), None
        )

    async def plan_and_execution(self, given: str) -> tuple[str, str | None]:
        if not is_execution_id(given) or await self._last(given) is not None:
            return given, None
        return plan_id_of(given), given

    async def recorded_id(self, given: str) -> str:
        if (last := await self._last(given)) is not None:
            return last.execution_id
        if is_execution_id(given):
            return (await self._seen(given)).execution_id
        raise RefusedError(
            f"{self.place} has no execution of {given!r}",
            command="`drs-waves executions` lists them",
        )

    async def _last(self, plan_id: str) -> ExecutionRow | None:
        """The running execution of a plan, or its last one."""
        if not re.fullmatch(ID_PATTERN, plan_id):
            return None
        rows = (await self.executions(plan_id=plan_id, limit=1)).rows
        return rows[0] if rows else None

    async def known_plan_ids(self) -> list[str]:
        rows = (await self.executions(limit=_KNOWN)).rows
        return sorted({row.plan_id for row in rows})

    async def state(self, plan_id: str, execution_id: str | None = None) -> ExecutionState:
        if execution_id is None:
            execution_id = await self._execution_of(plan_id)
        seen = await self._seen(execution_id)
        if isinstance(seen, LastKnownState) and not seen.is_closed:
            if await self.idle_reason() is not None:
                raise NoWorkerError(seen.outdated_reason)
            raise UnreachableError(seen.outdated_reason)
        return seen

    async def _execution_of(self, plan_id: str) -> str:
        if running := await self.find_running(plan_id):
            return running.execution_id
        if (last := await self._last(plan_id)) is None:
            raise RefusedError(f"{self.place} has no execution of plan {plan_id!r}")
        return last.execution_id

    async def _seen(self, execution_id: str) -> ExecutionState:
        """The state, which may be only the last known one."""
        view = await self._api.get(f"/executions/{_in_path(execution_id)}")
        kind = LastKnownState if view.get("Error") else ExecutionState
        seen = kind.model_validate(view["Execution"])
        if seen.end_time is not None:
            self._ended[execution_id] = seen
        # Another server behind the same address may have looked a second earlier.
        return self._ended.get(execution_id, seen)

    async def last_known(
        self, plan_id: str, reason: str, execution_id: str | None = None
    ) -> LastKnownState | None:
        try:
            seen = await self._seen(execution_id or await self._execution_of(plan_id))
        except (RefusedError, UnreachableError):
            return None
        return seen if isinstance(seen, LastKnownState) else LastKnownState.of(seen, reason)

    async def recorded(self, execution_id: str) -> ExecutionState:
        return await self._seen(execution_id)

    async def deliveries(self, execution_id: str) -> list[DeliveryRecord]:
        found = await self._api.get(f"/executions/{_in_path(execution_id)}/notifications")
        return [DeliveryRecord.model_validate(each) for each in found["Notifications"]]

    async def closed_status(self, plan_id: str, execution_id: str | None) -> str | None:
        execution_id = execution_id or await self._execution_of(plan_id)
        # The API looks at the workflow before the state, so its state of a closed one is the last.
        seen = await self._seen(execution_id)
        if isinstance(seen, LastKnownState):
            return "CLOSED" if seen.is_closed else None
        if seen.end_time is None:
            return None
        # A new start is refused until its workflow has closed too.
        running = await self.find_running(plan_id)
        return None if running and running.execution_id == execution_id else "CLOSED"

    async def running_executions(self) -> list[ExecutionRow]:
        known = await self.executions(limit=MAX_ROWS)
        if not known.is_complete and all(row.running is None for row in known.rows):
            raise UnreachableError("; ".join(known.warnings))
        return [row for row in known.rows if row.running]

    async def decisions(self) -> Inbox:
        return Inbox.model_validate(await self._api.get("/decisions"))

    async def recorded_executions(self, plan_id: str | None, limit: int) -> list[ExecutionState]:
        found = await self._api.get("/history", plan_id=plan_id, limit=limit)
        return [ExecutionState.model_validate(each) for each in found["Executions"]]

    async def executions(
        self, *, plan_id: str | None = None, state: PlanStatus | None = None, limit: int
    ) -> Overview:
        found = await self._api.get("/executions", plan_id=plan_id, state=state, limit=limit)
        rows = [ExecutionRow.model_validate(each) for each in found["Executions"]]
        return Overview(rows, tuple(found["Warnings"]), found["IsComplete"])

    async def registered(self) -> list[PlanVersion]:
        plans = (await self._api.get("/plans"))["Plans"]
        return [PlanVersion.model_validate(each["Newest"]) for each in plans]

    async def registered_plan(self, plan_id: str) -> RegisteredPlan | None:
        try:
            return RegisteredPlan.model_validate(await self._api.get(f"/plans/{_in_path(plan_id)}"))
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def register(
        self, plan: RecoveryPlan, *, after: int | None = None, origin: PlanOrigin | None = None
    ) -> tuple[PlanVersion, bool]:
        known = {"after": after, **dict(origin or PlanOrigin())}
        version, status = await self._api.post(
            f"/plans/{plan.plan_id}/versions",
            as_file(plan),
            parameters={name: value for name, value in known.items() if value is not None},
        )
        return PlanVersion.model_validate(version), status == HTTPStatus.CREATED

    async def remove_plan(self, plan_id: str, *, after: int) -> PlanVersion:
        removed, _ = await self._api.post(f"/plans/{plan_id}/removal", {"After": after})
        return PlanVersion.model_validate(removed)

    async def idle_reason(self) -> NoWorkerError | None:
        if (await self._api.get("/health"))["Worker"] is not False:
            return None
        return NoWorkerError(f"No worker answers {self.place}", command="Start one there")

    async def launch_problems(self) -> list[str]:
        return list((await self.executions(limit=1)).warnings)

    async def require_startable(self, intended: IntendedStart) -> None:
        if intended.shows_targets and (idle := await self.idle_reason()):
            raise NoWorkerError(f"nothing was started: {idle}")
        running = await self.find_running(intended.plan_id)
        if running is None:
            return
        if intended.replaces_drill and running.execution_type is ExecutionType.DRILL:
            return
        seen = await self._seen(running.execution_id)
        raise already_running_error(intended.plan_id, seen)

    async def check_readiness(self, plan: RecoveryPlan) -> Readiness:
        found, _ = await self._api.post("/plans/readiness", as_file(plan))
        return Readiness.model_validate(found)

    async def coverage(self) -> Coverage:
        return Coverage.model_validate(await self._api.get("/coverage"))

    async def readiness_rows(self) -> list[ReadinessRow]:
        found = await self._api.get("/readiness")
        return [ReadinessRow.model_validate(each) for each in found]

    async def readiness_report(self, plan_id: str, *, is_fresh: bool) -> ReadinessReport:
        path = f"/plans/{quote(plan_id, safe='')}/readiness"
        if is_fresh:
            found, _ = await self._api.post(path)
        else:
            found = await self._api.get(path)
        return ReadinessReport.model_validate(found)

    async def snapshots(
        self,
        plan: RecoveryPlan,
        around: float | None,
        *,
        on_progress: OnProgress | None = None,
    ) -> PlanSnapshots:
        """See `Recoveries`; the API reports no progress."""
        parameters = {} if around is None else {"around": around}
        found, _ = await self._api.post(
            "/plans/snapshots",
            as_file(plan),
            parameters=parameters,
            seconds=snapshots_seconds(plan),
        )
        return PlanSnapshots.model_validate(found)

    async def membership(
        self, plan: RecoveryPlan, *, accepted: str | None = None
    ) -> TaggedMembership:
        parameters = {} if accepted is None else {"accepted": accepted}
        found, _ = await self._api.post("/plans/membership", as_file(plan), parameters=parameters)
        return TaggedMembership.model_validate(found)

    async def recorded_servers(self, plan_id: str) -> RecordedServers | None:
        try:
            found = await self._api.get(f"/plans/{_in_path(plan_id)}/membership")
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        return RecordedServers.model_validate(found)

    async def previous(
        self,
        execution_id: str,
        corrected: RecoveryPlan | None,
        execution_type: ExecutionType,
        *,
        replace_drill: bool = False,
    ) -> PreviousExecution:
        parameters = {"execution_type": execution_type.value, "replace_drill": replace_drill}
        found, _ = await self._api.post(
            f"/executions/{_in_path(execution_id)}/continuation",
            corrected and as_file(corrected),
            parameters=parameters,
        )
        return PreviousExecution(
            state=ExecutionState.model_validate(found["Execution"]),
            plan=RecoveryPlan.model_validate(found["Plan"]),
            changes=tuple(found["Changes"]),
            named=found["Named"],
            is_corrected=corrected is not None,
        )

    async def start(self, order: StartOrder) -> StartedExecution:
        """See `Recoveries`; the plan is registered first, unless a version is the same."""
        plan, intended, previous = order.plan, order.intended, order.previous
        body: dict[str, Any] = {
            "ExecutionType": intended.execution_type,
            "Confirmation": order.confirmation,
            "Relaunch": list(intended.relaunch),
            "ReplaceDrill": intended.replaces_drill,
            "FromExecution": previous and previous.named,
            "DeclaredTime": order.declared,
            "CleanupAfterSeconds": order.cleanup_after,
            "AcceptFindings": order.accepts_findings or None,
        }
        if previous is None and plan.point_in_time is not None:
            body["PointInTime"] = plan.point_in_time.model_dump(mode="json", exclude_none=True)
            # The API chooses too, and refuses a start that would not be as it was shown.
            body["PointsHash"] = plan.points_hash
        if plan.membership is not None:
            # The API looks up the tags too, and refuses a start that would not be as it was shown.
            body["PlanHash"] = plan.plan_hash
        if previous is None or previous.is_corrected:
            body["Version"] = await self.version_of(plan)
        known = {name: value for name, value in body.items() if value is not None}
        started, _ = await self._api.post(f"/plans/{plan.plan_id}/executions", known, key=order.key)
        return StartedExecution.model_validate(started)

    async def version_of(self, plan: RecoveryPlan) -> int:
        """The registered version with this plan, which is registered if there is none."""
        registered = {each.plan_id for each in await self.registered()}
        if plan.plan_id in registered:
            found = await self._api.get(f"/plans/{plan.plan_id}/versions")
            for each in map(PlanVersion.model_validate, found["Versions"]):
                if each.plan_hash == plan.file_hash:
                    return each.version
        return (await self.register(plan))[0].version

    async def send(
        self, running: RunningExecution, message: OperatorMessage, *, actor: str | None = None
    ) -> str | None:
        """See `Recoveries`; who sends it is who signed in."""
        _refuse_actor(actor)
        fields = message.as_input().items()
        body = {to_pascal(name): value for name, value in fields if name not in _OF_THE_API}
        return await self._effect(f"/executions/{running.execution_id}/{message.name}", body)

    async def cancel(
        self,
        running: RunningExecution,
        *,
        reason: str,
        confirmation: str | None,
        actor: str | None = None,
    ) -> str | None:
        """See `Recoveries`; who cancels it is who signed in."""
        _refuse_actor(actor)
        body = {"Reason": reason, "Confirmation": confirmation}
        return await self._effect(f"/executions/{running.execution_id}/cancel", body)

    async def _effect(self, path: str, body: dict[str, Any]) -> str | None:
        result, _ = await self._api.post(path, body, key=uuid4().hex)
        return str(result["Effect"]) if result["WorkerAnswered"] else None

    async def start_cleanup(self, state: ExecutionState, confirmation: str | None) -> None:
        is_forced = state.execution_type is ExecutionType.RECOVERY
        body = {"Force": is_forced, "Confirmation": confirmation}
        await self._api.post(f"/executions/{state.execution_id}/cleanup", body)

    async def look_at_step(self, state: ExecutionState, step: str) -> RevertView:
        """See `Recoveries`."""
        found = await self._api.get(_revert_path(state, step))
        return RevertView.model_validate(found)

    async def put_back(
        self,
        state: ExecutionState,
        step: str,
        view: RevertView,
        *,
        confirmation: str,
        is_forced: bool,
    ) -> str:
        """See `Recoveries`."""
        shown = view.model_dump(mode="json")
        body = {"View": shown, "Confirmation": confirmation, "Force": is_forced}
        result, _ = await self._api.post(_revert_path(state, step), body)
        return str(result["Text"])

    async def cleanup_state(self, execution_id: str) -> CleanupState:
        found = await self._api.get(f"/executions/{execution_id}/cleanup")
        return CleanupState.model_validate(found)


def as_file(plan: RecoveryPlan) -> dict[str, Any]:
    """A plan as a plan file has it."""
    return plan.as_in_file().model_dump(mode="json", exclude_none=True)


def _revert_path(state: ExecutionState, step: str) -> str:
    wave_id, _, step_id = step.partition("/")
    place = f"{_in_path(wave_id)}/{_in_path(step_id)}"
    return f"/executions/{state.execution_id}/steps/{place}/revert"


def _in_path(given: str) -> str:
    return quote(given, safe="")


def _refuse_actor(actor: str | None) -> None:
    if actor is not None:
        raise RefusedError("nothing was sent: the API records who signed in; omit --actor")
