"""How messages of ours are sent."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client import steering
from client.errors import RefusedError
from client.executions import RunningExecution
from client.steering import send
from contract.failures import FailureType
from recovery.operator.messages import MessageName, OperatorMessage

# What server 1.32 says of the 2,001st update, as FAILED_PRECONDITION.
FULL = "The limit on the total number of distinct updates in this workflow has been reached (2000)"
NO_SIGNALS = "exceeded workflow execution limit for signal events"


@dataclass
class Execution:
    """A fake of Temporal's client and a plan's handle, with given responses."""

    answers: list[str]
    sent: int = 0
    signals: list[str] = field(default_factory=list)
    refuses_signals: bool = False

    def get_workflow_handle(self, workflow_id: str, **run: Any) -> "Execution":
        return self

    async def execute_update(self, name: str, message: Any, **how: Any) -> str:
        self.sent += 1
        answer = self.answers.pop(0)
        if answer == FULL:
            raise RPCError(FULL, RPCStatusCode.FAILED_PRECONDITION, b"")
        if answer in list(FailureType):
            raise WorkflowUpdateFailedError(ApplicationError("because", type=answer))
        return answer

    async def signal(self, name: Any, message: Any = None, **how: Any) -> None:
        if self.refuses_signals:
            raise RPCError(NO_SIGNALS, RPCStatusCode.INVALID_ARGUMENT, b"")
        self.signals.append(name if isinstance(name, str) else name.__name__)


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
    assert execution.signals == ["wake", "wake"]


async def test_a_message_that_makes_no_sense_is_not() -> None:
    execution = Execution([FailureType.MESSAGE_REJECTED])
    with pytest.raises(RefusedError, match=r"pause was rejected: .*because"):
        await send(cast(Client, execution), RUNNING, MESSAGE, actor="me")
    assert execution.sent == 1


async def test_a_message_goes_as_a_signal_where_temporal_takes_no_more_updates() -> None:
    execution = Execution([FULL])
    assert await send(cast(Client, execution), RUNNING, MESSAGE, actor="me") is None
    assert execution.signals == ["pause"]


async def test_where_temporal_takes_no_more_signals_either_the_way_on_is_named() -> None:
    execution = Execution([FULL], refuses_signals=True)
    with pytest.raises(RefusedError, match=r"cancel crm`, then .* run --from crm-1"):
        await send(cast(Client, execution), RUNNING, MESSAGE, actor="me")
