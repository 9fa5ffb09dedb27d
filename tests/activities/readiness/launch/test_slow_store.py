"""What DRS answers for one server a call is kept for all workers."""

import time

import pytest
from temporalio.testing import ActivityEnvironment

from activities.readiness.launch import slow_reader
from activities.readiness.launch.slow_store import StoredEvidence
from activities.readiness.readiness_activities import ReadinessActivities
from aws.targets import TargetClients
from contract.readiness import TargetLook
from recovery.launch_settings.in_force import DrsFields
from recovery.plan.model import RecoveryPlan, Wave
from recovery.readiness.finding import FindingCode
from recovery.readiness.slow_evidence import SlowEvidence
from settings import Settings
from storage.plans import PlanTable
from storage.readiness import ReadinessTable
from tests.aws_in_process import REGION, TARGET, LocalAws

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


@pytest.mark.parametrize("age", [20, 30])
async def test_what_cannot_be_read_again_counts_for_a_day_and_is_then_not_known(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    await PlanTable(fast).create()
    (server,) = aws.servers(1)
    table = ReadinessTable(fast)
    wave = Wave(wave_id="db", servers=[server], region=REGION)
    plan = RecoveryPlan(plan_id="crm", region=REGION, waves=[wave])
    request = TargetLook(plan=plan, target=TARGET, is_fresh=False)

    async def look() -> list[FindingCode]:
        activities = ReadinessActivities(TargetClients(fast), table)
        result = await ActivityEnvironment().run(activities.look_at_target, request)
        return [each.code for each in result.findings]

    assert await look() == []
    (kept,) = (await table.evidence(TARGET, "LAUNCH")).items()
    old = kept[1].model_copy(update={"read_time": time.time() - age * 3600})
    old.value["ReadTime"] = old.read_time
    old.value["NewestSnapshot"] = old.read_time
    await table.put_evidence(TARGET, "LAUNCH", {kept[0]: old})
    monkeypatch.setattr(slow_reader, "_SECONDS", 0.5)
    aws.fault("GetLaunchConfiguration", Effect="hang")
    expected = {FindingCode.READ_FAILED} if age > 24 else set()
    assert set(await look()) == expected
