"""What DRS answers for one server a call is kept for all workers."""

from activities.readiness.launch.slow_store import StoredEvidence
from recovery.launch_settings.in_force import DrsFields
from recovery.readiness.slow_evidence import SlowEvidence
from settings import Settings
from storage.plans import PlanTable
from storage.readiness import ReadinessTable
from tests.aws_in_process import TARGET, LocalAws

SERVER = f"s-{1:017x}"
EVIDENCE = SlowEvidence(
    read_time=1_700_000_000,
    template_id="lt-1",
    drs=DrsFields(right_sizing="BASIC"),
    newest_snapshot=1_699_999_999.5,
)


async def test_another_worker_knows_what_one_has_read(aws: LocalAws, fast: Settings) -> None:
    await PlanTable(fast).create()
    one, other = (StoredEvidence(ReadinessTable(fast)) for _ in range(2))

    await one.keep_slow_evidence(TARGET, {SERVER: EVIDENCE})

    assert await other.slow_evidence(TARGET, [SERVER]) == {SERVER: EVIDENCE}


async def test_the_newer_of_what_two_workers_have_read_counts(
    aws: LocalAws, fast: Settings
) -> None:
    await PlanTable(fast).create()
    one, other = (StoredEvidence(ReadinessTable(fast)) for _ in range(2))
    newer = EVIDENCE.model_copy(update={"read_time": EVIDENCE.read_time + 60})
    await one.keep_slow_evidence(TARGET, {SERVER: EVIDENCE})
    await other.keep_slow_evidence(TARGET, {SERVER: newer})

    assert await one.slow_evidence(TARGET, [SERVER]) == {SERVER: newer}


async def test_without_a_table_a_worker_goes_on_with_what_it_knows(
    aws: LocalAws, fast: Settings
) -> None:
    aws.fault("*", Service="dynamodb", Effect="drop")
    store = StoredEvidence(ReadinessTable(fast))

    await store.keep_slow_evidence(TARGET, {SERVER: EVIDENCE})

    assert await store.slow_evidence(TARGET, [SERVER]) == {SERVER: EVIDENCE}
