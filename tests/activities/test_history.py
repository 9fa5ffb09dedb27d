"""The history compared with Temporal in the table itself: deleted, altered, old, newer items."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.history import verify
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaveStatus
from recovery.history.comparison import DifferenceKind, TemporalState, compare
from recovery.history.record import HistoryDelta, HistoryRecord
from recovery.plan.model import RecoveryPlan
from settings import Settings
from storage.history import HistoryError, HistoryTable
from tests.aws_in_process import LocalAws
from tests.examples import examples
from tests.recovery.plans import diamond

NOW = 1_732_323_600.0


def story(execution_id: str = "crm-1") -> tuple[TemporalState, list[HistoryRecord]]:
    """An execution from its start to its end, and each record of it that its workflow wrote."""
    plan = diamond()
    state = ExecutionState.begin(
        plan,
        execution_id=execution_id,
        execution_type=ExecutionType.DRILL,
        started_by="ops@host",
        now=NOW,
    )
    delta = HistoryDelta(plan, state)
    records: list[HistoryRecord] = []
    written: dict[str, int] = {}

    def write() -> None:
        state.revision += 1
        record = delta.unwritten(written, state.revision - 1)
        assert record is not None
        written.update({wave.wave_id: wave.revision for wave in record.waves})
        records.append(record.model_copy(deep=True))

    write()
    for number, wave in enumerate(state.waves):
        act = OperatorDecision(actor="ops", time=NOW + number, reason="rehearsed")
        wave.decisions = Decisions(approved_by=act)
        state.messages.append(
            MessageRecord(
                name="approve_wave", wave_id=wave.wave_id, actor="ops", time=act.time,
                accepted=True, effect="approved",
            )
        )  # fmt: skip
        write()
        wave.revision, wave.status, wave.attempt = 10, WaveStatus.FAILED, 1
        write()
        wave.revision, wave.status, wave.attempt = 20, WaveStatus.COMPLETED, 2
        wave.decisions = Decisions()
        write()
    state.status, state.end_time = PlanStatus.COMPLETED, NOW + 900
    write()
    return TemporalState(state=state, plan=plan, is_closed=True), records


@pytest.fixture
async def table(aws: LocalAws, fast: Settings) -> HistoryTable:
    """An empty history."""
    table = HistoryTable(fast)
    await table.create()
    return table


@pytest.fixture
async def temporal_state(table: HistoryTable) -> TemporalState:
    """An execution whose history is intact."""
    known, records = story()
    for record in records:
        await table.write(record)
    return known


class Tamperer:
    """Another client that writes to the table."""

    def __init__(self, aws: LocalAws, table: HistoryTable) -> None:
        self._client = aws.client("dynamodb")
        self._table = table.name

    def delete(self, item: str) -> None:
        """Delete an item."""
        self._client.delete_item(TableName=self._table, Key=self._key(item))

    def alter(self, item: str, **attributes: Any) -> None:
        """Set attributes of an item, in DynamoDB's own form."""
        self._client.update_item(
            TableName=self._table,
            Key=self._key(item),
            UpdateExpression="SET " + ", ".join(f"#{n} = :{n}" for n in attributes),
            ExpressionAttributeNames={f"#{n}": n for n in attributes},
            ExpressionAttributeValues={f":{n}": value for n, value in attributes.items()},
        )

    @staticmethod
    def _key(item: str) -> dict[str, dict[str, str]]:
        return {"ExecutionId": {"S": "crm-1"}, "Item": {"S": item}}


@pytest.fixture
def tamperer(aws: LocalAws, table: HistoryTable) -> Tamperer:
    """Another client that writes to the table."""
    return Tamperer(aws, table)


async def found(
    table: HistoryTable, temporal_state: TemporalState, *, repair: bool = True
) -> list[tuple[str, str]]:
    differences = await verify(table, temporal_state, repair=repair)
    return [(each.item, "repaired" if each.is_repaired else each.kind) for each in differences]


async def recorded(table: HistoryTable) -> tuple[ExecutionState, RecoveryPlan] | None:
    return await table.execution("crm-1")


async def test_an_intact_history_agrees_and_is_not_written_to(
    aws: LocalAws, table: HistoryTable, temporal_state: TemporalState
) -> None:
    before = aws.calls("PutItem", "dynamodb")
    assert await found(table, temporal_state) == []
    assert aws.calls("PutItem", "dynamodb") == before


@pytest.mark.parametrize(
    "item",
    ["EXECUTION", "PLAN#0000", "WAVE#db", "MESSAGE#0002"],
)
async def test_a_deleted_item_is_found_and_written_again(
    table: HistoryTable, temporal_state: TemporalState, tamperer: Tamperer, item: str
) -> None:
    whole = await recorded(table)
    tamperer.delete(item)
    missing = [(item.removesuffix("#0000") if item.startswith("PLAN") else item, "repaired")]
    assert await found(table, temporal_state) == missing
    assert await recorded(table) == whole
    assert await found(table, temporal_state) == []


