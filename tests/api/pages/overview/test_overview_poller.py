"""The overview of hundreds of plans: what takes long to read holds nothing else back."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.hub import POLL_SECONDS
from api.pages.overview import overview_poller
from api.pages.overview.overview_poller import OverviewPoller
from api.service import ExecutionService
from client import overview as overview_module
from client.errors import NoWorkerError
from client.overview import ExecutionRow, Overview, overview
from recovery.coverage.evidence import CoverageEvidence
from recovery.coverage.gaps import Coverage, coverage
from recovery.execution.state import ExecutionState
from storage.history import HistoryError
from storage.plans import PlanVersion
from tests.cli.executions import CHAIN, begin


def version(number: int) -> PlanVersion:
    return PlanVersion(
        plan_id=f"plan-{number}",
        version=1,
        plan_hash="0",
        plan_name=f"Plan {number}",
        author="ops",
        registered_time=0.0,
        waves=1,
        servers=1,
    )


def row(number: int) -> ExecutionRow:
    return ExecutionRow(
        execution_id=f"plan-{number}-0123456789ab",
        plan_id=f"plan-{number}",
        status="IN_PROGRESS",
        running=True,
        start_time=float(number),
    )


class Sources:
    """A history that answers once it is told to, plans, and executions that run.

    Attributes:
        answers: whether the history answers.
        drill_reads: of which plans the last drills were read, a set each time.
        drills: the last ones, by PlanId.
        workers_answer: whether executions answer that are not `quick`.
        asked: the executions whose state was asked for.
    """

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.drill_reads: list[set[str]] = []
        self.drills: dict[str, ExecutionState] = {}
        self.error: HistoryError | None = None
        self.plans = 3
        self.running: list[ExecutionRow] = []
        self.workers_answer = asyncio.Event()
        self.quick: set[str] = set()
        self.asked: list[str] = []
        self.idle: NoWorkerError | None = None

    async def last_drills(self, plan_ids: Iterable[str]) -> dict[str, ExecutionState]:
        self.drill_reads.append({*plan_ids})
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.drills

    async def latest(self) -> list[PlanVersion]:
        return [version(number) for number in range(self.plans)]

    async def executions(self, **_: object) -> Overview:
        return Overview(self.running)

    async def state(self, _: object, row: ExecutionRow) -> ExecutionState:
        self.asked.append(row.execution_id)
        if row.execution_id not in self.quick:
            await self.workers_answer.wait()
        return begin(CHAIN)

    async def idle_reason(self, _: object) -> NoWorkerError | None:
        return self.idle

    async def nothing(self, **_: object) -> list[Any]:
        return []

    async def readiness(self) -> dict[str, Any]:
        return {}

    async def client(self) -> Any:
        return None

    def poller(self) -> OverviewPoller:
        service = SimpleNamespace(
            client=self.client,
            executions=self.executions,
            health=SimpleNamespace(idle_reason=self.idle_reason),
            history=self,
            plans=self,
            readiness_table=SimpleNamespace(all_current=self.readiness),
            reports=SimpleNamespace(table=SimpleNamespace(portfolios=self.nothing)),
            schedules=SimpleNamespace(list=self.nothing),
            states=self,
        )
        return OverviewPoller(cast(ExecutionService, service))


@pytest.fixture
async def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Where what is not read at once is read by the next poll."""

    async def no_gaps(_: object) -> Coverage:
        return coverage(CoverageEvidence(), now=0.0)

    monkeypatch.setattr(overview_poller, "read_coverage", no_gaps)
    monkeypatch.setattr(overview_poller, "_AT_ONCE_SECONDS", 0.05)
    return Sources()


async def problems(poller: OverviewPoller) -> list[str]:
    found = await poller.fetch(None)
    assert found.plans_known
    return [each.drill_problem for each in found.plans]


