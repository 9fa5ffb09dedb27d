"""Sends operators' messages to a running execution, one endpoint per message."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StrictBool

from api.auth.access import AuthenticatedRoute, InRole, Operator, Service
from api.auth.tokens import Principal
from api.parameters import ExecutionId, IdempotencyKey
from api.problems import BODY_PROBLEMS, problem_responses
from api.service import ExecutionService
from client.steering import WITHOUT_WORKER
from recovery.access.roles import Role, role_for
from recovery.base_model import Model, StrictModel
from recovery.operator.messages import (
    JOB_ID_PATTERN,
    LAUNCH_ID_PATTERN,
    MAX_CHARACTERS,
    MAX_EXPIRY_SECONDS,
    MessageName,
    OperatorMessage,
)
from recovery.plan.fields import TEXT_PATTERN, Name, PlanOrWaveId

router = APIRouter(
    tags=["Steering"],
    route_class=AuthenticatedRoute,
    responses=problem_responses(HTTPStatus.CONFLICT, *BODY_PROBLEMS),
)

Reason = Annotated[str, Field(pattern=f"^{TEXT_PATTERN}$", max_length=MAX_CHARACTERS)]
Expiry = Annotated[float, Field(strict=True, gt=0, le=MAX_EXPIRY_SECONDS, allow_inf_nan=False)]


class ExecutionMessageRequest(StrictModel):
    """A message about the whole execution."""

    reason: Reason = ""


class WaveMessageRequest(ExecutionMessageRequest):
    """A message about one wave."""

    wave: Annotated[Name, Field(description="The WaveId, or the WaveName.")]


class SkipWaveRequest(WaveMessageRequest):
    """Skip a wave.

    Attributes:
        cascade: also skip every wave that depends on it.
    """

    cascade: StrictBool = False


class ApproveWaveRequest(WaveMessageRequest):
    """Approve or refuse a wave.

    Attributes:
        expires_in_seconds: how long the approval is valid; without a limit if not set.
    """

    approve: StrictBool = True
    expires_in_seconds: Expiry | None = None


class ApproveRecoveryRequest(ExecutionMessageRequest):
    """Approve or refuse a real recovery, before its first launch."""

    approve: StrictBool = True


class LaunchAnywayRequest(WaveMessageRequest):
    """Confirm that DRS has no job for a launch in doubt.

    Attributes:
        launch: the launch ID from the wave's `LaunchesInDoubt`; required if the wave has several
            launches in doubt.
    """

    launch: Annotated[str, Field(pattern=f"^{LAUNCH_ID_PATTERN}$")] | None = None


class AdoptJobRequest(LaunchAnywayRequest):
    """Name the DRS job of a launch in doubt.

    Attributes:
        job: the job's ID.
    """

    job: Annotated[str, Field(pattern=f"^{JOB_ID_PATTERN}$")]


class StepMessageRequest(WaveMessageRequest):
    """Decide about a step of a wave.

    Attributes:
        step: the StepId; required if several steps of the wave are concerned.
    """

    step: PlanOrWaveId | None = None


class CompleteStepRequest(StepMessageRequest):
    """Say that a step is done.

    Attributes:
        outputs: the inputs that a manual step asks for, or what another step returned, by name.
    """

    outputs: dict[str, str | bool | int | float] | None = None


class CancelExecutionRequest(ExecutionMessageRequest):
    """Cancel an execution.

    Attributes:
        confirmation: the PlanId; required for a real recovery.
    """

    confirmation: PlanOrWaveId | None = None


class MessageResult(Model):
    """The result of a message.

    Attributes:
        effect: what the message did.
        worker_answered: false if no worker is up; the message is queued until one is available.
    """

    effect: str
    worker_answered: bool

    @classmethod
    def of(cls, effect: str | None) -> "MessageResult":
        """The result of an effect; None if no worker answered."""
        return cls(effect=effect or WITHOUT_WORKER, worker_answered=effect is not None)


# By message: the model of its body, and its summary.
REQUESTS: dict[MessageName, tuple[type[StrictModel], str]] = {
    MessageName.SKIP_WAVE: (SkipWaveRequest, "Skip a wave"),
    MessageName.ACCEPT_WAVE: (WaveMessageRequest, "Accept a wave as it is and continue"),
    MessageName.CANCEL_WAVE: (WaveMessageRequest, "Stop waiting for one wave; the plan continues"),
    MessageName.RETRY_WAVE: (WaveMessageRequest, "Retry the servers of a wave that are not up"),
    MessageName.APPROVE_WAVE: (ApproveWaveRequest, "Approve or refuse a wave"),
    MessageName.APPROVE_RECOVERY: (ApproveRecoveryRequest, "Approve or refuse a real recovery"),
    MessageName.PAUSE: (ExecutionMessageRequest, "Pause: launch nothing new"),
    MessageName.RESUME: (ExecutionMessageRequest, "Resume after a pause"),
    MessageName.ACKNOWLEDGE: (
        ExecutionMessageRequest,
        "Say that you take care of the open decisions",
    ),
    MessageName.ADOPT_JOB: (AdoptJobRequest, "Name the DRS job of a launch in doubt"),
    MessageName.LAUNCH_ANYWAY: (
        LaunchAnywayRequest,
        "Confirm that DRS has no job for a launch in doubt",
    ),
    MessageName.COMPLETE_STEP: (CompleteStepRequest, "Complete a step"),
    MessageName.SKIP_STEP: (StepMessageRequest, "Skip a step"),
    MessageName.FAIL_STEP: (StepMessageRequest, "Fail a step"),
    MessageName.RERUN_STEP: (StepMessageRequest, "Run a step again"),
}


def _roles(name: MessageName) -> tuple[Role, ...]:
    """The roles that send a message; which of them it takes may depend on the execution."""
    if name in (MessageName.SKIP_WAVE, MessageName.ACKNOWLEDGE):
        return Role.OPERATOR, Role.APPROVER
    return (role_for(None, OperatorMessage(name)),)


def _endpoint(
    name: MessageName, body_model: type[StrictModel]
) -> Callable[..., Awaitable[MessageResult]]:
    """The endpoint of one message."""

    async def send(
        *,
        service: ExecutionService,
        caller: Principal,
        execution_id: str,
        body: StrictModel,
        idempotency_key: str | None = None,
    ) -> MessageResult:
        message = OperatorMessage(name=name, **body.model_dump(by_alias=False))
        effect = await service.send_message(caller, execution_id, message, key=idempotency_key)
        return MessageResult.of(effect)

    send.__annotations__ |= {
        "service": Service,
        "caller": Annotated[Principal, Depends(InRole(_roles(name)))],
        "execution_id": ExecutionId,
        "body": body_model,
        "idempotency_key": IdempotencyKey,
    }
    if not any(field.is_required() for field in body_model.model_fields.values()):
        # So that `pause` works without the body `{}`.
        send.__kwdefaults__ = {"body": body_model(), "idempotency_key": None}
    return send


for _name in MessageName:
    _model, _summary = REQUESTS[_name]
    router.add_api_route(
        f"/{_name}",
        _endpoint(_name, _model),
        methods=["POST"],
        response_model=MessageResult,
        operation_id=_name,
        summary=_summary,
        description=f"Send the message `{_name}` to a running execution. Returns its effect, or "
        "409 with the reason if the execution rejects it.",
    )


@router.post("/cancel", summary="Cancel an execution")
async def cancel(
    service: Service, caller: Operator, execution_id: ExecutionId, request: CancelExecutionRequest
) -> MessageResult:
    """Launch nothing more. Jobs that run in DRS continue and are observed."""
    effect = await service.cancel(
        caller, execution_id, reason=request.reason, confirmation=request.confirmation
    )
    return MessageResult.of(effect)
