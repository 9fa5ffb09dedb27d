"""Following an execution through outages to every kind of end."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from temporalio.client import Client, WorkflowExecutionStatus

from cli.live import watch as watching
from cli.live.view import WatchedExecution
from cli.live.watch import LineDisplay, watch
from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import LastKnownState, RunningExecution
from client.recoveries import temporal
from client.recoveries.temporal import TemporalRecoveries
from contract.execution import packed_state
from contract.identifiers import EXECUTION_ID_KEY
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.operator.messages import MessageName, OperatorMessage
from runtime.exit import CliError, ExitCode
from security.signers import RequestSigner
from tests.cli.executions import CHAIN, START, begin

Answer = ExecutionState | Exception


class FakeClient:
    """Answers in turn; the last answer repeats."""

    def __init__(self, *answers: Answer, closed: bool = False) -> None:
        self._answers = list(answers)
        self._closed = closed

    def get_workflow_handle(self, _: str) -> "FakeClient":
        return self

    def get_workflow_handle_for(self, *_: object, **__: object) -> "FakeClient":
        return self

    async def query(self, *_: object, **__: object) -> bytes:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return packed_state(answer)

    async def describe(self, **_: Any) -> SimpleNamespace:
        status = WorkflowExecutionStatus
        ended = self._closed or len(self._answers) == 1
        return SimpleNamespace(
            status=status.TERMINATED if ended else status.RUNNING,
            typed_search_attributes={EXECUTION_ID_KEY: "crm-0f3b52a1c7d9"},
        )

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        """No execution but this one."""
        others: list[SimpleNamespace] = []
        for each in others:
            yield each


def ended_execution() -> ExecutionState:
    state = begin(CHAIN)
    state.status, state.end_time = PlanStatus.COMPLETED, START + 60
    return state


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "_FAST_POLL_SECONDS", 0.01)


async def followed(
    client: FakeClient, execution_id: str | None = None
) -> tuple[WatchedExecution, str]:
    console = Console(width=200, highlight=False)
    watched = WatchedExecution("crm", execution_id)
    with console.capture() as capture:
        await watch(TemporalRecoveries(cast(Client, client)), [watched], LineDisplay(console))
    return watched, capture.get()


async def test_an_outage_of_temporal_is_printed_and_survived() -> None:
    outage = UnreachableError("Temporal did not answer: gone")
    client = FakeClient(begin(CHAIN), outage, outage, outage, begin(CHAIN), ended_execution())
    watched, output = await followed(client)
    assert watched.state is not None
    assert watched.state.status is PlanStatus.COMPLETED
    assert output.count("Temporal does not answer; trying again") == 1
    assert output.count("Temporal answers again") == 1


async def test_without_a_worker_from_the_start_the_recorded_state_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"recorded_time": START, "outdated_reason": "No worker"}

    async def recorded(*_: object) -> LastKnownState:
        return LastKnownState.model_validate(dict(begin(CHAIN)) | known)

    monkeypatch.setattr(temporal, "last_known_state", recorded)
    watched, output = await followed(FakeClient(NoWorkerError("No worker"), ended_execution()))
    assert "No worker answers; trying again. No worker" in output
    assert "LAST KNOWN STATE, of 20" in output
    assert "A worker answers again" in output
    assert watched.seen_time is None


async def test_without_a_worker_a_message_is_sent_to_the_execution_that_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def recorded(*_: object) -> LastKnownState:
        known = {"recorded_time": START, "outdated_reason": "No worker"}
        return LastKnownState.model_validate(dict(begin(CHAIN)) | known)

    sent: list[Any] = []

    async def take(_: object, running: Any, message: Any, *, signer: Any, **__: object) -> None:
        sent.append((running.execution_id, message.name, signer))

    async def running(*_: object) -> RunningExecution:
        return RunningExecution("crm", "crm-0f3b52a1c7d9", ExecutionType.DRILL, "run")

    monkeypatch.setattr(temporal, "last_known_state", recorded)
    monkeypatch.setattr(temporal, "send", take)
    monkeypatch.setattr(temporal, "require_running", running)
    watched = WatchedExecution("crm")
    signer = cast(RequestSigner, object())
    fake = cast(Client, FakeClient(NoWorkerError("No worker")))
    client = TemporalRecoveries(fake, signer=signer)
    await watching._load_last_known(client, watched, "No worker")
    await watching.send_to(client, watched, OperatorMessage(MessageName.PAUSE))
    assert sent == [("crm-0f3b52a1c7d9", MessageName.PAUSE, signer)]


async def test_without_a_terminal_a_long_outage_ends_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "_OUTAGE_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(CliError, match="watch it again with") as caught:
        await followed(FakeClient(UnreachableError("gone")))
    assert caught.value.code is ExitCode.UNREACHABLE


async def test_for_an_execution_that_temporal_no_longer_knows_the_error_names_the_history() -> None:
    with pytest.raises(CliError, match="drs-waves history --plan crm"):
        await followed(FakeClient(RefusedError("Temporal knows no execution")))


async def test_another_execution_of_the_plan_is_not_followed() -> None:
    with pytest.raises(CliError, match="drs-waves history crm-111122223333"):
        await followed(FakeClient(begin(CHAIN)), "crm-111122223333")


async def test_a_terminated_workflow_ends_the_command() -> None:
    watched, _ = await followed(FakeClient(begin(CHAIN), closed=True))
    assert watched.closed_status == "TERMINATED"
