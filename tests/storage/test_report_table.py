"""Action items and declarations in the history table."""

import asyncio

import pytest

from recovery.history.record import HistoryRecord
from recovery.report.action_items import NewActionItem
from recovery.report.declaration import Declaration
from settings import Settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.report_table import ActionItemError, ReportTable
from tests.aws_in_process import LocalAws
from tests.cli.executions import CHAIN
from tests.recovery.portfolio.test_scheduler import scheduler
from tests.recovery.report.records import completed

EXECUTION = "crm-0f3b52a1c7d9"


def item(text: str = "Test the DNS step", due: str = "2026-12-31") -> NewActionItem:
    return NewActionItem.model_validate({"text": text, "owner": "ops", "due": due})


@pytest.fixture
async def table(aws: LocalAws, fast: Settings) -> ReportTable:
    """A history with one execution."""
    table = ReportTable(fast)
    await table.create()
    state = completed()
    state.revision = 1
    await table.write(
        HistoryRecord(
            execution_id=EXECUTION, execution=state.without_waves(), plan=CHAIN, waves=state.waves
        )
    )
    return table


async def add(table: ReportTable, new: NewActionItem, key: str | None = None) -> int:
    return (await table.add_action_item(EXECUTION, new, actor="ann", request_key=key)).number


async def test_items_added_at_once_get_numbers_of_their_own(table: ReportTable) -> None:
    numbers = await asyncio.gather(*(add(table, item()) for _ in range(5)))
    assert sorted(numbers) == [1, 2, 3, 4, 5]


async def test_a_repeated_request_adds_nothing(table: ReportTable) -> None:
    assert [await add(table, item(), "k"), await add(table, item(), "k")] == [1, 1]
    assert await add(table, item(), "other") == 2


async def test_open_items_of_all_executions_are_listed_by_their_due_date(
    table: ReportTable,
) -> None:
    await add(table, item("later"))
    await add(table, item("overdue", "2020-01-31"))
    await add(table, item("done"))
    other = await table.add_action_item(
        "web-0f3b52a1c7d9", item("other", "2025-01-31"), actor="ann", request_key=None
    )
    assert other.number == 1
    closed = await table.close_action_item(EXECUTION, 3, note="tested", actor="bob")
    assert (closed.closed_by, closed.note, closed.is_open) == ("bob", "tested", False)
    assert [i.text for i in await table.open_action_items()] == ["overdue", "other", "later"]
    assert [i.text for i in await table.action_items(EXECUTION)] == ["later", "overdue", "done"]


async def test_an_item_is_closed_once(table: ReportTable) -> None:
    await add(table, item())
    closing = (table.close_action_item(EXECUTION, 1, note="", actor=who) for who in ("a", "b"))
    found = await asyncio.gather(*closing, return_exceptions=True)
    assert sum(isinstance(each, ActionItemError) for each in found) == 1
    with pytest.raises(ActionItemError, match="was closed before by"):
        await table.close_action_item(EXECUTION, 1, note="", actor="c")
    with pytest.raises(ActionItemError, match="no action item 7; there is 1"):
        await table.close_action_item(EXECUTION, 7, note="", actor="c")


async def test_a_report_has_what_was_declared_and_is_to_be_done(
    table: ReportTable, fast: Settings
) -> None:
    await add(table, item())
    declared = Declaration(time=1.5, actor="ann", recorded_time=7.25, reason="call")
    await table.declare(EXECUTION, declared)
    plans = PlanTable(fast)
    record = await table.report_record(EXECUTION, plans)
    assert record is not None
    assert record.declarations == [declared]
    assert [each.text for each in record.action_items] == ["Test the DNS step"]
    # There is no table of plans.
    assert record.versions is None
    await plans.create()
    await plans.register(CHAIN, author="ann")
    record = await table.report_record(EXECUTION, plans)
    assert record is not None
    assert record.versions == [1]
    assert await table.report_record("crm-aaaaaaaaaaaa", plans) is None
    found, omitted = await table.plan_records("crm", since=0.0, limit=5)
    assert ([each.state.execution_id for each in found], omitted) == ([EXECUTION], 0)
    assert await table.plan_records("crm", since=4e9, limit=5) == ([], 0)


async def test_they_are_neither_executions_nor_differences(table: ReportTable) -> None:
    before = await table.entries(EXECUTION)
    await add(table, item())
    await table.declare(EXECUTION, Declaration(time=1.5, actor="ann", recorded_time=7.25))
    history: HistoryTable = table
    assert await history.entries(EXECUTION) == before
    assert [each.execution_id for each in await history.executions()] == [EXECUTION]


async def test_a_portfolio_is_read_with_the_executions_of_its_plans(table: ReportTable) -> None:
    state = scheduler("crm", "shop").state
    member = state.member("crm")
    member.execution_id, member.has_started = EXECUTION, True
    await table.write_portfolio(state)
    declared = Declaration(time=1.5, actor="ann", recorded_time=7.25)
    await table.declare(state.execution_id, declared)
    for name in (state.execution_id, state.portfolio_id):
        record = await table.portfolio_record(name)
        assert record is not None
        assert (record.state, record.declarations) == (state, [declared])
        assert list(record.executions) == [EXECUTION]
    assert await table.portfolio_record("crm") is None
    assert await table.report_record(state.execution_id, PlanTable(Settings())) is None
