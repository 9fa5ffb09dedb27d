"""One poll serves all subscribers, and a failed poll never passes for the current state."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request
from temporalio.client import Client

from api import hub
from api.auth.tokens import Principal
from api.endpoints.execution_state import events
from api.hub import ExecutionPoller, Poller, Snapshot, UnknownExecutionError
from api.pages.execution.controls import controls
from api.pages.execution.execution_renderer import summary
from api.possible_actions import possible_actions
from client.connection import connect_to_temporal
from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import LastKnownState
from client.health import LaunchHealth
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.history.record import HistoryRecord
from sandbox.aws import SandboxAws
from settings import Settings
from storage.history import HistoryTable
from tests.api.conftest import api_client
from tests.api.oidc import Provider
from tests.aws_in_process import until
from tests.cli.executions import DIAMOND, START, begin, put


class FakeSource:
    """A source that has a number or raises an error."""

    def __init__(self) -> None:
        self.value: int | Exception = 1
        self.polls = 0
        self.seconds = 0.0

    async def read(self) -> int:
        self.polls += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class FakePoller(Poller[int]):
    """Polls a fake source."""

    def __init__(self, source: FakeSource) -> None:
        super().__init__()
        self.source = source

    async def fetch(self, known: int | None) -> int:
        return await self.source.read()

    def pause(self, known: int | None) -> float:
        return 0.05


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """A source, with short intervals between polls."""
    monkeypatch.setattr(hub, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(hub, "_LINGER_SECONDS", 0.1)
    return FakeSource()


@pytest.fixture
async def poller(source: FakeSource) -> AsyncIterator[Poller[int]]:
    """A poller of the source."""
    poller = FakePoller(source)
    yield poller
    await poller.close()


async def awaited(poller: Poller[int], condition: Callable[[Snapshot[int]], bool]) -> Snapshot[int]:
    """Wait for a snapshot."""
    number = 0
    async with asyncio.timeout(60):
        while True:
            snapshot = await poller.newer_than(number)
            if condition(snapshot):
                return snapshot
            number = snapshot.number


async def test_fifty_subscribers_cost_as_many_polls_as_one(
    source: FakeSource, poller: Poller[int]
) -> None:
    async def watch() -> int:
        async with poller.subscribed():
            await until(lambda: source.polls >= 3)
            return (await poller.newer_than(0)).value

    assert set(await asyncio.gather(*(watch() for _ in range(50)))) == {1}
    assert 3 <= source.polls <= 11


async def test_each_change_is_one_new_snapshot(source: FakeSource, poller: Poller[int]) -> None:
    async with poller.subscribed():
        first = await poller.newer_than(0)
        assert await poller.newer_within(0.2, first.number) is None
        source.value = 2
        second = await awaited(poller, lambda snapshot: snapshot.value == 2)
    assert second.number == first.number + 1
    assert second.seen_time >= first.seen_time


async def test_an_error_is_shown_with_the_last_value_and_disappears(
    source: FakeSource, poller: Poller[int]
) -> None:
    async with poller.subscribed():
        first = await poller.fresh()
        source.value = UnreachableError("Temporal does not answer")
        failed = await awaited(poller, lambda snapshot: bool(snapshot.error))
        assert (failed.value, failed.error) == (1, "Temporal does not answer")
        assert failed.seen_time < first.seen_time + 1
        # A new caller gets the error too.
        assert (await poller.fresh(0)).error == "Temporal does not answer"
        source.value = 1
        recovered = await awaited(
            poller, lambda snapshot: not snapshot.error and snapshot.number > 1
        )
        assert (recovered.value, recovered.error) == (1, "")


async def test_an_error_before_the_first_value_is_raised(
    source: FakeSource, poller: Poller[int]
) -> None:
    for error in (UnreachableError("no answer"), UnknownExecutionError("there is none")):
        source.value = error
        async with poller.subscribed():
            with pytest.raises(type(error)):
                await poller.fresh(0)
    source.value = 3
    async with poller.subscribed():
        assert (await poller.fresh(0)).value == 3


async def test_who_asks_while_a_poll_fails_waits_for_that_poll_only(
    source: FakeSource, poller: Poller[int]
) -> None:
    await poller.fresh()
    await asyncio.sleep(0.1)
    source.value, source.seconds = UnreachableError("no worker answers"), 0.1
    before = source.polls
    found = await asyncio.gather(*(poller.fresh(0.05) for _ in range(5)))
    assert {each.error for each in found} == {"no worker answers"}
    assert source.polls == before + 1


async def test_polling_stops_after_the_last_subscriber_leaves(
    source: FakeSource, poller: Poller[int]
) -> None:
    async with poller.subscribed():
        await poller.fresh()
    await until(lambda: poller.is_idle)
    before = source.polls
    await asyncio.sleep(0.2)
    assert source.polls == before


RECORDED_TIME = START + 60


@pytest.fixture
async def history(aws: SandboxAws) -> HistoryTable:
    """A history that has a running execution, whose Temporal does not answer."""
    table = HistoryTable(Settings())
    await table.create()
    await record(table, begin(DIAMOND))
    return table


async def record(table: HistoryTable, state: ExecutionState) -> None:
    put(state, "Database", WaveStatus.COMPLETED, launched=2).revision = int(RECORDED_TIME * 1000)
    database = state.waves[0]
    await table.write(
        HistoryRecord(
            execution_id=state.execution_id, execution=state, plan=DIAMOND, waves=[database]
        )
    )


def poller_of(table: HistoryTable) -> ExecutionPoller:
    return ExecutionPoller(begin(DIAMOND).execution_id, connect_to_temporal, table, LaunchHealth())


async def test_without_temporal_the_last_known_state_is_shown_with_its_time_and_the_reason(
    history: HistoryTable,
) -> None:
    async with poller_of(history).subscribed() as poller:
        snapshot = await poller.fresh()
        assert isinstance(snapshot.value, LastKnownState)
        assert snapshot.value.waves[0].status is WaveStatus.COMPLETED
        assert snapshot.seen_time == snapshot.value.recorded_time == RECORDED_TIME
        assert snapshot.error == snapshot.value.outdated_reason
        assert "Temporal at 127.0.0.1:9 cannot be reached" in snapshot.error
        # The same record again is no change.
        assert (await poller.fresh(0)).number == snapshot.number
        await poller.close()


async def test_a_newer_record_replaces_an_older_state_and_the_end_is_no_longer_outdated(
    history: HistoryTable,
) -> None:
    async with poller_of(history).subscribed() as poller:
        first = await poller.fresh()
        later = begin(DIAMOND)
        later.revision = int((RECORDED_TIME + 60) * 1000)
        await record(history, later)
        second = await poller.fresh(0)
        assert (second.number > first.number, second.seen_time) == (True, RECORDED_TIME + 60)
        later.status, later.end_time = PlanStatus.COMPLETED, RECORDED_TIME + 120
        later.revision = int(later.end_time * 1000)
        await record(history, later)
        ended = await poller.fresh(0)
        assert (ended.value.status, ended.error) == (PlanStatus.COMPLETED, "")
        await poller.close()


async def test_a_temporal_that_accepts_no_connection_in_time_does_not_delay_the_last_known_state(
    history: HistoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect() -> Client:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(hub, "_CONNECT_SECONDS", 0.1)
    poller = ExecutionPoller(begin(DIAMOND).execution_id, connect, history, LaunchHealth())
    async with poller.subscribed():
        assert (await poller.fresh()).error == "Temporal does not answer"
        await poller.close()


async def test_the_api_marks_the_last_known_state(history: HistoryTable) -> None:
    async with api_client(Settings()) as client:
        path = f"/executions/{begin(DIAMOND).execution_id}"
        found = (await client.get(path)).json()
        assert (found["SeenTime"], found["Execution"]["RecordedTime"]) == (RECORDED_TIME,) * 2
        assert found["Error"] == found["Execution"]["OutdatedReason"]
        exported = await client.get(f"{path}/servers.csv")
        assert exported.headers["content-type"].startswith("text/csv")
        assert exported.text.count(found["Error"]) == 8
        # Whoever asks for the state only, and not for its age, gets the reason.
        messages = await client.get(f"{path}/messages")
        assert (messages.status_code, messages.json()["detail"]) == (503, found["Error"])


async def test_a_stream_names_the_last_known_state_another_event(history: HistoryTable) -> None:
    async with poller_of(history).subscribed() as poller:
        await poller.fresh()
        stream = events(Request({"type": "http"}), Principal("ops", frozenset()), poller)
        found = [await anext(stream) for _ in range(2)]
        assert [event.event for event in found] == ["last_known_state", "unavailable"]
        assert '"OutdatedReason"' in (found[0].raw_data or "")
        await poller.close()


async def test_a_stream_of_the_api_ends_with_its_token(
    history: HistoryTable, provider: Provider, oidc_settings: Settings, aws: SandboxAws
) -> None:
    # Accepted for two or three seconds more, because clocks differ.
    headers = {"Authorization": f"Bearer {provider.token(exp=int(time.time()) - 27)}"}
    path = f"/executions/{begin(DIAMOND).execution_id}/events"
    async with asyncio.timeout(60), api_client(oidc_settings, **headers) as client:
        # Comes back when the stream has ended.
        stream = await client.get(path)
        assert (await client.get(path)).status_code == 401
    names = re.findall("^event: (.*)$", stream.text, re.MULTILINE)
    assert names == ["last_known_state", "unavailable", "token_expired"]


class Reconnecting:
    """Temporal's state of an execution, until no worker answers."""

    def __init__(self, state: ExecutionState) -> None:
        self.state: ExecutionState | None = state

    async def read(self, _client: Client, _plan_id: str) -> ExecutionState:
        if self.state is None:
            raise NoWorkerError("No worker answers")
        return self.state

    async def closed_status(self, *_: object) -> str | None:
        """It runs."""
        return None


