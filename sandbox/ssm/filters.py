"""The filters of lists of commands and automations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from moto.ssm.exceptions import SSMException

from sandbox.drs.simulation import simulation
from sandbox.ssm.automations import Automation
from sandbox.ssm.commands import Command


def admits_command(command: Command, key: str, value: str, now: float) -> bool:
    """Return whether a filter of ListCommands admits a command."""
    match key:
        case "DocumentName":
            return command.document_name == value
        case "Status":
            return command.status(now) == value
        case "ExecutionStage":
            return command.is_over(now) == (value == "Complete")
        case "InvokedAfter":
            return command.requested >= _epoch(value)
        case "InvokedBefore":
            return command.requested < _epoch(value)
        case _:
            raise SSMException("InvalidFilterKey", f"The filter {key} is not valid.")


def admits_automation(automation: Automation, key: str, values: Sequence[str], now: float) -> bool:
    """Return whether a filter of DescribeAutomationExecutions admits an automation."""
    match key:
        case "DocumentNamePrefix":
            return automation.document.name.startswith(tuple(values))
        case "ExecutionStatus":
            return automation.status(now) in values
        case "ExecutionId":
            return automation.run_id in values
        case "StartTimeAfter":
            return automation.requested >= _epoch(values[0])
        case "StartTimeBefore":
            return automation.requested < _epoch(values[0])
        case _:
            raise SSMException("InvalidFilterKey", f"The filter {key} is not valid.")


def _epoch(text: str) -> float:
    """Convert a date and time by AWS's clock to epoch seconds."""
    try:
        return datetime.fromisoformat(text).timestamp() - simulation.clock_offset
    except ValueError:
        message = f"{text!r} is not a date and time"
        raise SSMException("InvalidFilterValue", message) from None
