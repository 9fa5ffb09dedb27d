"""The overview of hundreds of plans: what takes long to read holds nothing else back."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.pages.overview import overview_poller
from api.pages.overview.overview_poller import OverviewPoller
from api.service import ExecutionService
from client import overview as overview_module
from client.overview import ExecutionRow, Overview, overview
from storage.history import HistoryError
from storage.plans import PlanVersion


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


class SlowHistory:
    """A history that answers once it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.reads: list[str] = []
        self.error: HistoryError | None = None

    async def executions(self, *, plan_id: str, limit: int) -> list[Any]:
        self.reads.append(plan_id)
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return []


def poller_of(history: SlowHistory) -> OverviewPoller:
    async def listed() -> list[Any]:
        return []

    async def latest() -> list[PlanVersion]:
        return [version(number) for number in range(3)]

    service = SimpleNamespace(
        client=None,
        history=history,
        plans=SimpleNamespace(latest=latest),
        schedules=SimpleNamespace(list=listed),
    )
    return OverviewPoller(cast(ExecutionService, service))


async def problems(poller: OverviewPoller) -> set[str]:
    plans, are_known = await poller._read_plans(Overview([]), [])
    assert are_known
    return {each.drill_problem for each in plans}


async def test_plans_are_shown_before_their_last_drills_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview_poller, "_DRILLS_READ_SECONDS", 0.01)
    history = SlowHistory()
    poller = poller_of(history)
    assert await problems(poller) == {"it is being read"}
    assert await problems(poller) == {"it is being read"}
    history.answers.set()
    monkeypatch.setattr(overview_poller, "_DRILLS_READ_SECONDS", 30.0)
    assert await problems(poller) == {""}
    # A read that takes long is not begun again, and what is known is not read with each poll.
    assert await problems(poller) == {""}
    assert sorted(history.reads) == ["plan-0", "plan-1", "plan-2"]
    await poller.close()


async def test_a_history_that_fails_is_asked_again_and_passes_for_no_plan_without_a_drill() -> None:
    history = SlowHistory()
    history.answers.set()
    history.error = HistoryError("down")
    poller = poller_of(history)
    assert await problems(poller) == {"the history cannot be read"}
    history.error = None
    assert await problems(poller) == {""}
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
