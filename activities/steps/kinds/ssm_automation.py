"""Runs automations of Systems Manager, each once by its client token."""

from typing import Any, cast

from activities.steps.interface import OutcomeUnknownError, ResolvedCall, StepRefusedError
from activities.steps.step_clients import StepClients
from aws.console import console_link
from aws.errors import AwsError
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.steps.model import SsmAutomation
from recovery.steps.state import StepStatus

# Source: the API reference of GetAutomationExecution. Any other status may still change.
_SUCCEEDED = ("Success", "CompletedWithSuccess")
_FAILED = (
    "Failed",
    "TimedOut",
    "Cancelled",
    "Rejected",
    "ChangeCalendarOverrideRejected",
    "CompletedWithFailure",
    "Exited",
)


class SsmAutomationStep:
    """See `ActingStep`. The same token and parameters begin no second execution."""

    may_repeat = True

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`."""
        spec = cast(SsmAutomation, step.spec)
        request: dict[str, Any] = {
            "DocumentName": spec.document,
            "Parameters": spec.parameters,
            "ClientToken": step.call.attempt_id,
        }
        if spec.version is not None:
            request["DocumentVersion"] = spec.version
        try:
            answer = await self._services.change(
                step.call.target,
                "ssm",
                "start_automation_execution",
                not_after=step.not_after,
                **request,
            )
        except AwsError as error:
            if "IdempotentParameterMismatch" in str(error):
                # It was begun with what its references said then.
                raise OutcomeUnknownError(str(error)) from error
            raise
        execution_id = str(answer.get("AutomationExecutionId") or "")
        if not execution_id:
            raise OutcomeUnknownError("the answer of StartAutomationExecution names no execution")
        path = "systems-manager/automation/execution"
        return StartedStep(
            outcome=StartOutcome.STARTED,
            reference=execution_id,
            link=console_link(step.call.target.region, path, execution_id),
        )

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`: the same start finds it."""
        return await self.start(step)

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        answer = await self._services.read(
            step.call.target,
            "ssm",
            "get_automation_execution",
            AutomationExecutionId=started.reference,
        )
        execution = answer.get("AutomationExecution") or {}
        status = str(execution.get("AutomationExecutionStatus") or "")
        if status in _SUCCEEDED:
            found = {name: _single(values) for name, values in _outputs(execution).items()}
            result = {"AutomationExecutionId": started.reference, "Outputs": found}
            reason = f"automation {started.reference} ended with {status}"
            return StepResult(status=StepStatus.SUCCEEDED, reason=reason, outputs=result)
        if status in _FAILED:
            why = str(execution.get("FailureMessage") or "Systems Manager gives no reason")
            return StepResult(
                status=StepStatus.FAILED, reason=f"automation {started.reference} {status}: {why}"
            )
        at = execution.get("CurrentStepName")
        return f"automation {started.reference} is {status or 'without a status'}" + (
            f", at {at}" if at else ""
        )

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        try:
            await self._services.change(
                step.call.target,
                "ssm",
                "stop_automation_execution",
                AutomationExecutionId=started.reference,
                Type="Cancel",
            )
        except AwsError as error:
            if "InvalidAutomationStatusUpdateException" in str(error):
                raise StepRefusedError(f"automation {started.reference} had ended") from error
            raise
        return f"automation {started.reference} is being cancelled"


def _outputs(execution: dict[str, Any]) -> dict[str, list[str]]:
    return execution.get("Outputs") or {}


def _single(values: list[str]) -> Any:
    """An output, of which AWS makes a list always."""
    return values[0] if len(values) == 1 else values
