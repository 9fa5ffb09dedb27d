"""How messages of ours are sent."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from client import steering
from client.errors import RefusedError
from client.executions import RunningExecution
from client.steering import send
from contract.failures import FailureType
from recovery.operator.messages import MessageName, OperatorMessage


@dataclass
class Execution:
    """A fake of Temporal's client and a plan's handle, with given responses."""

    answers: list[str]
    sent: int = 0

    def get_workflow_handle(self, workflow_id: str, **run: Any) -> "Execution":
        return self

    async def execute_update(self, name: str, message: Any, **how: Any) -> str:
        self.sent += 1
        answer = self.answers.pop(0)
        if answer in list(FailureType):
            raise WorkflowUpdateFailedError(ApplicationError("because", type=answer))
        return answer


@pytest.fixture(autouse=True)
def _has_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def yes(_: object) -> bool:
        return True

    monkeypatch.setattr(steering, "has_worker", yes)


RUNNING = RunningExecution("crm", "crm-1", None, "run")
MESSAGE = OperatorMessage(name=MessageName.PAUSE, reason="wait")


async def test_a_message_that_a_worker_cannot_take_yet_is_sent_again() -> None:
    execution = Execution([FailureType.SEND_AGAIN, FailureType.SEND_AGAIN, "paused"])
    client = cast(Client, execution)
    assert await send(client, RUNNING, MESSAGE, actor="me") == "paused"
    assert execution.sent == 3


async def test_a_message_that_makes_no_sense_is_not() -> None:
    execution = Execution([FailureType.MESSAGE_REJECTED])
    with pytest.raises(RefusedError, match=r"pause was rejected: .*because"):
        await send(cast(Client, execution), RUNNING, MESSAGE, actor="me")
    assert execution.sent == 1
