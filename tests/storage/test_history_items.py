"""Items of the history fit in what DynamoDB takes."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import JsonValue

from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import OperatingSystem, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.history.comparison import Entry
from recovery.history.record import HistoryDelta, HistoryRecord
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave
from recovery.plan.snapshots import ChosenPoint, PointKind
from recovery.steps.model import Manual, ManualInput, Step, StepKind, StepPhase
from recovery.steps.replaced import StepRevert
from recovery.steps.state import StepState, StepStatus
from recovery.text_format import shortened
from storage.history_items import entries_of, execution_of, is_written_first, items_of
from tests.recovery.plans import server_id

NOW = 1_732_323_600.0
DYNAMODB_TAKES = 400 * 1024
# Translated by AWS, or by an operator's own tools.
REASONS = ("起動に失敗しました。" * 200, "🚀" * 2000)


def size_of(value: Any) -> int:
    """At least what DynamoDB counts of a value: UTF-8 bytes of names and texts."""
    match value:
        case dict():
            return 3 + sum(len(key.encode()) + size_of(each) + 1 for key, each in value.items())
        case list():
            return 3 + sum(size_of(each) + 1 for each in value)
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Decimal() | int() | float():
            return 2
        case _:
            return 1


def record_of(cleanup: CleanupState) -> HistoryRecord:
    """A record of a clean-up only."""
    return HistoryRecord(execution_id=cleanup.execution_id, cleanup=cleanup)


@pytest.mark.parametrize("reason", REASONS, ids=["Japanese", "emoji"])
def test_a_wave_of_five_hundred_failed_servers_fits_in_its_item_in_any_language(
    reason: str,
) -> None:
    point = ChosenPoint(kind=PointKind.SNAPSHOT, snapshot_id=f"pit-{1:017x}", time=NOW)
    servers = [
        Server(source_server_id=server_id(number), chosen_point=point) for number in range(500)
    ]
    wave = Wave(wave_id="db", region="us-west-2", servers=servers)
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave])
    state = WaveState.of(wave, is_drill=True)
    known: dict[str, Any] = {
        "recovery_job_id": f"drsjob-{1:017x}",
        "recovery_instance_id": f"i-{1:017x}",
    }
    known |= {"launch_time": NOW + 0.123, "verified": Verified.UNKNOWN, "recovery_point": NOW}
    state.servers = [
        each.failed(reason, at=NOW + 0.123).model_copy(update=known) for each in state.servers
    ]
    state.operating_systems = dict.fromkeys(wave.server_ids, OperatingSystem.WINDOWS)
    execution = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=NOW,
    )
    header = execution.model_copy(update={"waves": []})
    record = HistoryRecord(execution_id="crm-1", execution=header, plan=plan, waves=[state])
    items = list(items_of(record))
    assert max(size_of(item) for item in items) <= DYNAMODB_TAKES
    told = execution_of(items, plan).waves[0]
    assert len(told.servers) == 500
    assert str(told.servers[499].reason).startswith(reason[:20])


@pytest.mark.parametrize("reason", ["x" * 500, *REASONS])
def test_a_shortened_reason_is_whole_characters_within_its_bytes(reason: str) -> None:
    short = shortened(reason)
    assert 390 < len(short.encode()) <= 400
    assert reason.startswith(short.removesuffix("…"))


def test_a_wave_that_waits_for_a_thousand_long_names_fits_in_its_item() -> None:
    first = [
        Wave(
            wave_id=f"w{n}",
            wave_name="数" * 256,
            region="us-west-2",
            servers=[Server(source_server_id=server_id(n))],
        )
        for n in range(999)
    ]
    last = first[0].model_copy(
        update={
            "wave_id": "last",
            "dependencies": [Dependency(depends_on_wave_id=each.wave_id) for each in first],
        }
    )
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[*first, last])
    state = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=NOW
    )
    waiting = WaveScheduler(plan, state).wave("last")
    assert waiting.status_reason.startswith("Waiting for 数")
    record = HistoryRecord(execution_id="crm-1", waves=[waiting])
    assert max(size_of(item) for item in items_of(record)) <= DYNAMODB_TAKES


def test_a_clean_up_of_four_thousand_instances_fits_in_its_items_and_is_read_as_it_was() -> None:
    servers = [Server(source_server_id=server_id(1))]
    wave = Wave(wave_id="db", region="us-west-2", servers=servers)
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave])
    state = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=NOW
    )
    launched = [
        LaunchedInstance(
            recovery_instance_id=f"i-{number:017x}",
            source_server_id=server_id(number),
            recovery_job_id=f"drsjob-{number:017x}",
            region="ap-southeast-2",
        )
        for number in range(4000)
    ]
    cleanup = CleanupState(
        execution_id="crm-1",
        status=CleanupStatus.PARTIAL,
        revision=7,
        actor="ops",
        start_time=NOW,
        terminated=launched[:1200],
        leftovers=[each.left(REASONS[0]) for each in launched[1200:]],
    )
    assert len(cleanup.model_dump_json().encode()) < 2 * 1024 * 1024
    record = HistoryRecord(
        execution_id="crm-1", execution=state.without_waves(), plan=plan, cleanup=cleanup
    )
    items = list(items_of(record))
    assert max(size_of(item) for item in items) <= DYNAMODB_TAKES
    # A part of an earlier record that was not replaced.
    begun = cleanup.model_copy(update={"revision": 6, "leftovers": launched})
    earlier = [item | {"Item": "CLEANUP#0099"} for item in items_of(record_of(begun))][:1]
    assert execution_of(items + earlier, plan).cleanup == cleanup


def test_a_wave_that_was_never_written_waits_as_its_plan_says() -> None:
    waves = [
        Wave(wave_id=name, wave_name=name, region="us-west-2", servers=[Server(source_server_id=i)])
        for name, i in (("Database", server_id(1)), ("App", server_id(2)))
    ]
    waves[1].dependencies = [Dependency(depends_on_wave_id="Database")]
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=waves)
    state = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops@host",
        now=NOW,
    )
    record = HistoryRecord(
        execution_id="crm-1", execution=state.without_waves(), plan=plan, waves=[state.waves[0]]
    )
    read = execution_of(list(items_of(record)), plan)
    assert read.waves[1].status_reason == "Waiting for Database"
    assert read.waves[1].revision < 1000


def deep(levels: int) -> JsonValue:
    """Lists in lists."""
    value: JsonValue = "x"
    for _ in range(levels):
        value = [value]
    return value


# DynamoDB takes none of them as they are.
VALUES: dict[str, JsonValue] = {"": "empty key", "Deep": deep(40), "Long": 7**90, "Small": 1e-300}


def wave_with_steps(
    steps: int, servers: int, outputs: dict[str, JsonValue], *, manual: bool = False
) -> WaveState:
    """A wave whose steps have the longest texts that they may have, of acting or manual steps."""
    ids = [server_id(number) for number in range(servers)]
    shown = [
        StepState(
            step_id=f"{'s' * 60}{number:04}",
            kind=StepKind.ROUTE53_RECORD,
            phase=StepPhase.POST_LAUNCH,
            status=StepStatus.OUTCOME_UNKNOWN,
            reason=shortened("🚀" * 2000),
            attempt=20,
            attempt_id="0" * 36,
            start_time=NOW + 0.123,
            end_time=NOW + 0.456,
            actor="a" * 500,
            decide_until=NOW,
            outputs=outputs,
            secret_outputs=["n" * 64] * 50,
            link="x" * 1000,
            before={"TTL": 60, "Values": ["v" * 255] * 125},
            manual=None,
            instances="0" * 16,
            definition="0" * 64,
        )
        for number in range(steps)
    ]
    if manual:
        asked = [ManualInput(name=f"{'n' * 62}{n:02}", description="🚀" * 200) for n in range(20)]
        for each in shown:
            each.before, each.manual = None, Manual(instruction="🚀" * 4000, inputs=asked)
    launched = [ServerResult(source_server_id=i, reason=shortened("🚀" * 200)) for i in ids]
    return WaveState(wave_id="db", wave_name="DB", revision=7, servers=launched, steps=shown)


@pytest.mark.parametrize(("steps", "servers"), [(100, 500), (100, 0), (8, 100), (1, 500), (0, 500)])
@pytest.mark.parametrize("manual", [False, True], ids=["acting", "manual"])
def test_a_wave_with_many_steps_fits_in_items_and_is_read_as_it_was(
    steps: int, servers: int, *, manual: bool
) -> None:
    wave = wave_with_steps(steps, servers, VALUES | {"Text": "y" * 3900}, manual=manual)
    items = list(items_of(HistoryRecord(execution_id="crm-1", waves=[wave])))
    assert max(map(size_of, items)) <= DYNAMODB_TAKES
    assert [is_written_first(item) for item in items] == [True] * (len(items) - 1) + [False]
    entries = entries_of(items)
    assert entries == {"WAVE#db": Entry.of_wave(wave)}
    if len(items) > 1:
        assert entries_of(items[1:]) != entries


def test_what_was_put_back_is_read_with_its_step_and_no_write_of_the_wave_replaces_it() -> None:
    route = {"ZoneId": "Z1", "Name": "shop.example.com", "Type": "CNAME", "Values": ["new"]}
    step = {"StepId": "dns", "When": "BOTH", "Route53Record": route}
    wave = Wave(wave_id="cut", region="us-west-2", servers=[], steps=[Step.model_validate(step)])
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave])
    state = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=NOW
    )
    (dns,) = state.waves[0].steps
    dns.status, dns.attempt, dns.end_time = StepStatus.SUCCEEDED, 1, NOW
    dns.before = {"Was": None, "SetTo": {"TTL": 60, "Values": ["new"]}}
    reverts = [
        StepRevert(
            wave_id="cut",
            step_id="dns",
            actor=actor,
            time=NOW + after,
            place="record shop.example.com",
            replaced={"TTL": 60, "Values": ["new"]},
            put_back=None,
        )
        for after, actor in ((60.5, "bo"), (30.0, "ann"))
    ]
    header = HistoryRecord(execution_id="crm-1", execution=state.without_waves(), plan=plan)
    undone = HistoryRecord(execution_id="crm-1", reverts=reverts)
    wave_only = HistoryRecord(execution_id="crm-1", waves=[state.with_reverts(reverts).waves[0]])
    items = [item for each in (header, undone, wave_only) for item in items_of(each)]
    assert len({item["Item"] for item in items}) == len(items)
    read = execution_of(items, plan)
    assert read.waves[0].steps[0].reverts == reverts[::-1]
    assert read.steps_to_put_back == []
    without = [item for item in items if not item["Item"].startswith("REVERT")]
    assert execution_of(without, plan).steps_to_put_back == ["cut/dns"]
    assert entries_of(items).keys() == entries_of(without).keys()


def test_the_steps_of_a_small_wave_are_in_its_item_with_the_names_that_are_documented() -> None:
    wave = wave_with_steps(1, 1, {"Endpoint": "db.local"})
    (item,) = items_of(HistoryRecord(execution_id="crm-1", waves=[wave]))
    (step,) = item["Steps"]
    names = {"StepId", "Kind", "Status", "Reason", "Attempt", "StartTime", "EndTime", "Actor"}
    assert names | {"Outputs", "Link"} <= set(step)
    assert step["Outputs"] == '{"Endpoint": "db.local"}'
    assert step["StartTime"] == Decimal("1732323600.123")


def test_waves_with_many_steps_go_into_records_of_their_own() -> None:
    waves = [
        Wave(
            wave_id=f"w{n}",
            region="us-west-2",
            servers=[],
            steps=[
                Step.model_validate({"StepId": f"s{i}", "Tcp": {"Port": 1, "Host": "h"}})
                for i in range(50)
            ],
        )
        for n in range(20)
    ]
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=waves)
    state = ExecutionState.begin(
        plan, execution_id="crm-1", execution_type=ExecutionType.DRILL, started_by="ops", now=NOW
    )
    for each in state.waves:
        each.status, each.revision = WaveStatus.CANCELLED, 1
    delta = HistoryDelta(plan, state)
    delta.unwritten({}, 0)
    record = delta.unwritten({}, 0)
    assert record is not None
    assert len(record.waves) == 4
