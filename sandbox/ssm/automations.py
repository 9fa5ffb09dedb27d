"""An automation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sandbox.ssm.documents import Document, RunOutcome
from sandbox.ssm.timeline import BEGIN_SECONDS, Run, RunTimeline


@dataclass
class Automation(Run):
    """One automation."""

    account_id: str
    document: Document
    timeline: RunTimeline

    def status(self, now: float) -> str:
        """Return its status."""
        return self.timeline.status(self.offset(now))[0]

    def describe(self, now: float) -> dict[str, Any]:
        """Return the AutomationExecution structure of the API."""
        item = self._describe(now)
        return item | {
            "AutomationExecutionStatus": self.status(now),
            "Parameters": self.request.get("Parameters", {}),
            "StepExecutions": [],
            "StepExecutionsTruncated": False,
        }

    def describe_in_list(self, now: float) -> dict[str, Any]:
        """Return the AutomationExecutionMetadata structure of the API."""
        item = self._describe(now)
        return item | {"AutomationExecutionStatus": self.status(now), "AutomationType": "Local"}

    def _describe(self, now: float) -> dict[str, Any]:
        item: dict[str, Any] = {
            "AutomationExecutionId": self.run_id,
            "DocumentName": self.document.name,
            "DocumentVersion": "1",
            "ExecutionStartTime": self.time(),
            "ExecutedBy": f"arn:aws:sts::{self.account_id}:assumed-role/sandbox/sandbox",
            "Mode": self.request.get("Mode", "Auto"),
            "Outputs": {},
            "Targets": [],
            "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
        }
        if not self.timeline.is_over(self.offset(now)):
            return item
        item["ExecutionEndTime"] = self.time(self.timeline.end_offset())
        match self.status(now):
            case "Success":
                item["Outputs"] = {key: list(each) for key, each in self.document.outputs.items()}
            case "Failed" | "TimedOut":
                item["FailureMessage"] = self.document.failure_message
        return item


def automation_timeline(document: Document, outcome: RunOutcome) -> RunTimeline:
    """Compute the timeline of an automation."""
    end = BEGIN_SECONDS + document.seconds
    match outcome:
        case RunOutcome.FAILED:
            return RunTimeline(BEGIN_SECONDS, end, "Failed", "")
        case RunOutcome.TIMED_OUT:
            return RunTimeline(BEGIN_SECONDS, end, "TimedOut", "")
        case RunOutcome.STUCK:
            return RunTimeline(BEGIN_SECONDS, math.inf, "TimedOut", "")
        case _:
            return RunTimeline(BEGIN_SECONDS, end, "Success", "")