@pytest.mark.parametrize(
    ("item", "attributes"),
    [
        ("WAVE#db", {"Status": {"S": "FAILED"}}),
        ("WAVE#db", {"Status": {"S": "no such status"}}),
        ("WAVE#db", {"Servers": {"L": []}}),
        ("WAVE#db", {"Status": {"S": "FAILED"}, "Revision": {"N": "7"}}),
        ("WAVE#db", {"Revision": {"S": "soon"}}),
        ("EXECUTION", {"EndTime": {"N": "1"}}),
        ("EXECUTION", {"Kind": {"S": "hidden"}}),
        ("PLAN#0000", {"Text": {"S": '{"PlanId": "crm"'}}),
        ("MESSAGE#0001", {"Actor": {"S": "night"}}),
        ("DECISIONS#web", {"RefusedBy": {"M": {"Actor": {"S": "x"}, "Time": {"N": "1"}}}}),
    ],
)
async def test_an_altered_item_is_found_and_repaired(
    table: HistoryTable,
    temporal_state: TemporalState,
    tamperer: Tamperer,
    item: str,
    attributes: dict[str, Any],
) -> None:
    whole = await recorded(table)
    tamperer.alter(item, **attributes)
    key = "PLAN" if item.startswith("PLAN") else item
    assert await found(table, temporal_state) == [(key, "repaired")]
    assert await recorded(table) == whole
    assert await found(table, temporal_state) == []


async def test_an_outdated_item_is_found_and_updated(table: HistoryTable) -> None:
    known, records = story()
    for record in records[:-1]:
        await table.write(record)
    assert await found(table, known) == [("EXECUTION", "repaired")]
    now = await recorded(table)
    assert now is not None
    assert now[0].status is PlanStatus.COMPLETED


async def test_an_execution_without_any_record_is_written_completely(
    table: HistoryTable,
) -> None:
    known, records = story()
    assert all(how == "repaired" for _, how in await found(table, known))
    written = await recorded(table)
    assert written is not None
    assert written[0].messages == known.state.messages
    for record in records:
        await table.write(record)
    assert await recorded(table) == written


async def test_without_repair_nothing_is_written(
    aws: LocalAws, table: HistoryTable, temporal_state: TemporalState, tamperer: Tamperer
) -> None:
    tamperer.delete("WAVE#db")
    before = aws.calls("PutItem", "dynamodb")
    for _ in range(2):
        assert await found(table, temporal_state, repair=False) == [
            ("WAVE#db", DifferenceKind.MISSING)
        ]
    assert aws.calls("PutItem", "dynamodb") == before


async def test_an_item_newer_than_temporals_is_not_changed(
    table: HistoryTable, temporal_state: TemporalState, tamperer: Tamperer
) -> None:
    tamperer.alter("WAVE#db", Revision={"N": "99"}, Late={"BOOL": True})
    (difference,) = await verify(table, temporal_state, repair=True)
    assert (difference.kind, difference.is_repaired) == (DifferenceKind.NEWER, False)
    now = await recorded(table)
    assert now is not None
    assert now[0].waves[0].late


async def test_a_wave_that_is_recorded_during_a_repair_stays_the_newer(
    table: HistoryTable, fast: Settings, temporal_state: TemporalState, tamperer: Tamperer
) -> None:
    newer = temporal_state.state.waves[0].model_copy(update={"revision": 30, "late": True})

    class Overtaken(HistoryTable):
        """A table to which the wave's recorder writes right before the repair does."""

        async def rewrite(self, record: HistoryRecord) -> None:
            await self.write(HistoryRecord(execution_id="crm-1", waves=[newer]))
            await super().rewrite(record)

    tamperer.delete("WAVE#db")
    await verify(Overtaken(fast), temporal_state, repair=True)
    now = await recorded(table)
    assert now is not None
    assert now[0].waves[0] == newer


async def test_a_failing_dynamodb_is_reported_and_nothing_is_lost(
    aws: LocalAws, table: HistoryTable, temporal_state: TemporalState, tamperer: Tamperer
) -> None:
    tamperer.delete("WAVE#db")
    aws.fault("PutItem", Service="dynamodb", Error="ProvisionedThroughputExceededException")
    with pytest.raises(HistoryError, match="Cannot write the history table"):
        await verify(table, temporal_state, repair=True)
    aws.clear_faults()
    assert await found(table, temporal_state) == [("WAVE#db", "repaired")]


async def test_records_in_any_order_and_number_leave_the_same_table(table: HistoryTable) -> None:
    places = range(len(story()[1]))
    runs = iter(range(10_000))

    async def check(order: Sequence[int]) -> None:
        execution_id = f"crm-{next(runs)}"
        known, records = story(execution_id)
        for number in order:
            await table.write(records[number])
        assert compare(known, await table.entries(execution_id)) == []

    loop = asyncio.get_running_loop()
    repeated = st.lists(st.sampled_from(places), max_size=6)

    @given(st.permutations(places), repeated)
    @examples(8)
    def every_order(order: list[int], twice: list[int]) -> None:
        asyncio.run_coroutine_threadsafe(check([*twice, *order, *twice]), loop).result()

    await asyncio.to_thread(every_order)
