"""Runs commands of Systems Manager on instances; a command is found again by its comment."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, cast

from activities.steps.interface import (
    CannotFindError,
    OutcomeUnknownError,
    ResolvedCall,
    ResolvedServer,
    StepRefusedError,
)
from activities.steps.step_clients import StepClients
from aws.console import console_link
from aws.errors import AwsError
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.steps.model import SsmCommand
from recovery.steps.state import StepStatus
from recovery.text_format import count

# Source: the API references of SendCommand, ListCommands and GetCommandInvocation.
_MAX_INSTANCES = 50
_SHORTEST_DELIVERY_SECONDS = 30
_LONGEST_DELIVERY_SECONDS = 2_592_000
_MAX_PAGES = 100
_ENDED = ("Success", "Failed", "TimedOut", "Cancelled")
# The clocks of AWS, Temporal and the worker differ.
_EARLIER_SECONDS = 3600.0
_SHOWN_CHARACTERS = 200
_START_IT = "start it (a server with the launch disposition STOPPED is launched so)"
_LAUNCH_IT = "launch the server again"
_NOT_RUNNING = {
    "stopping": _START_IT,
    "stopped": _START_IT,
    "shutting-down": _LAUNCH_IT,
    "terminated": _LAUNCH_IT,
}
_SHOWN_INSTANCES = 3


class SsmCommandStep:
    """See `ActingStep`."""

    may_repeat = False

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services
        self._settings = clients.settings

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`."""
        spec = cast(SsmCommand, step.spec)
        if not 1 <= len(step.servers) <= _MAX_INSTANCES:
            raise StepRefusedError(
                f"a command runs on 1 to {_MAX_INSTANCES} instances, and this step has "
                f"{len(step.servers)}: name them as Servers, in several steps if need be"
            )
        await self._require_running(step)
        left = int(step.seconds_left * self._settings.speed)
        seconds = max(_SHORTEST_DELIVERY_SECONDS, left)
        request: dict[str, Any] = {
            "DocumentName": spec.document,
            "InstanceIds": [each.instance_id for each in step.servers],
            "Parameters": spec.parameters,
            "Comment": step.call.attempt_id,
            # An agent that comes up later does not run it any more.
            "TimeoutSeconds": min(seconds, _LONGEST_DELIVERY_SECONDS),
            # The failure of one instance does not keep it from others.
            "MaxErrors": "100%",
        }
        if spec.version is not None:
            request["DocumentVersion"] = spec.version
        answer = await self._services.change(
            step.call.target, "ssm", "send_command", not_after=step.not_after, **request
        )
        command_id = str((answer.get("Command") or {}).get("CommandId") or "")
        if not command_id:
            raise OutcomeUnknownError("the answer of SendCommand names no command")
        return _started(step, command_id)

    async def _require_running(self, step: ResolvedCall) -> None:
        """Refuse instances that will not run a command; Systems Manager would wait for them.

        Raises:
            StepRefusedError: one is stopped or terminated.
        """
        ids = [each.instance_id for each in step.servers]
        try:
            answer = await self._services.read(
                step.call.target,
                "ec2",
                "describe_instances",
                Filters=[{"Name": "instance-id", "Values": ids}],
            )
        except AwsError:
            # Whether the command can run is then seen when it is sent.
            return
        states = {
            str(each["InstanceId"]): str((each.get("State") or {}).get("Name"))
            for reservation in answer.get("Reservations", [])
            for each in reservation.get("Instances", [])
        }
        for server in step.servers:
            state = states.get(server.instance_id)
            if state in _NOT_RUNNING:
                raise StepRefusedError(
                    f"the instance {server.instance_id} of {server.name} is {state}, so the "
                    f"command was not sent; {_NOT_RUNNING[state]}, then run the step again"
                )

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`. It looks for as long as Systems Manager may take to list a command."""
        until = time.monotonic() + self._settings.absent_after_seconds
        while True:
            is_last = time.monotonic() >= until
            command_id = await self._listed(step)
            if command_id is not None:
                return _started(step, command_id)
            if is_last:
                return None
            await asyncio.sleep(min(1.0, max(0.0, until - time.monotonic())))

    async def _listed(self, step: ResolvedCall) -> str | None:
        """The command with the attempt's comment, if it is listed.

        Raises:
            CannotFindError: the list is too long.
        """
        document = cast(SsmCommand, step.spec).document
        after = datetime.fromtimestamp(step.call.since - _EARLIER_SECONDS, UTC)
        filters = [{"key": "InvokedAfter", "value": after.strftime("%Y-%m-%dT%H:%M:%SZ")}]
        if ":" not in document:
            filters.append({"key": "DocumentName", "value": document})
        request: dict[str, Any] = {"Filters": filters, "MaxResults": 50}
        for _ in range(_MAX_PAGES):
            answer = await self._services.read(step.call.target, "ssm", "list_commands", **request)
            for command in answer.get("Commands", []):
                if command.get("Comment") == step.call.attempt_id:
                    return str(command["CommandId"])
            if not answer.get("NextToken"):
                return None
            request["NextToken"] = answer["NextToken"]
        raise CannotFindError(
            f"ListCommands has more than {_MAX_PAGES} pages of commands since the attempt began"
        )

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        answer = await self._services.read(
            step.call.target, "ssm", "list_commands", CommandId=started.reference
        )
        command: dict[str, Any] = next(iter(answer.get("Commands", [])), {})
        status = str(command.get("Status") or "")
        if status not in _ENDED:
            done, all_ = command.get("CompletedCount", 0), len(step.servers)
            state = status or "not listed yet"
            return f"command {started.reference} is {state}, {done} of {all_} instances have ended"
        found = [await self._invocation(step, started, server, status) for server in step.servers]
        failed = [each for each in found if each["Status"] != "Success"]
        if not failed and status == "Success":
            instances = dict(zip((s.source_server_id for s in step.servers), found, strict=True))
            result = {
                "CommandId": started.reference,
                "Output": found[0]["Output"],
                "Instances": instances,
            }
            on = count(len(found), "instance")
            return StepResult(
                status=StepStatus.SUCCEEDED,
                reason=f"command {started.reference} succeeded on {on}",
                outputs=cast(Any, result),
            )
        return StepResult(
            status=StepStatus.FAILED,
            reason=_failure(
                started.reference,
                failed,
                len(found),
                status,
                # What a failed script printed may be what it would have returned.
                is_shown=not step.call.step.has_secret_outputs,
            ),
        )

    async def _invocation(
        self, step: ResolvedCall, started: StartedStep, server: ResolvedServer, status: str
    ) -> dict[str, Any]:
        """What a command that has ended did on one instance."""
        found: dict[str, Any] = {"InstanceId": server.instance_id, "Status": status, "Output": ""}
        try:
            answer = await self._services.read(
                step.call.target,
                "ssm",
                "get_command_invocation",
                CommandId=started.reference,
                InstanceId=server.instance_id,
            )
        except AwsError as error:
            if "InvalidPluginName" in str(error):
                # A document of several plugins has no output of its own.
                return found
            if "InvocationDoesNotExist" in str(error):
                return found | {"Status": "NotRun"}
            raise
        output = str(answer.get("StandardOutputContent") or "").strip()
        error_output = str(answer.get("StandardErrorContent") or "").strip()
        details = str(answer.get("StatusDetails") or answer.get("Status") or "")
        return found | {
            "Status": str(answer.get("Status") or ""),
            "StatusDetails": details,
            "ExitCode": answer.get("ResponseCode"),
            "Output": output,
            "ErrorOutput": error_output,
        }

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`. It cancels no command of something else."""
        if await self._listed(step) != started.reference:
            raise StepRefusedError(
                f"{started.reference} is not listed as a command of this attempt"
            )
        await self._services.change(
            step.call.target, "ssm", "cancel_command", CommandId=started.reference
        )
        return f"command {started.reference} is being cancelled; what an instance has begun may end"


def _started(step: ResolvedCall, command_id: str) -> StartedStep:
    link = console_link(step.call.target.region, "systems-manager/run-command", command_id)
    return StartedStep(outcome=StartOutcome.STARTED, reference=command_id, link=link)


def _failure(
    command_id: str, failed: list[dict[str, Any]], all_: int, status: str, *, is_shown: bool
) -> str:
    if not failed:
        return f"command {command_id} {status}"
    shown = "; ".join(
        _instance_failure(each, is_shown=is_shown) for each in failed[:_SHOWN_INSTANCES]
    )
    return f"command {command_id} failed on {len(failed)} of {all_} instances: {shown}"


def _instance_failure(found: dict[str, Any], *, is_shown: bool) -> str:
    said = str(found.get("ErrorOutput") or found.get("Output") or "") if is_shown else ""
    text = f"{found['InstanceId']} {found.get('StatusDetails') or found['Status']}"
    if found.get("ExitCode", -1) not in (-1, None):
        text += f" (exit code {found['ExitCode']})"
    return f"{text}: {said[:_SHOWN_CHARACTERS]}" if said else text