async def test_plans_are_shown_before_their_last_drills_are_read_all_at_once(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.drills = {"plan-1": begin(CHAIN).model_copy(update={"plan_id": "plan-1"})}
    poller = sources.poller()
    assert await problems(poller) == ["it is being read"] * 3
    assert await problems(poller) == ["it is being read"] * 3
    sources.answers.set()
    monkeypatch.setattr(overview_poller, "_AT_ONCE_SECONDS", 30.0)
    assert await problems(poller) == [""] * 3
    plans = (await poller.fetch(None)).plans
    assert [each.last_drill is not None for each in plans] == [False, True, False]
    # A read that takes long is not begun again, and what is known is not read with each poll.
    assert sources.drill_reads == [{"plan-0", "plan-1", "plan-2"}]
    await poller.close()


async def test_a_plan_that_was_just_registered_is_not_called_never_drilled(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_poller, "_PLANS_SECONDS", 0.0)
    sources.answers.set()
    poller = sources.poller()
    assert await problems(poller) == [""] * 3
    sources.answers.clear()
    sources.plans = 4
    assert await problems(poller) == [*[""] * 3, "it is being read"]
    assert "plan-3" in sources.drill_reads[-1]
    await poller.close()


async def test_a_history_that_fails_is_asked_again_and_passes_for_no_plan_without_a_drill(
    sources: Sources,
) -> None:
    sources.answers.set()
    sources.error = HistoryError("down")
    poller = sources.poller()
    assert await problems(poller) == ["the history cannot be read"] * 3
    sources.error = None
    assert await problems(poller) == [""] * 3
    await poller.close()


async def test_the_first_picture_does_not_wait_for_executions_that_take_long(
    sources: Sources,
) -> None:
    sources.running = [row(number) for number in range(60)]
    poller = sources.poller()
    first = await poller.fetch(None)
    assert len(first.running) == 60
    assert [(each.state, each.error) for each in first.running] == [(None, "")] * 60
    # So many are asked at most.
    assert sum(each.is_pending for each in first.running) == len(sources.asked) == 40
    sources.workers_answer.set()
    second = await poller.fetch(first)
    assert sum(each.state is not None for each in second.running) == 40
    assert not any(each.is_pending for each in second.running)
    assert poller.pause(second) == POLL_SECONDS
    await poller.close()


async def test_one_execution_that_takes_long_holds_no_other_back_and_is_shown_for_seconds_only(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.running = [row(1), row(2)]
    sources.workers_answer.set()
    poller = sources.poller()
    known = await poller.fetch(None)
    sources.workers_answer.clear()
    sources.quick = {row(2).execution_id}
    slow, quick = (await poller.fetch(known)).running
    assert slow.state is known.running[0].state
    assert quick.state is not known.running[1].state
    assert poller.pause(known) < POLL_SECONDS
    # It is not asked twice at once.
    assert sources.asked.count(slow.row.execution_id) == 2
    monkeypatch.setattr(overview_poller, "_STATE_SHOWN_SECONDS", 0.0)
    slow, _ = (await poller.fetch(known)).running
    assert slow.state is None
    assert slow.is_pending
    assert sources.asked.count(slow.row.execution_id) == 2
    await poller.close()


async def test_without_a_worker_no_execution_is_asked_and_none_passes_for_current(
    sources: Sources,
) -> None:
    sources.running = [row(1)]
    sources.idle = NoWorkerError("No worker answers")
    poller = sources.poller()
    [found] = (await poller.fetch(None)).running
    assert found.state is None
    assert found.error == "No worker answers"
    assert not sources.asked
    await poller.close()


@pytest.mark.parametrize(("all_running", "listed"), [(True, 5), (False, 2)])
async def test_all_executions_that_run_may_be_listed_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, *, all_running: bool, listed: int
) -> None:
    async def running(*_: object) -> list[ExecutionRow]:
        return [row(number) for number in range(5)]

    async def no_problems(_: object) -> list[str]:
        return []

    async def connect() -> Any:
        return None

    async def executions(**_: object) -> list[Any]:
        return []

    monkeypatch.setattr(overview_module, "running_executions", running)
    found = await overview(
        cast(Any, SimpleNamespace(executions=executions)),
        connect,
        health=cast(Any, SimpleNamespace(problems=no_problems)),
        limit=2,
        all_running=all_running,
    )
    assert len(found.rows) == listed
