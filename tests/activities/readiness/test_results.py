"""Results of looks are recorded in the order in which the looks began."""

from temporalio.testing import ActivityEnvironment

from activities.readiness.results import ReadinessResultActivities
from aws.targets import TargetClients
from contract.readiness import Readiness, ReadinessRecord, SurroundingsResult, TargetResult
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.result import PlanReadiness
from recovery.readiness.verdict import ReadinessStatus
from settings import Settings
from storage.readiness import ReadinessTable
from tests.aws_in_process import LocalAws
from tests.recovery.plans import diamond

NOW = 1_800_000_000.0


async def test_a_slow_look_does_not_replace_one_that_began_after_it(
    aws: LocalAws, fast: Settings
) -> None:
    table = ReadinessTable(fast)
    await table.create()
    activities = ReadinessResultActivities(TargetClients(fast), fast)
    plan = diamond()
    lost = TargetResult.unread(PlannedTarget(plan, plan.targets[0]), "no worker")
    seen = lost.model_copy(update={"findings": []})

    async def record(target: TargetResult, time: float) -> PlanReadiness:
        found = Readiness.of(plan, [target], SurroundingsResult(), looked_time=time)
        request = ReadinessRecord(plan_id="crm", period_seconds=3600.0, readiness=found)
        return await ActivityEnvironment().run(activities.record_readiness, request)

    newer = await record(lost, NOW + 60)
    assert newer.status is ReadinessStatus.UNKNOWN
    assert await record(seen, NOW) == newer
    assert await table.current("crm") == newer
