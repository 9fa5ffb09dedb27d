"""Starts executions of registered plans: idempotent and rate-limited."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated
from weakref import WeakValueDictionary

from pydantic import Field, StrictBool
from temporalio.client import Client

from api.auth.audited_requests import note
from api.auth.rate_limits import RateLimits, starts
from api.auth.request_signing import RequestSigning
from api.auth.roles import require, require_starter
from api.auth.tokens import Principal
from api.parameters import EXECUTION_ID_PATTERN, MAX_TIME, MAX_VERSIONS
from api.problems import ApiProblem, raise_if_refused
from client.cleanup import schedule_cleanup
from client.connection import temporal_place
from client.errors import RefusedError
from client.executions import request_of
from client.readiness.before_drill import look_before_drill
from client.recoveries.membership import read_membership
from client.recoveries.protocol import StartedExecution
from client.recoveries.snapshots import read_snapshots
from client.start import replace_drill, require_targets, start_execution
from client.takeover import PreviousExecution, previous_execution
from client.workers import idle_reason
from contract.identifiers import new_execution_id, plan_id_of
from recovery.access.roles import Role
from recovery.base_model import StrictModel
from recovery.execution.state import ExecutionType, needs_signature
from recovery.operator.confirmation import (
    IntendedStart,
    accepted_texts,
    findings_refusal,
    start_refusal,
)
from recovery.plan.fields import SERVER_ID_PATTERN, PlanOrWaveId
from recovery.plan.membership import resolve, unresolved, unresolved_problem
from recovery.plan.model import MAX_SERVERS_PER_PLAN, RecoveryPlan
from recovery.plan.point_in_time import left_out_text, points_problem
from recovery.plan.snapshots import PointInTime
from settings import Settings
from storage.durations import learned_durations_in_time
from storage.history import HistoryError, HistoryTable
from storage.plans import PlanTable, PlanTableError, RegisteredPlan

_SECONDS = Annotated[float, Field(strict=True, ge=0, le=30 * 86_400, allow_inf_nan=False)]
RequestedHash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
RequestedTime = Annotated[float, Field(strict=True, ge=0, le=MAX_TIME, allow_inf_nan=False)]
_ServerId = Annotated[str, Field(pattern=f"^{SERVER_ID_PATTERN}$")]


class RequestedPoint(StrictModel):
    """The point in time to recover to.

    Attributes:
        time: each server is launched from its newest snapshot at or before it (epoch seconds).
        max_spread_seconds: refuse snapshots that are further apart.
        or_latest: launch a server without such a snapshot with its latest data.
    """

    time: RequestedTime
    max_spread_seconds: _SECONDS | None = None
    or_latest: StrictBool = False

    @property
    def point_in_time(self) -> PointInTime:
        """The same, as a plan is frozen with it."""
        return PointInTime.model_validate(self.model_dump())


class StartRequest(StrictModel):
    """How to run a plan.

    Attributes:
        execution_type: a drill or a real recovery.
        confirmation: the PlanId; required for a real recovery and for a relaunch.
        version: the plan's version. Default: the newest.
        relaunch: servers to launch even if that destroys a live recovery instance.
        replace_drill: first end a running drill of the plan; for a real recovery.
        from_execution: an earlier execution whose servers are taken over. Without `version`, its
            own plan is run.
        cleanup_after_seconds: terminate a drill's instances this long after its end.
        declared_time: when the disaster or the exercise was declared (epoch seconds); the RTO is
            measured from then. Default: the start.
        point_in_time: recover to it; the snapshots are chosen once, at the start.
        accept_findings: start a drill although the look before it finds what blocks, or cannot
            look at something.
        points_hash: what was shown of that choice; if another is made, nothing is started.
        plan_hash: of the plan as it was shown, with the servers that its tags match; if it is
            another one now, nothing is started.
    """

    execution_type: ExecutionType = ExecutionType.DRILL
    confirmation: PlanOrWaveId | None = None
    version: Annotated[int, Field(strict=True, ge=1, le=MAX_VERSIONS)] | None = None
    relaunch: Annotated[list[_ServerId], Field(max_length=MAX_SERVERS_PER_PLAN)] = []
    replace_drill: StrictBool = False
    from_execution: Annotated[str, Field(pattern=f"^{EXECUTION_ID_PATTERN}$")] | None = None
    cleanup_after_seconds: _SECONDS | None = None
    declared_time: RequestedTime | None = None
    point_in_time: RequestedPoint | None = None
    points_hash: RequestedHash | None = None
    plan_hash: RequestedHash | None = None
    accept_findings: StrictBool = False


class ExecutionStarter:
    """Starts executions for callers."""

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[], Awaitable[Client]],
        plan: Callable[[str, int | None], Awaitable[RegisteredPlan]],
        plans: PlanTable,
        history: HistoryTable,
        *,
        signing: RequestSigning,
        limits: RateLimits,
    ) -> None:
        """Create a starter.

        Args:
            settings: have the limit of starts per minute.
            connect: returns the connection to Temporal, which is made on first use.
            plan: returns a registered plan, by its PlanId and version.
            plans: has the newest version of a plan, and the servers of plans with tags.
            history: has the durations of servers, and executions that Temporal no longer has.
            signing: signs the starts.
            limits: counts them.
        """
        self._settings = settings
        self._connect = connect
        self._plan = plan
        self._plans = plans
        self._history = history
        self._signing = signing
        self._limits = limits
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(
        self, caller: Principal, plan_id: str, request: StartRequest, *, key: str | None = None
    ) -> StartedExecution:
        """Start an execution of a registered plan.

        Args:
            caller: who starts it.
            plan_id: the plan.
            request: how to run the plan.
            key: an idempotency key; a repeated request with the same key starts nothing.

        Raises:
            ApiProblem: the request is refused; nothing was started.
            TooManyRequestsError: the caller has started too many.
            RefusedError: the plan already runs, or cannot continue from that execution.
            NoWorkerError: no worker can show the targets of a recovery or a relaunch.
            UnreachableError: Temporal did not answer.
        """
        require(caller, Role.OPERATOR)
        _refuse(plan_id, request)
        if request.relaunch:
            require(caller, Role.ADMIN)
        execution_id = new_execution_id(plan_id, key and f"{caller.subject}\n{plan_id}\n{key}")
        request_hash = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        note(
            plan_id=plan_id,
            execution_id=execution_id,
            text=request.execution_type.value,
            subject_ids=request.relaunch or None,
        )
        client = await self._connect()
        started = StartedExecution(
            execution_id=execution_id,
            plan_id=plan_id,
            temporal=temporal_place(client),
            is_new=False,
        )
        # Repeats may run concurrently. `lock` keeps the lock alive: `_locks` has weak references.
        lock = self._locks.setdefault(execution_id, asyncio.Lock())
        async with lock:
            if key is not None and await self._was_started(client, execution_id, request_hash):
                return started
            await self._limits.count(starts(self._settings), caller.subject)
            try:
                await self._start(client, caller, execution_id, request, request_hash)
            except RefusedError:
                # The same request may reach another server at the same time.
                if key is None or not await self._was_started(client, execution_id, request_hash):
                    raise
                return started
        started.is_new = True
        if request.cleanup_after_seconds is not None:
            after_seconds = request.cleanup_after_seconds / self._settings.speed
            error = await schedule_cleanup(
                client,
                execution_id,
                actor=caller.subject,
                after_seconds=after_seconds,
                signer=self._signing.signer(caller),
            )
            started.is_cleanup_scheduled = error is None
            if error is not None:
                started.warnings.append(f"its clean-up could not be scheduled: {error.for_api}")
        if idle := await idle_reason(client):
            started.is_queued = True
            started.warnings.append(f"it has not started yet. {idle.for_api}")
        return started

    async def _start(
        self,
        client: Client,
        caller: Principal,
        execution_id: str,
        request: StartRequest,
        request_hash: str,
    ) -> None:
        plan_id = plan_id_of(execution_id)
        plan, previous = await self._to_run(plan_id, request)
        plan = await self._with_servers(client, plan, request)
        if request.point_in_time is not None and previous is None:
            plan = await _at_point_in_time(client, plan, request)
        signer = self._signing.signer(caller)
        changes = previous.changes if previous else ()
        intended = _refuse(plan_id, request, plan, changes, is_signed=signer is not None)
        if request.execution_type is ExecutionType.RECOVERY:
            require_starter(caller, plan, await self._newest_of(plan))
        await require_targets(client, intended)
        accepted: list[str] = []
        if request.execution_type is ExecutionType.DRILL:
            found = await look_before_drill(client, plan, previous)
            findings, is_accepted = found.findings if found else [], request.accept_findings
            refusal = findings_refusal(intended, findings, is_accepted=is_accepted)
            raise_if_refused(refusal, plan_id)
            accepted = accepted_texts(findings)
        if request.replace_drill:
            await replace_drill(client, plan_id)
        await start_execution(
            client,
            plan,
            execution_type=request.execution_type,
            confirmation=request.confirmation,
            relaunch=request.relaunch,
            declared=request.declared_time or (previous.declared if previous else None),
            takeover=previous.takeover if previous else None,
            learned=await learned_durations_in_time(self._history, plan),
            started_by=caller.subject,
            execution_id=execution_id,
            request=request_hash,
            signer=signer,
            accepted=accepted,
        )

    async def _with_servers(
        self, client: Client, plan: RecoveryPlan, request: StartRequest
    ) -> RecoveryPlan:
        """The plan with the servers that its tags match, which must be those that were shown.

        Raises:
            ApiProblem: they match none, fewer than may be, or others than were shown.
            UnreachableError: no worker could look them up.
        """
        if unresolved(plan):
            known = await read_membership(client, self._plans, plan, accepted=request.plan_hash)
            is_drill = request.execution_type is ExecutionType.DRILL
            resolution = resolve(plan, known, is_drill=is_drill)
            if resolution.plan is None:
                detail = f"nothing was started: {resolution.problem}"
                raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
            if is_drill and resolution.shrunk and not request.accept_findings:
                detail = (
                    f"nothing was started: {'; '.join(resolution.shrunk)}. Correct the tags in "
                )
                detail += 'DRS, or send "AcceptFindings": true'
                raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
            plan = resolution.plan
        if request.plan_hash not in (None, plan.plan_hash):
            raise ApiProblem(
                HTTPStatus.CONFLICT,
                "nothing was started: it would have other servers, or be another plan, than was "
                "shown; look at it again",
            )
        return plan

    async def _newest_of(self, plan: RecoveryPlan) -> RegisteredPlan | None:
        """The newest version of a plan; None if there is none, or it does not decide who starts."""
        try:
            return await self._plans.plan(plan.plan_id)
        except PlanTableError:
            if not plan.recovery.is_about_people:
                # A recovery must not wait for DynamoDB.
                return None
            raise

    async def _to_run(
        self, plan_id: str, request: StartRequest
    ) -> tuple[RecoveryPlan, PreviousExecution | None]:
        """The plan to run, and the execution that it continues from."""
        if request.from_execution is None:
            return (await self._plan(plan_id, request.version)).plan, None
        if plan_id_of(request.from_execution) != plan_id:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"nothing was started: {request.from_execution} is no execution of {plan_id}",
            )
        corrected = None
        if request.version is not None:
            corrected = (await self._plan(plan_id, request.version)).plan
        previous = await previous_execution(
            request.from_execution,
            corrected,
            request.execution_type,
            replace_drill=request.replace_drill,
        )
        return previous.plan, previous

    async def _was_started(self, client: Client, execution_id: str, request_hash: str) -> bool:
        """Whether this request has already started the execution.

        Raises:
            ApiProblem: another request with the same key has started it.
        """
        known = await request_of(client, execution_id)
        if known is None:
            try:
                return await self._history.execution(execution_id) is not None
            except HistoryError:
                # A recovery must not wait for DynamoDB. Temporal has the execution until its
                # retention ends.
                return False
        if known != request_hash:
            raise ApiProblem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"this Idempotency-Key has started {execution_id} with another request; use a new "
                "key for a new request",
            )
        return True


async def _at_point_in_time(
    client: Client, plan: RecoveryPlan, request: StartRequest
) -> RecoveryPlan:
    """The plan with the snapshots that are chosen for it, which must be those that were shown.

    Raises:
        ApiProblem: others are chosen now.
        UnreachableError: a worker could not read them.
    """
    assert request.point_in_time is not None, "a start at a point in time"
    wanted = request.point_in_time.point_in_time
    known = await read_snapshots(client, plan, wanted.time)
    chosen = plan.at_point_in_time(wanted, known.by_server)
    if request.points_hash not in (None, chosen.points_hash):
        raise ApiProblem(
            HTTPStatus.CONFLICT,
            "nothing was started: other snapshots are chosen now than were shown, because DRS has "
            "others or could not be read; look at them again",
        )
    return chosen


def _refuse(
    plan_id: str,
    request: StartRequest,
    plan: RecoveryPlan | None = None,
    changes: Sequence[str] = (),
    *,
    is_signed: bool = False,
) -> IntendedStart:
    """Apply the rules for starts, again once the plan is read.

    Args:
        plan_id: the plan to start.
        request: how to run it.
        plan: the plan itself, once it is read.
        changes: how it differs from the plan of the execution it continues from.
        is_signed: whether the start is signed.

    Raises:
        ApiProblem: nothing was started.
    """
    intended = IntendedStart(
        plan_id,
        request.execution_type,
        relaunch=request.relaunch,
        server_ids=None if plan is None else [i for w in plan.waves for i in w.server_ids],
        replaces_drill=request.replace_drill,
        is_cleaned_up=request.cleanup_after_seconds is not None,
        plan_changes=changes,
        needs_signature=plan is not None and needs_signature(plan, request.execution_type),
        is_signed=is_signed,
        continues=request.from_execution is not None,
        point_in_time=request.point_in_time.point_in_time if request.point_in_time else None,
        declared=request.declared_time,
        now=time.time(),
        members_problem=None if plan is None else unresolved_problem(plan),
        points_problem=None if plan is None else points_problem(plan, now=time.time()),
        left_out="" if plan is None else left_out_text(plan),
    )
    raise_if_refused(start_refusal(intended, request.confirmation), plan_id)
    return intended
