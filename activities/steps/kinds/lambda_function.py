"""Invokes Lambda functions and waits for their answers. Lambda cannot say later what it ran."""

import asyncio
import json
from typing import Any, cast

from activities.steps.interface import CannotFindError, ResolvedCall
from activities.steps.step_clients import StepClients
from aws.console import console_link
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.steps.model import Lambda
from recovery.steps.outputs import as_object
from recovery.steps.state import StepStatus

# Source: Lambda's quotas: a function runs for 15 minutes at most.
_ANSWER_SECONDS = 930
_SHOWN_CHARACTERS = 200


class LambdaStep:
    """See `ActingStep`."""

    may_repeat = False

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`: the answer is all of it."""
        spec, call = cast(Lambda, step.spec), step.call
        payload = spec.payload | {
            "StepAttemptId": call.attempt_id,
            "ExecutionId": call.execution_id,
        }
        try:
            async with asyncio.timeout(max(0.0, step.seconds_left)):
                answer = await self._services.change(
                    call.target,
                    "lambda",
                    "invoke",
                    not_after=step.not_after,
                    read_seconds=_ANSWER_SECONDS,
                    FunctionName=spec.function_name,
                    InvocationType="RequestResponse",
                    Payload=json.dumps(payload).encode(),
                )
        except TimeoutError:
            reason = "the function did not answer in the step's time, and may still run"
            result = StepResult(status=StepStatus.TIMED_OUT, reason=reason)
        else:
            result = _result(answer, is_shown=not call.step.has_secret_outputs)
        name = spec.function_name.rpartition(":function:")[2].partition(":")[0]
        place = "lambda/home"
        link = console_link(call.target.region, place, name, fragment="/functions")
        return StartedStep(outcome=StartOutcome.STARTED, link=link, result=result)

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`."""
        raise CannotFindError("Lambda does not say whether a function was invoked")

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        assert started.result is not None, "the start of a function is all of it"
        return started.result

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        return "a function cannot be stopped; it runs for 15 minutes at most"


def _result(answer: dict[str, Any], *, is_shown: bool) -> StepResult:
    """The result by a function's answer, of whose error people may see the beginning."""
    payload = answer.get("Payload") or b"null"
    try:
        value = json.loads(payload)
    except ValueError:
        value = payload.decode(errors="replace")
    if answer.get("FunctionError"):
        error = value.get("errorMessage") if isinstance(value, dict) else None
        kind = value.get("errorType") if isinstance(value, dict) else None
        reason = f"the function failed ({kind or answer['FunctionError']})"
        if is_shown:
            reason += f": {str(error or value)[:_SHOWN_CHARACTERS]}"
        return StepResult(status=StepStatus.FAILED, reason=reason)
    reason = "the function answered without an error"
    return StepResult(status=StepStatus.SUCCEEDED, reason=reason, outputs=as_object(value))
