"""The history in DynamoDB: newest wins, fits, reads back, says what is wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from activities.history import HistoryActivities
from aws.sessions import pages
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.history.record import HistoryRecord
from recovery.plan.model import RecoveryPlan, Server, Wave
from settings import Settings
from storage import dynamodb
from storage.history import HistoryError, HistoryTable
from tests.aws_in_process import REGION, Attempt, LocalAws, Temporal
from tests.examples import examples
from tests.recovery.plans import diamond, server_id

NOW = 1_732_323_600.0


def execution(
    plan: RecoveryPlan | None = None,
    *,
    execution_id: str = "crm-1",
    start: float = NOW,
    **more: Any,
) -> ExecutionState:
    state = ExecutionState.begin(
        plan or diamond(),
        execution_id=execution_id,
        execution_type=ExecutionType.DRILL,
        started_by="ops@host",
        now=start,
    )
    return state.model_copy(update={"revision": 1} | more)


def record(state: ExecutionState, plan: RecoveryPlan | None = None) -> HistoryRecord:
    return HistoryRecord(
        execution_id=state.execution_id,
        execution=state.model_copy(update={"waves": []}),
        plan=plan or diamond(),
        waves=state.waves,
    )


def wave(revision: int, **more: Any) -> WaveState:
    return WaveState(wave_id="db", wave_name="db", revision=revision, **more)


@pytest.fixture
async def table(aws: LocalAws, fast: Settings) -> HistoryTable:
    """An empty history."""
    table = HistoryTable(fast)
    await table.create()
    return table


async def the_wave(table: HistoryTable, execution_id: str = "crm-1") -> WaveState:
    found = await table.execution(execution_id)
    assert found is not None
    return found[0].waves[0]


async def test_an_execution_and_its_plan_read_back_as_they_were_written(
    table: HistoryTable,
) -> None:
    plan = diamond()
    state = execution(plan, start=NOW + 0.123456)
    database = state.waves[0]
    database.revision, database.status = 7, WaveStatus.COMPLETED
    database.start_time, database.end_time = NOW + 0.001, NOW + 533.999
    database.completion_duration = 533.998
    database.servers = [
        ServerResult(
            source_server_id=server_id(1),
            launch_status=LaunchStatus.LAUNCHED,
            verified=Verified.UNKNOWN,
            recovery_job_id="drsjob-1",
            launch_time=1670440538.846723,
            end_time=1670440538.846723,
            reason="über | 復旧 \U0001f6a8",
        )
    ]
    await table.write(record(state, plan))
    assert await table.execution("crm-1") == (state, plan)


async def test_there_is_nothing_of_an_execution_that_was_never_recorded(
    table: HistoryTable,
) -> None:
    assert await table.execution("nowhere") is None


async def test_waves_that_were_not_recorded_yet_are_as_the_plan_has_them(
    table: HistoryTable,
) -> None:
    state = execution()
    await table.write(record(state.model_copy(update={"waves": state.waves[:1]})))
    found = await table.execution("crm-1")
    assert found is not None
    assert [w.wave_id for w in found[0].waves] == ["db", "app1", "app2", "web"]
    assert found[0].waves[3].servers[0].source_server_id == server_id(4)


async def test_an_older_state_never_replaces_a_newer_one(table: HistoryTable) -> None:
    await table.write(record(execution()))
    newer = HistoryRecord(execution_id="crm-1", waves=[wave(9, status=WaveStatus.COMPLETED)])
    older = HistoryRecord(execution_id="crm-1", waves=[wave(8, status=WaveStatus.IN_PROGRESS)])
    same = HistoryRecord(execution_id="crm-1", waves=[wave(9, status=WaveStatus.FAILED)])
    for each in (newer, older, newer, same):
        await table.write(each)
    assert (await the_wave(table)).status is WaveStatus.COMPLETED


async def test_a_headers_older_state_leaves_the_waves_alone(table: HistoryTable) -> None:
    ended = execution(revision=5, status=PlanStatus.FAILED, end_time=NOW + 9)
    await table.write(record(ended))
    late = HistoryRecord(
        execution_id="crm-1", execution=execution(revision=4), waves=[wave(3, late=True)]
    )
    await table.write(late)
    found = await table.execution("crm-1")
    assert found is not None
    assert (found[0].status, found[0].end_time) == (PlanStatus.FAILED, NOW + 9)
    assert found[0].waves[0].late


async def test_any_order_of_the_same_writes_ends_in_the_same_state(table: HistoryTable) -> None:
    plan = diamond()
    statuses = (WaveStatus.WAITING, WaveStatus.IN_PROGRESS, WaveStatus.TIMED_OUT,
                WaveStatus.COMPLETED)  # fmt: skip
    run = 0

    async def check(order: list[int], twice: set[int]) -> None:
        nonlocal run
        run += 1
        execution_id = f"crm-{run}"
        writes = [record(execution(plan, execution_id=execution_id), plan)]
        writes += [
            HistoryRecord(execution_id=execution_id, waves=[wave(n, status=status)])
            for n, status in enumerate(statuses, 1)
        ]
        writes.append(
            HistoryRecord(
                execution_id=execution_id,
                execution=execution(
                    execution_id=execution_id, revision=2, status=PlanStatus.COMPLETED
                ),
            )
        )
        for place in order:
            await asyncio.gather(*[table.write(writes[place])] * (2 if place in twice else 1))
        found = await table.execution(execution_id)
        assert found is not None
        assert found[0].waves[0].status is WaveStatus.COMPLETED
        assert found[0].status is PlanStatus.COMPLETED

    loop = asyncio.get_running_loop()

    @given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
    @examples(8)
    def every_order(order: list[int], twice: set[int]) -> None:
        asyncio.run_coroutine_threadsafe(check(order, twice), loop).result()

    await asyncio.to_thread(every_order)


async def test_the_largest_plan_reads_back_and_no_item_nears_the_limit(
    aws: LocalAws, table: HistoryTable
) -> None:
    waves = [
        Wave(
            wave_id=f"wave.{n:_>58}",
            wave_name=f"Wave {n} " + "é" * 200,
            wave_description="what it is for " * 20,
            servers=[Server(source_server_id=server_id(n * 4 + s)) for s in range(4)],
            region=REGION,
        )
        for n in range(1000)
    ]
    plan = RecoveryPlan(plan_id="crm", region=REGION, waves=waves)
    state = execution(plan)
    await table.write(record(state.model_copy(update={"waves": []}), plan))
    found = await table.execution("crm-1")
    assert found is not None
    assert found[1] == plan
    assert found[1].plan_hash == state.plan_hash
    assert len(found[0].waves) == 1000
    items = aws.client("dynamodb").scan(TableName=table.name)["Items"]
    assert len(items) > 3
    for item in items:
        size = sum(len(str(v)) + len(k) for k, (v,) in ((k, v.values()) for k, v in item.items()))
        assert size < 200_000


async def test_a_wave_of_500_servers_that_all_failed_fits(table: HistoryTable) -> None:
    servers = [
        ServerResult(source_server_id=server_id(n), recovery_job_id="drsjob-" + "1" * 17).failed(
            "LAUNCH_FAILED: An error occurred (UnauthorizedOperation) when calling RunInstances: "
            "You are not authorized to perform this operation.",
            at=NOW + 533.846723,
        )
        for n in range(500)
    ]
    plan = RecoveryPlan(
        plan_id="crm",
        region=REGION,
        waves=[
            Wave(
                wave_id="db",
                servers=[Server(source_server_id=s.source_server_id) for s in servers],
                region=REGION,
            )
        ],
    )
    await table.write(record(execution(plan), plan))
    await table.write(HistoryRecord(execution_id="crm-1", waves=[wave(2, servers=servers)]))
    assert (await the_wave(table)).servers == servers


async def test_a_wave_of_500_servers_with_awss_long_authorization_errors_fits(
    table: HistoryTable,
) -> None:
    why = (
        "LAUNCH_FAILED: An error occurred (UnauthorizedOperation) when calling the RunInstances "
        "operation: Encoded authorization failure message: " + "x" * 900
    )
    servers = [
        ServerResult(source_server_id=server_id(n), recovery_job_id="drsjob-" + "1" * 17).failed(
            why, at=NOW
        )
        for n in range(500)
    ]
    await table.write(record(execution()))
    await table.write(HistoryRecord(execution_id="crm-1", waves=[wave(2, servers=servers)]))
    servers = (await the_wave(table)).servers
    assert len(servers) == 500
    assert all(str(s.reason).startswith("LAUNCH_FAILED: An error occurred") for s in servers)


async def test_a_plan_with_a_missing_chunk_is_not_shown_as_complete(
    aws: LocalAws, table: HistoryTable
) -> None:
    waves = [
        Wave(
            wave_id=f"w{n}",
            wave_description="x" * 500,
            servers=[Server(source_server_id=server_id(n))],
            region=REGION,
        )
        for n in range(400)
    ]
    plan = RecoveryPlan(plan_id="crm", region=REGION, waves=waves)
    await table.write(record(execution(plan).model_copy(update={"waves": []}), plan))
    aws.client("dynamodb").delete_item(
        TableName=table.name, Key={"ExecutionId": {"S": "crm-1"}, "Item": {"S": "PLAN#0001"}}
    )
    with pytest.raises(HistoryError, match="plan of crm-1"):
        await table.execution("crm-1")


async def test_executions_are_listed_newest_first_and_of_one_plan_where_asked(
    table: HistoryTable,
) -> None:
    # Three of these headers fill a page of DynamoDB's answer.
    long = "why " * 85_000
    for number in range(8):
        start = NOW + (number * 5) % 8
        state = execution(execution_id=f"crm-{start - NOW:g}", start=start, status_reason=long)
        other = state.model_copy(update={"plan_id": "erp" if number % 2 else "crm"})
        await table.write(HistoryRecord(execution_id=other.execution_id, execution=other))
    listed = await table.executions()
    assert [e.start_time - NOW for e in listed] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert all(e.waves == [] for e in listed)
    assert len(await table.executions(limit=3)) == 3
    erp = await table.executions(plan_id="erp", limit=2)
    assert [e.plan_id for e in erp] == ["erp", "erp"]
    assert len(await table.executions(plan_id="erp")) == 4
    assert await table.executions(plan_id="nowhere") == []


async def test_no_more_items_are_read_than_are_listed(
    table: HistoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await table.write(record(execution(execution_id=f"crm-{number}", start=NOW + number)))
    read = list[Any]()

    async def counted(*args: Any, **request: Any) -> AsyncIterator[dict[str, Any]]:
        async for page in pages(*args, **request):
            read.extend(page["Items"])
            yield page

    monkeypatch.setattr(dynamodb, "pages", counted)
    assert len(await table.executions(limit=2)) == 2
    assert len(read) == 2


async def test_the_last_drills_of_all_plans_are_read_at_once(
    table: HistoryTable, aws: LocalAws
) -> None:
    drills: list[tuple[str, dict[str, Any]]] = [
        ("crm", {"end_time": NOW + 1}),
        ("crm", {"end_time": NOW + 3}),
        ("crm", {}),
        ("erp", {"end_time": NOW + 4, "execution_type": ExecutionType.RECOVERY}),
        ("web", {"end_time": NOW + 5}),
    ]
    for number, (plan_id, more) in enumerate(drills):
        state = execution(execution_id=f"{plan_id}-{number}", start=NOW + number, **more)
        await table.write(record(state.model_copy(update={"plan_id": plan_id})))
    before = aws.calls("Query", "dynamodb")
    found = await table.last_drills(["crm", "erp", "nowhere"])
    # That one that runs is newer changes nothing.
    assert {plan_id: state.execution_id for plan_id, state in found.items()} == {"crm": "crm-1"}
    assert aws.calls("Query", "dynamodb") == before + 1


async def test_creating_the_table_again_leaves_it_as_it_is(table: HistoryTable) -> None:
    await table.write(record(execution()))
    assert not await table.create()
    assert await table.execution("crm-1") is not None


async def test_a_missing_table_comes_with_the_command_that_creates_it(
    aws: LocalAws, fast: Settings
) -> None:
    table = HistoryTable(fast)
    for read in (table.execution("crm-1"), table.executions()):
        with pytest.raises(HistoryError, match=r"does not exist.*`drs-waves init-tables`"):
            await read


async def test_a_missing_region_is_named_with_what_to_set(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    table = HistoryTable(fast)
    with pytest.raises(HistoryError, match="DRS_WAVES_HISTORY_REGION"):
        await table.executions()


async def test_the_region_that_the_error_asks_for_is_enough(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(HistoryError, match="Set AWS_REGION"):
        await HistoryTable(fast).create()
    monkeypatch.setenv("AWS_REGION", REGION)
    assert await HistoryTable(fast).create()


async def test_recording_is_tried_again_by_temporal_until_dynamodb_takes_it(
    aws: LocalAws, table: HistoryTable, temporal: Temporal
) -> None:
    activity = HistoryActivities(table).record
    aws.fault("PutItem", Service="dynamodb", Error="ProvisionedThroughputExceededException")
    error = await Attempt(temporal).run_failing(activity, record(execution()))
    assert isinstance(error, ApplicationError)
    assert (error.type, error.non_retryable) == ("HistoryUnavailable", False)
    aws.clear_faults()
    await Attempt(temporal, number=2).run(activity, record(execution()))
    assert await table.execution("crm-1") is not None


async def test_times_keep_at_least_their_milliseconds(table: HistoryTable) -> None:
    now = time.time()
    await table.write(record(execution(start=now)))
    await table.write(
        HistoryRecord(
            execution_id="crm-1",
            waves=[wave(2, start_time=now, end_time=0.1, completion_duration=1e-3)],
        )
    )
    read = await the_wave(table)
    assert (read.start_time, read.end_time, read.completion_duration) == (now, 0.1, 1e-3)
