"""Verifies that a plan's workflow began with a signed start, once for each execution."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.access.schedule_check import ScheduleCheck
from activities.telemetry.measurements import count_refusal
from contract.cleanup import StartCleanup
from contract.execution import StartExecution
from contract.identifiers import plan_workflow_id, start_claim_id
from contract.schedules.drill import ScheduledDrill, scheduled_execution_id
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.access.audit import AuditEvent, AuditPlace
from recovery.access.binding import require_current, require_same
from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Grant,
    ScheduleSubject,
    SignedRequest,
    StartSubject,
)
from recovery.plan.model import RecoveryPlan
from recovery.schedule.grant import require_time, scheduled_cleanup, scheduled_start
from security.audit_log import AuditLog
from security.public_keys import PublicKeys, TrustedKey
from settings import Settings

# A plan may be 2 MB.
_STARTS_KEPT = 50
_RUN_MEMO = "Run"


@dataclass(frozen=True)
class VerifiedStart:
    """A start whose signature and content are verified.

    Attributes:
        plan: the plan with the signed hash.
        schedule_nonce: of the schedule that started it; None if a person did.
    """

    grant: Grant
    subject: StartSubject
    plan: RecoveryPlan
    schedule_nonce: str | None = None


class RequestVerifier:
    """Verifies requests with the worker's public keys.

    Attributes:
        is_required: whether the worker acts only by signed requests.
        audit: the worker's audit log.
    """

    def __init__(self, settings: Settings, audit: AuditLog | None = None) -> None:
        """Read the keys.

        Raises:
            KeyFileError: they cannot be used.
        """
        self.audit = audit or AuditLog(AuditPlace.WORKER)
        self.is_required = settings.require_signed_requests
        self._keys = PublicKeys.read(settings.request_keys) if settings.request_keys else None
        # By the workflow and run that it began.
        self._starts: OrderedDict[tuple[str, str], VerifiedStart] = OrderedDict()
        self._schedules = ScheduleCheck(settings)

    @property
    def has_keys(self) -> bool:
        """Whether it can verify signatures."""
        return self._keys is not None

    @property
    def trusted_keys(self) -> list[TrustedKey]:
        """The keys that it verifies signatures with."""
        return self._keys.trusted if self._keys is not None else []

    @property
    def key_ids(self) -> list[str]:
        """The IDs of these keys."""
        return self._keys.key_ids if self._keys is not None else []

    def verified(self, signed: SignedRequest | None) -> Grant:
        """The grant of a request, whatever its age.

        Raises:
            AccessRefusedError: it is not signed by a key of this worker.
        """
        if signed is None:
            raise AccessRefusedError(
                AccessCode.NOT_SIGNED,
                "it is not signed, and this worker acts by signed requests only: use the pages or "
                "the API of a server that signs (DRS_WAVES_SIGNING_KEY), or an offline key on "
                "the command line",
            )
        if self._keys is None:
            raise AccessRefusedError(
                AccessCode.UNKNOWN_KEY, "this worker has no keys (DRS_WAVES_REQUEST_KEYS)"
            )
        return self._keys.verified(signed)

    def grant_of(self, signed: SignedRequest | None) -> Grant | None:
        """The grant of a request; None if it is not signed by a key of this worker."""
        try:
            return self.verified(signed)
        except AccessRefusedError:
            return None

    async def start_of(self, client: Client, workflow_id: str, run_id: str) -> VerifiedStart:
        """The signed start that a run of a plan's workflow began with; a reset does not change it.

        Raises:
            AccessRefusedError: it is not signed, is not what was signed, or was begun before.
            ApplicationError: retryable; Temporal did not answer.
        """
        start = self._starts.get((workflow_id, run_id))
        if start is None:
            start = await self._read(client, workflow_id, run_id)
            self._starts[workflow_id, run_id] = start
            if len(self._starts) > _STARTS_KEPT:
                self._starts.popitem(last=False)
        require_current(start.grant, now=time.time())
        if start.schedule_nonce is not None:
            await self._schedules.require_valid(start.subject.plan_id, start.schedule_nonce)
        return start

    async def require_schedule(self, drill: ScheduledDrill, scheduled_time: float) -> None:
        """Refuse a drill that the signature of its schedule does not allow, or no longer.

        Raises:
            AccessRefusedError: why nothing starts.
            ApplicationError: retryable; DynamoDB did not answer.
        """
        if not self.is_required and drill.signed is None:
            return
        grant = self.verified(drill.signed)
        require_same(grant, drill.subject, actor=drill.registered_by)
        if self.is_required:
            require_time(grant, scheduled_time)
        require_current(grant, now=time.time())
        await self._schedules.require_valid(drill.plan_id, grant.nonce)

    def report_refusal(self, event: AuditEvent, refused: AccessRefusedError) -> None:
        """Log an act that is refused, and write it to the audit log.

        Args:
            event: the act.
            refused: why.
        """
        update = {"accepted": False, "refusal": refused.code, "text": str(refused)}
        self.audit.write(event.model_copy(update=update))
        count_refusal(event.act, refused.code)
        structlog.get_logger().warning(
            f"{event.act} is refused: {refused}",
            code=refused.code.value,
            execution_id=event.execution_id or event.plan_id,
            launch_id=event.launch_id,
        )

    async def _read(self, client: Client, workflow_id: str, run_id: str) -> VerifiedStart:
        first = await first_event(client, workflow_id, run_id)
        event = first.workflow_execution_started_event_attributes
        try:
            (start,) = await client.data_converter.decode(event.input.payloads, [StartExecution])
        except (RuntimeError, TypeError, ValueError) as error:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, f"{workflow_id} is not the workflow of a plan"
            ) from error
        grant = self.verified(start.signed)
        subject, nonce = start.subject, None
        if isinstance(grant.subject, ScheduleSubject):
            nonce = grant.nonce
            began, at = first.event_time.ToMicroseconds() / 1e6, start.scheduled_time
            await self._schedules.require_allowed(grant.subject, began=began)
            wanted = scheduled_execution_id(subject.plan_id, nonce, at or 0.0)
            _require_execution(subject.execution_id, wanted)
            grant = scheduled_start(
                grant,
                subject,
                scheduled_time=at,
                began=began,
                deadline_seconds=start.plan.deadline_seconds,
            )
        require_same(grant, subject, actor=start.started_by)
        require_current(grant, now=time.time())
        if workflow_id != plan_workflow_id(subject.plan_id):
            raise AccessRefusedError(
                AccessCode.OTHER_PLAN,
                f"{workflow_id} is not the workflow of plan {subject.plan_id}",
            )
        await _claim(client, grant, event.first_execution_run_id or run_id)
        return VerifiedStart(grant, subject, start.plan, nonce)

    def cleanup_grant(self, cleanup: StartCleanup) -> Grant:
        """The signed grant of a clean-up, its own or by its plan's schedule.

        Raises:
            AccessRefusedError: it is not signed, or its schedule does not allow it.
        """
        grant = self.verified(cleanup.signed)
        if not isinstance(grant.subject, ScheduleSubject):
            return grant
        at = cleanup.scheduled_time
        wanted = scheduled_execution_id(cleanup.plan_id, grant.nonce, at or 0.0)
        _require_execution(cleanup.execution_id, wanted)
        return scheduled_cleanup(grant, cleanup.subject, scheduled_time=at)


def _require_execution(asked: str, wanted: str) -> None:
    """Refuse another execution than that of a time of a schedule.

    Raises:
        AccessRefusedError: it is another.
    """
    if asked != wanted:
        raise AccessRefusedError(
            AccessCode.OTHER_EXECUTION, f"the signed schedule has no execution {asked}"
        )


async def first_event(client: Client, workflow_id: str, run_id: str | None = None) -> HistoryEvent:
    """How a workflow was started, by Temporal's record, which no client can change.

    Raises:
        AccessRefusedError: there is no such workflow.
        ApplicationError: retryable; Temporal did not answer.
    """
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        async for event in handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
            return event
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise ApplicationError(
                f"The start of {workflow_id} cannot be read: {error.message}"
            ) from error
    raise AccessRefusedError(AccessCode.OTHER_CALLER, f"there is no workflow {workflow_id}")


async def _claim(client: Client, grant: Grant, run_id: str) -> None:
    """Claim a start for the run that it began, so that a copy of it begins no other.

    The claim is a workflow whose ID holds until the signature expires: its only task is delayed.

    Raises:
        AccessRefusedError: another run has it.
        ApplicationError: retryable; Temporal did not answer.
    """
    workflow_id = start_claim_id(grant.subject.execution_id)
    seconds = max(1.0, grant.expires_time - time.time())
    try:
        await client.start_workflow(
            "PingWorkflow",
            id=workflow_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            start_delay=timedelta(seconds=seconds),
            memo={_RUN_MEMO: run_id},
            static_summary=f"The signed start of {grant.subject.execution_id} is used",
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        handle = client.get_workflow_handle(workflow_id)
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        if (await described.memo()).get(_RUN_MEMO) != run_id:
            raise AccessRefusedError(
                AccessCode.REPLAYED,
                f"the signed start of {grant.subject.execution_id} has begun another run before; "
                "start the plan again for a new signature",
            ) from None
    except RPCError as error:
        raise ApplicationError(
            f"Temporal did not take the claim of a start: {error.message}"
        ) from error