async def test_a_newer_record_of_one_wave_leaves_what_temporal_said_of_the_others(
    history: HistoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = begin(DIAMOND)
    put(live, "App1", WaveStatus.WAITING, "Waiting for Database").revision = int(START * 1000)
    temporal = Reconnecting(live)
    monkeypatch.setattr(hub, "execution_state", temporal.read)
    monkeypatch.setattr(hub, "closed_status", temporal.closed_status)
    monkeypatch.setattr(hub, "time", SimpleNamespace(time=lambda: START, monotonic=time.monotonic))

    async def connect() -> Any:
        return None

    health = SimpleNamespace(problems=_no_problems)
    poller = ExecutionPoller(live.execution_id, connect, history, cast(LaunchHealth, health))
    async with poller.subscribed():
        assert (await poller.fresh()).error == ""
        temporal.state = None
        last = await poller.fresh(-1)
        await poller.close()
    assert (last.error, last.seen_time) == ("No worker answers", RECORDED_TIME)
    database, app, *_ = last.value.waves
    assert (database.status, app.status_reason) == (WaveStatus.COMPLETED, "Waiting for Database")


async def _no_problems(_client: Client) -> list[str]:
    return []


class ClosingTemporal:
    """A Temporal whose worker answers with a running state, also once the workflow is closed."""

    def __init__(self, state: ExecutionState) -> None:
        self.closed: str | None = None
        self.state: ExecutionState | Exception = state

    async def closed_status(self, *_: object) -> str | None:
        return self.closed

    async def execution_state(self, *_: object) -> ExecutionState:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> ClosingTemporal:
    """A Temporal that runs the execution."""
    temporal = ClosingTemporal(begin(DIAMOND))
    monkeypatch.setattr(hub, "execution_state", temporal.execution_state)
    monkeypatch.setattr(hub, "closed_status", temporal.closed_status)
    return temporal


@asynccontextmanager
async def polled(table: HistoryTable) -> AsyncIterator[ExecutionPoller]:
    """The poller of the execution, with a connection."""

    async def connect() -> Any:
        return None

    health = SimpleNamespace(problems=_no_problems)
    execution_id = begin(DIAMOND).execution_id
    poller = ExecutionPoller(execution_id, connect, table, cast(LaunchHealth, health))
    async with poller.subscribed():
        yield poller
        await poller.close()


def assert_outdated(snapshot: Snapshot[ExecutionState]) -> None:
    """It is shown that the execution no longer runs, and no action is offered."""
    assert "Temporal no longer runs crm-0f3b52a1c7d9" in snapshot.error
    assert isinstance(snapshot.value, LastKnownState)
    assert possible_actions(snapshot.value).actions == []
    assert controls(snapshot.value, Principal("ops", frozenset(Role))) == []
    assert summary(snapshot.value, now=START + 100)["left"] == ""


async def test_a_terminated_execution_never_passes_for_running(
    history: HistoryTable, temporal: ClosingTemporal
) -> None:
    async with polled(history) as poller:
        assert (await poller.fresh()).error == ""
        temporal.closed = "TERMINATED"
        found = await poller.fresh(-1)
        assert_outdated(found)
        # What the history recorded since is shown; the same again is no change.
        assert found.value.waves[0].status is WaveStatus.COMPLETED
        assert (await poller.fresh(-1)).number == found.number
        # Without a worker it is as closed.
        temporal.state = NoWorkerError("No worker answers")
        assert_outdated(await poller.fresh(-1))
    async with polled(history) as poller:
        assert_outdated(await poller.fresh())


async def test_a_terminated_execution_is_shown_without_a_history_too(
    aws: SandboxAws, temporal: ClosingTemporal
) -> None:
    temporal.closed = "TERMINATED"
    async with polled(HistoryTable(Settings())) as poller:
        assert_outdated(await poller.fresh())


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_what_temporal_no_longer_has_and_the_history_lacks_is_not_current(
    aws: SandboxAws, temporal: ClosingTemporal, is_replaced: bool
) -> None:
    table = HistoryTable(Settings())
    await table.create()
    async with polled(table) as poller:
        assert (await poller.fresh()).error == ""
        temporal.closed = "CLOSED" if is_replaced else "NOT_FOUND"
        other = begin(DIAMOND)
        other.execution_id = "crm-111122223333"
        temporal.state = other if is_replaced else RefusedError("Temporal has no execution")
        assert_outdated(await poller.fresh(-1))


async def test_a_refused_query_of_a_running_execution_does_not_close_it(
    history: HistoryTable, temporal: ClosingTemporal
) -> None:
    temporal.state = RefusedError("Temporal refused: permission denied")
    async with polled(history) as poller:
        found = await poller.fresh()
        assert found.error == "Temporal refused: permission denied"
        assert possible_actions(found.value).actions


async def test_after_an_unexpected_error_waiters_get_an_error_and_polling_goes_on(
    source: FakeSource, poller: Poller[int], capsys: pytest.CaptureFixture[str]
) -> None:
    source.value = ValueError("not a number")
    async with poller.subscribed():
        async with asyncio.timeout(60):
            with pytest.raises(UnreachableError, match="see the log of the server"):
                await poller.newer_than(0)
        await asyncio.sleep(0.2)
        logged = capsys.readouterr()
        assert (logged.out + logged.err).count("unexpected error in a poll") == 1
        source.value = 1
        before = source.polls
        await until(lambda: source.polls > before + 1)
        assert (await poller.newer_than(0)).value == 1
        source.value = ValueError("not a number")
        failed = await awaited(poller, lambda found: bool(found.error))
        assert failed.value == 1
