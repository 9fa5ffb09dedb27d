"""Steering a plan that has had many messages: point 7 of issue 14."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from client import steering
from client.executions import RunningExecution
from client.steering import send
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import Server
from tests.recovery.plans import server_id
from tests.workflows.conftest import FakedEnvironment, wave
from tests.workflows.fake_activities import HOUR

# What server 1.32 says of the 2,001st update, as FAILED_PRECONDITION.
FULL = "The limit on the total number of distinct updates in this workflow has been reached (2000)"


@dataclass
class Execution:
    """A stand-in for Temporal's client and a plan's handle; it takes no more updates."""

    signals: list[str] = field(default_factory=list)

    def get_workflow_handle(self, workflow_id: str, **run: Any) -> "Execution":
        return self

    async def execute_update(self, name: str, message: Any, **how: Any) -> str:
        raise RPCError(FULL, RPCStatusCode.FAILED_PRECONDITION, b"")

    start_update = execute_update

    async def signal(self, name: str, message: Any, **how: Any) -> None:
        self.signals.append(name)


@pytest.mark.xfail(strict=True, reason="issue 14, point 7: Temporal's refusal ends the steering")
async def test_a_message_goes_as_a_signal_where_temporal_takes_no_more_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def yes(_: object) -> bool:
        return True

    monkeypatch.setattr(steering, "has_worker", yes)
    execution = Execution()
    message = OperatorMessage(name=MessageName.PAUSE, reason="wait")
    running = RunningExecution("crm", "crm-1", None, "run")
    await send(cast(Client, execution), running, message, actor="me")
    assert execution.signals == ["pause"]


@pytest.mark.xfail(strict=True, reason="issue 14, point 7: it is accepted before it is rejected")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("skip_wave", {"wave": "no-such-wave", "actor": "ops"}),
        ("resume", {"actor": "ops"}),
        ("skip_wave", {"wave": 7}),
        ("no_such_message", {"actor": "ops"}),
    ],
)
async def test_an_update_that_is_rejected_is_none_of_the_two_thousand(
    env: FakedEnvironment, name: str, message: dict[str, Any]
) -> None:
    env.fakes.launched_after = HOUR
    a_wave = wave("Database")
    a_wave.servers = [Server(source_server_id=server_id(1))]
    run = await env.start(a_wave)
    await run.wave_until("database", lambda w: w.start_time)
    with pytest.raises(WorkflowUpdateFailedError):
        await run.handle.execute_update(name, message)
    kinds = [event.event_type async for event in run.handle.fetch_history_events()]
    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED not in kinds
    await run.handle.terminate()
