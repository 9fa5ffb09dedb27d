"""A command, and its invocation on each instance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.drs.simulation import iso_duration
from sandbox.ssm.documents import Document, RunOutcome
from sandbox.ssm.timeline import BEGIN_SECONDS, Run, RunTimeline

_EXECUTION_TIMEOUT = 3600.0
# The status of a command in which invocations have several: the first that one of them has.
_PRECEDENCE = ("Cancelling", "InProgress", "Pending", "Failed", "TimedOut", "Cancelled", "Success")
_OVER = frozenset({"Failed", "TimedOut", "Cancelled", "Success"})


@dataclass
class Command(Run):
    """One command."""

    invocations: dict[str, Invocation] = field(default_factory=dict)

    @property
    def document_name(self) -> str:
        """The name of its document."""
        return str(self.request["DocumentName"])

    def status(self, now: float) -> str:
        """Return its status, which follows from those of its invocations."""
        found = self._statuses(now)
        return next((each for each in _PRECEDENCE if found[each]), "Success")

    def is_over(self, now: float) -> bool:
        """Return whether all invocations have their final status."""
        return self.status(now) in _OVER

    def _statuses(self, now: float) -> Counter[str]:
        offset = self.offset(now)
        return Counter(each.timeline.status(offset)[0] for each in self.invocations.values())

    def describe(self, now: float) -> dict[str, Any]:
        """Return the Command structure of the API."""
        statuses, status = self._statuses(now), self.status(now)
        given = ("Comment", "Parameters", "InstanceIds", "Targets", "TimeoutSeconds")
        timeout = float(self.request.get("TimeoutSeconds", _EXECUTION_TIMEOUT))
        return {
            "CommandId": self.run_id,
            "DocumentName": self.document_name,
            "DocumentVersion": self.request.get("DocumentVersion", "$DEFAULT"),
            "Comment": "",
            "Parameters": {},
            "InstanceIds": [],
            "Targets": [],
            **{key: self.request[key] for key in given if key in self.request},
            "RequestedDateTime": self.time(),
            "ExpiresAfter": self.time() + timedelta(seconds=timeout),
            "Status": status,
            "StatusDetails": status if self.invocations else "NoInstancesInTag",
            "TargetCount": len(self.invocations),
            "CompletedCount": sum(statuses[each] for each in _OVER),
            "ErrorCount": statuses["Failed"],
            "DeliveryTimedOutCount": sum(
                each.timeline.status(self.offset(now))[1] == "DeliveryTimedOut"
                for each in self.invocations.values()
            ),
            "MaxConcurrency": self.request.get("MaxConcurrency", "50"),
            "MaxErrors": self.request.get("MaxErrors", "0"),
        }


@dataclass
class Invocation:
    """A command on one instance."""

    command: Command
    instance_id: str
    document: Document
    timeline: RunTimeline

    @property
    def _plugin(self) -> str:
        windows = "PowerShell" in self.document.name
        return "aws:runPowerShellScript" if windows else "aws:runShellScript"

    def describe(self, now: float) -> dict[str, Any]:
        """Return the result of GetCommandInvocation."""
        offset, timeline = self.command.offset(now), self.timeline
        status, details = timeline.status(offset)
        item: dict[str, Any] = {
            **self._head(),
            "PluginName": self._plugin,
            "Status": status,
            "StatusDetails": details,
            "ResponseCode": _response_code(status),
            "ExecutionStartDateTime": "",
            "ExecutionElapsedTime": "",
            "ExecutionEndDateTime": "",
            "StandardOutputContent": "",
            "StandardOutputUrl": "",
            "StandardErrorContent": "",
            "StandardErrorUrl": "",
        }
        if offset >= timeline.begin:
            item["ExecutionStartDateTime"] = _text(self.command.time(timeline.begin))
        if timeline.is_over(offset) and timeline.begin < timeline.end_offset():
            end = timeline.end_offset()
            item["ExecutionEndDateTime"] = _text(self.command.time(end))
            item["ExecutionElapsedTime"] = iso_duration(end - timeline.begin)
        if timeline.is_over(offset) and status in ("Success", "Failed"):
            failed = status == "Failed" and not self.document.error_output
            error = self.document.failure_message if failed else self.document.error_output
            item["StandardOutputContent"] = self.document.output
            item["StandardErrorContent"] = error
        return item

    def describe_in_list(self, now: float, *, with_plugins: bool) -> dict[str, Any]:
        """Return the CommandInvocation structure of the API."""
        whole = self.describe(now)
        shown = ("Status", "StatusDetails", "StandardOutputUrl", "StandardErrorUrl")
        output = whole["StandardOutputContent"] + whole["StandardErrorContent"]
        plugin = {
            "Name": self._plugin,
            **{key: whole[key] for key in shown},
            "ResponseCode": whole["ResponseCode"],
            # Lists cut the output.
            "Output": output[:2500],
        }
        return {
            **self._head(),
            **{key: whole[key] for key in shown},
            "RequestedDateTime": self.command.time(),
            "CommandPlugins": [plugin] if with_plugins else [],
        }

    def _head(self) -> dict[str, Any]:
        return {
            "CommandId": self.command.run_id,
            "InstanceId": self.instance_id,
            "Comment": self.command.request.get("Comment", ""),
            "DocumentName": self.command.document_name,
            "DocumentVersion": self.command.request.get("DocumentVersion", "$DEFAULT"),
        }


def invocation_timeline(
    document: Document, outcome: RunOutcome, request: dict[str, Any]
) -> RunTimeline:
    """Compute the timeline of an invocation."""
    begin, end = BEGIN_SECONDS, BEGIN_SECONDS + document.seconds
    match outcome:
        case RunOutcome.SUCCESS:
            return RunTimeline(begin, end, "Success", "Success")
        case RunOutcome.FAILED:
            return RunTimeline(begin, end, "Failed", "Failed")
        case RunOutcome.TIMED_OUT:
            return RunTimeline(begin, end, "TimedOut", "ExecutionTimedOut")
        case RunOutcome.STUCK:
            given = request.get("Parameters", {}).get("executionTimeout")
            timeout = float(given[0]) if given else _EXECUTION_TIMEOUT
            return RunTimeline(begin, begin + timeout, "TimedOut", "ExecutionTimedOut")
        case RunOutcome.NOT_DELIVERED:
            timeout = float(request.get("TimeoutSeconds", _EXECUTION_TIMEOUT))
            return RunTimeline(timeout, timeout, "TimedOut", "DeliveryTimedOut")


def _response_code(status: str) -> int:
    # -1 until the plugin has a result.
    return {"Success": 0, "Failed": 1}.get(status, -1)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
