"""Automations of Systems Manager, which moto does not have, as far as a step needs them."""

import json
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.core.responses import BaseResponse
from moto.ssm.responses import SimpleSystemManagerResponse

Execution = dict[str, Any]


class Automations:
    """The executions that were begun, each by its client token.

    Attributes:
        begun: the requests, in their order.
        result: what becomes of an execution; `AutomationExecutionStatus` alone if it still runs.
    """

    def __init__(self) -> None:
        self.begun: dict[str, Execution] = {}
        self.result: Execution = {"AutomationExecutionStatus": "Success", "Outputs": {}}
        self.stopped: list[str] = []

    def start(self, response: BaseResponse) -> str:
        """StartAutomationExecution."""
        request = json.loads(response.body)
        token = request.pop("ClientToken")
        if self.begun.setdefault(token, request) != request:
            raise JsonRESTError("IdempotentParameterMismatch", "the parameters differ")
        return json.dumps({"AutomationExecutionId": token})

    def get(self, response: BaseResponse) -> str:
        """GetAutomationExecution."""
        execution_id = json.loads(response.body)["AutomationExecutionId"]
        execution = {"AutomationExecutionId": execution_id, **self.result}
        return json.dumps({"AutomationExecution": execution})

    def stop(self, response: BaseResponse) -> str:
        """StopAutomationExecution."""
        if self.result["AutomationExecutionStatus"] == "Success":
            raise JsonRESTError("InvalidAutomationStatusUpdateException", "it has ended")
        self.stopped.append(json.loads(response.body)["AutomationExecutionId"])
        return "{}"


@pytest.fixture
def automations(aws: object, monkeypatch: pytest.MonkeyPatch) -> Automations:
    """Systems Manager with automations."""
    made = Automations()
    for name, method in {"start": made.start, "get": made.get, "stop": made.stop}.items():
        monkeypatch.setattr(
            SimpleSystemManagerResponse,
            f"{name}_automation_execution",
            lambda response, method=method: method(response),
            raising=False,
        )
    return made
