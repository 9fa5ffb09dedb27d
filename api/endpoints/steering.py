"""Operators' messages to a running execution, one endpoint a message, and its cancellation."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api.auth.access import Approver, Operator, TheHouse
from api.auth.tokens import Principal
from api.parameters import ExecutionId
from api.problem_responses import acting
from api.service import House
from client.steering import WITHOUT_WORKER
from recovery.base_model import Model, StrictModel
from recovery.operator.messages import (
    JOB_ID_PATTERN,
    LAUNCH_ID_PATTERN,
    MOST_CHARACTERS,
    MOST_SECONDS,
    MessageName,
    OperatorMessage,
)
from recovery.plan.model import TEXT_PATTERN, PlanOrWaveId

router = APIRouter(tags=["Steering"])

Reason = Annotated[str, Field(pattern=f"^{TEXT_PATTERN}$", max_length=MOST_CHARACTERS)]


class AboutAll(StrictModel):
    """A message about the whole execution."""

    reason: Reason = ""


class AboutWave(StrictModel):
    """A message about one wave."""

    wave: PlanOrWaveId
    reason: Reason = ""


class SkipWave(AboutWave):
    """Leave a wave out.

    Attributes:
        cascade: and all that depends on it.
    """

    cascade: Annotated[bool, Field(strict=True)] = False


class ApproveWave(AboutWave):
    """Let a wave begin, or not.

    Attributes:
        expires_in_seconds: how long the approval holds; for ever where that is not said.
    """

    approve: Annotated[bool, Field(strict=True)] = True
    expires_in_seconds: (
        Annotated[float, Field(strict=True, gt=0, le=MOST_SECONDS, allow_inf_nan=False)] | None
    ) = None


class LaunchAnyway(AboutWave):
    """Say that DRS has no job of a launch in doubt.

    Attributes:
        launch: the launch ID, as the wave's `LaunchesInDoubt` has it; needed where several of the
            wave's launches are in doubt.
    """

    launch: Annotated[str, Field(pattern=f"^{LAUNCH_ID_PATTERN}$")] | None = None


class AdoptJob(LaunchAnyway):
    """Say which DRS job is of a launch in doubt.

    Attributes:
        job: the job's ID.
    """

    job: Annotated[str, Field(pattern=f"^{JOB_ID_PATTERN}$")]


class CancelExecution(StrictModel):
    """Cancel an execution.

    Attributes:
        confirmation: the PlanId, which a real recovery needs.
    """

    reason: Reason = ""
    confirmation: PlanOrWaveId | None = None


class Effect(Model):
    """What a message did.

    Attributes:
        worker_answered: no worker was up otherwise; the message is kept until one comes.
    """

    effect: str
    worker_answered: bool

    @classmethod
    def of(cls, effect: str | None) -> "Effect":
        """What a worker told; None where there was none."""
        return cls(effect=effect or WITHOUT_WORKER, worker_answered=effect is not None)


_BODIES: dict[MessageName, tuple[type[StrictModel], str]] = {
    MessageName.SKIP_WAVE: (SkipWave, "Leave a wave out"),
    MessageName.ACCEPT_WAVE: (AboutWave, "Go on as if a wave were up"),
    MessageName.CANCEL_WAVE: (AboutWave, "Stop waiting for a wave"),
    MessageName.RETRY_WAVE: (AboutWave, "Launch again what is not up in a wave"),
    MessageName.APPROVE_WAVE: (ApproveWave, "Approve or refuse a wave"),
    MessageName.PAUSE: (AboutAll, "Launch nothing new for now"),
    MessageName.RESUME: (AboutAll, "Go on after a pause"),
    MessageName.ADOPT_JOB: (AdoptJob, "Say that DRS has a wave's job"),
    MessageName.LAUNCH_ANYWAY: (LaunchAnyway, "Say that DRS has no job of a wave"),
}
_ANSWERS = acting(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


def _sender(name: MessageName, body_model: type[StrictModel]) -> Callable[..., Awaitable[Effect]]:
    """The endpoint of one message."""

    async def sent(
        *, house: House, caller: Principal, execution_id: str, body: StrictModel
    ) -> Effect:
        message = OperatorMessage(name=name, **body.model_dump(by_alias=False))
        return Effect.of(await house.tell(caller, execution_id, message))

    caller: Any = Approver if name is MessageName.APPROVE_WAVE else Operator
    sent.__annotations__ |= {
        "house": TheHouse, "caller": caller, "execution_id": ExecutionId, "body": body_model
    }  # fmt: skip
    if not any(field.is_required() for field in body_model.model_fields.values()):
        # Nobody who pauses under stress should have to think of `{}`.
        sent.__kwdefaults__ = {"body": body_model()}
    return sent


for _name in MessageName:
    _model, _summary = _BODIES[_name]
    router.add_api_route(
        f"/executions/{{execution_id}}/{_name}",
        _sender(_name, _model),
        methods=["POST"],
        response_model=Effect,
        operation_id=_name,
        summary=_summary,
        description=f"The message `{_name}` to a running execution; it answers what it did, or "
        "409 with the reason why it was rejected.",
        responses=_ANSWERS,
    )


@router.post("/executions/{execution_id}/cancel", summary="Cancel an execution", responses=_ANSWERS)
async def cancel(
    house: TheHouse, caller: Operator, execution_id: ExecutionId, request: CancelExecution
) -> Effect:
    """Launch nothing more. What DRS launches already goes on and is observed."""
    effect = await house.cancel(
        caller, execution_id, reason=request.reason, confirmation=request.confirmation
    )
    return Effect.of(effect)
