"""Launch actions: what DRS runs on a recovery instance after its launch."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..simulation import simulation


class ActionOutcome(StrEnum):
    """The outcome of a launch action."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_PROGRESS = "in-progress"


@dataclass(frozen=True)
class LaunchAction:
    """A launch action of a source server.

    Attributes:
        document: The SSM document that it runs.
        order: When it runs among the actions of its server, from 2.
        seconds: Its unscaled duration.
        failure_reason: Reported if it fails.
    """

    name: str
    type: str
    document: str
    optional: bool
    order: int
    outcome: ActionOutcome
    seconds: float
    failure_reason: str

    def describe(self, source_server_id: str) -> dict[str, Any]:
        """Return the LaunchAction structure of the API."""
        return {
            "actionId": _id(source_server_id, self.name),
            "actionCode": self.document,
            "type": self.type,
            "name": self.name,
            "active": True,
            "order": self.order,
            "actionVersion": "$DEFAULT",
            "optional": self.optional,
            "parameters": {},
            "description": "",
            "category": "OTHER",
        }


def in_order(actions: Sequence[LaunchAction]) -> tuple[LaunchAction, ...]:
    """Return the actions in the order in which they run."""
    return tuple(sorted(actions, key=lambda action: action.order))


def launch_actions_status(
    actions: Sequence[LaunchAction],
    instance_id: str,
    source_server_id: str,
    since: float,
    speed: float,
) -> dict[str, Any]:
    """Return the LaunchActionsStatus structure of a launched server.

    The actions run one after the other. One that has not begun is not listed, because the model has
    no status for it; whether real jobs list it is not known.

    Args:
        actions: Those of its launch, in order.
        instance_id: The recovery instance.
        source_server_id: Its source server.
        since: Epoch seconds of the launch.
        speed: Divides the durations.
    """
    runs, begin = [], since
    for action in actions:
        if simulation.now() < begin:
            break
        begin += action.seconds / speed
        ended = simulation.now() >= begin and action.outcome is not ActionOutcome.IN_PROGRESS
        run: dict[str, Any] = {
            "action": action.describe(source_server_id),
            "runId": _id(instance_id, action.name),
            "status": action.outcome.name if ended else ActionOutcome.IN_PROGRESS.name,
        }
        if ended and action.outcome is ActionOutcome.FAILED:
            run["failureReason"] = action.failure_reason
        runs.append(run)
        if not ended:
            break
    return {"ssmAgentDiscoveryDatetime": simulation.timestamp(since), "runs": runs}


def _id(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(names)))
