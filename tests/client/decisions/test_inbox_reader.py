"""Executions are read a few at once, and one that does not answer holds back no other."""

import asyncio
from typing import cast

import pytest
from temporalio.client import Client

from client.decisions import inbox_reader
from client.decisions.inbox_reader import InboxReader
from client.decisions.portfolio_questions import RunningPortfolios
from client.errors import NoWorkerError, UnreachableError
from client.executions import HistoryPosition
from client.health import LaunchHealth
from client.overview import ExecutionRow
from client.recoveries import state_reader
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.state import PortfolioState
from storage.history import HistoryTable
from tests.cli.executions import CHAIN, START, begin


class Executions:
    """A hundred executions that are paused, of which some do not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.silent: set[str] = set()
        self.idle: NoWorkerError | None = None
        self.closed: set[str] = set()
        self.lengths: dict[str, int] = {}
        self.at_once = self.most_at_once = self.asked = 0
        monkeypatch.setattr(inbox_reader, "running_executions", self.running)
        monkeypatch.setattr(state_reader, "execution_state", self.state)
        monkeypatch.setattr(RunningPortfolios, "read", self.portfolios)
        monkeypatch.setattr(state_reader, "history_position", self.position)
        self.reader = InboxReader(self.connect, cast(HistoryTable, self), cast(LaunchHealth, self))

    async def portfolios(self, _: Client) -> tuple[list[PortfolioState], tuple[str, ...]]:
        return [], ()

    async def connect(self) -> Client:
        return cast(Client, None)

    async def running(self, *_: object) -> list[ExecutionRow]:
        return [ExecutionRow.model_validate(dict(state)) for state in map(paused, range(100))]

    async def position(self, _: Client, plan_id: str) -> HistoryPosition:
        length = self.lengths.get(plan_id, 1)
        return HistoryPosition(f"{plan_id}-1", "run", length, plan_id in self.closed)

    async def state(self, _: Client, plan_id: str, execution_id: str) -> ExecutionState:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(60 if plan_id in self.silent else 0.001)
        finally:
            self.at_once -= 1
        return paused(int(plan_id.removeprefix("p")))

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan] | None:
        return None if execution_id == "p99-1" else (paused(int(execution_id[1:-2])), CHAIN)

    async def problems(self, _: Client) -> list[str]:
        return [str(self.idle)] if self.idle else []

    async def idle_reason(self, _: Client) -> NoWorkerError | None:
        return self.idle


def paused(number: int) -> ExecutionState:
    state = begin(CHAIN)
    state.plan_id, state.execution_id = f"p{number}", f"p{number}-1"
    state.status = PlanStatus.PAUSED
    return state


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> Executions:
    return Executions(monkeypatch)


async def test_a_hundred_executions_are_read_a_few_at_once(executions: Executions) -> None:
    found = (await executions.reader.read()).inbox
    assert len(found.decisions) == 100
    assert found.is_current
    assert 1 < executions.most_at_once <= 20


async def test_only_executions_whose_histories_have_grown_are_asked_again(
    executions: Executions,
) -> None:
    first = await executions.reader.read()
    executions.lengths = {"p7": 2}
    again = await executions.reader.read()
    assert executions.asked == 101
    assert [each.state for each in again.executions] == [each.state for each in first.executions]


async def test_an_execution_that_was_closed_without_an_end_passes_for_none_that_runs(
    executions: Executions,
) -> None:
    await executions.reader.read()
    executions.closed, executions.lengths = {"p7"}, {"p7": 2}
    [unread] = (await executions.reader.read()).inbox.unread
    assert unread.execution_id == "p7-1"
    assert unread.reason == "Temporal no longer runs p7-1, which has no end"


async def test_executions_that_do_not_answer_are_listed_and_hold_back_no_other(
    executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_reader, "_STATE_SECONDS", 0.2)
    monkeypatch.setattr(inbox_reader, "_ALL_STATES_SECONDS", 0.5)
    executions.silent = {f"p{number}" for number in range(10, 100)}
    async with asyncio.timeout(60):
        found = (await executions.reader.read()).inbox
    assert len(found.decisions) == 99
    assert len(found.unread) == 90
    assert {each.reason for each in found.unread} == {"no worker answered in time"}
    # Of one nothing is recorded.
    assert [each.plan_id for each in found.unread if each.decisions is None] == ["p99"]


async def test_without_a_worker_no_execution_is_asked_and_what_was_read_before_is_shown(
    executions: Executions,
) -> None:
    await executions.reader.read()
    executions.idle, executions.asked = NoWorkerError("No worker answers"), 0
    found = (await executions.reader.read()).inbox
    assert executions.asked == 0
    assert len(found.unread) == len(found.decisions) == 100
    assert all(each.recorded_time and each.recorded_time > START for each in found.unread)
    assert found.warnings == ["No worker answers"]


async def test_without_temporal_what_was_read_before_may_still_run(
    executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> list[ExecutionRow]:
        raise UnreachableError("Temporal does not answer")

    async def recorded(**_: object) -> list[ExecutionState]:
        return [paused(500)]

    await executions.reader.read()
    monkeypatch.setattr(inbox_reader, "running_executions", away)
    monkeypatch.setattr(executions, "executions", recorded, raising=False)
    found = (await executions.reader.read()).inbox
    assert len(found.decisions) == 101
    assert not found.is_complete
