"""How messages of ours are sent."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from client import steering
from client.errors import RefusedError, UnreachableError
from client.executions import RunningExecution
from client.steering import CLIENT, send
from contract.failures import FailureType
from recovery.access.binding import require_same
from recovery.access.grants import Algorithm, MessageSubject
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.steps.model import Step, StepPhase
from recovery.steps.state import StepState, StepStatus
from security.signers import RequestSigner
from tests.security.keys import signer

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
    inputs: list[Any] = field(default_factory=list)

    def get_workflow_handle(self, workflow_id: str, **run: Any) -> "Execution":
        return self

    async def execute_update(self, name: str, *, args: list[Any], **how: Any) -> str:
        self.sent += 1
        self.inputs = args
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


async def test_a_message_is_signed_with_all_its_fields(tmp_path: Path) -> None:
    execution = Execution(["paused"])
    key, keys = signer(tmp_path)
    await send(cast(Client, execution), RUNNING, MESSAGE, actor="me", signer=RequestSigner(key))
    fields, signed = execution.inputs
    grant = keys.verified(signed)
    require_same(
        grant, MessageSubject(execution_id="crm-1", name="pause", fields=fields), actor="me"
    )
    assert fields == {"reason": "wait", "actor": "me", "ExecutionId": "crm-1", "client": CLIENT}


async def test_where_kms_does_not_sign_the_offline_key_is_named_in_the_words_of_each_reader() -> (
    None
):
    class LostKms:
        algorithm = Algorithm.ECDSA_P256

        def kid(self) -> str:
            raise EndpointConnectionError(endpoint_url="https://kms.eu-west-1.amazonaws.com")

        def sign(self, data: bytes) -> bytes:
            raise AssertionError

    execution = cast(Client, Execution([]))
    with pytest.raises(UnreachableError, match=r"KMS did not sign .*`--break-glass") as raised:
        await send(execution, RUNNING, MESSAGE, actor="me", signer=RequestSigner(LostKms()))
    assert "offline key on the command line" in raised.value.for_api
    assert "--" not in raised.value.for_api


async def test_where_temporal_takes_no_more_signals_either_the_way_on_is_named() -> None:
    execution = Execution([FULL], refuses_signals=True)
    with pytest.raises(RefusedError, match=r"cancel crm`, then .* run --from crm-1"):
        await send(cast(Client, execution), RUNNING, MESSAGE, actor="me")


OPEN = Step.model_validate(
    {"StepId": "open", "When": "BOTH", "Manual": {"Instruction": "Open the gate"}}
)


async def test_an_answer_about_a_launch_or_a_step_names_it_so_that_a_second_copy_answers_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wave = WaveState(wave_id="web", wave_name="Web", launches_in_doubt=["crm-1/web/1/0"])
    state = ExecutionState(
        execution_id=RUNNING.execution_id,
        plan_id="crm",
        plan_name="CRM",
        plan_hash="",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        start_time=0.0,
        waves=[wave],
    )

    async def read(*_: object) -> ExecutionState:
        return state

    monkeypatch.setattr(steering, "execution_state", read)
    execution = Execution(["launched"])
    answer = OperatorMessage(MessageName.LAUNCH_ANYWAY, "Web")
    await send(cast(Client, execution), RUNNING, answer, actor="ops")
    assert execution.inputs[0]["launch"] == "crm-1/web/1/0"
    wave.launches_in_doubt.append("crm-1/web/1/1")
    execution.answers.append("launched")
    await send(cast(Client, execution), RUNNING, answer, actor="ops")
    assert "launch" not in execution.inputs[0], "the rules say that it must be named"
    wave.status, wave.has_workflow = WaveStatus.IN_PROGRESS, True
    manual = StepState.of(OPEN, StepPhase.ALONE)
    wave.steps = [manual.model_copy(update={"status": StepStatus.RUNNING})]
    execution.answers.append("completed")
    complete = OperatorMessage(MessageName.COMPLETE_STEP, "Web")
    await send(cast(Client, execution), RUNNING, complete, actor="ops")
    assert execution.inputs[0]["step"] == "open"
