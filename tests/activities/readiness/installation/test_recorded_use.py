"""Which checks have concluded, and when an offline key was last used, by the history."""

import time
from typing import Any

import pytest

from activities.readiness.installation.recorded_use import RecordedUse
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.steps.model import Step
from recovery.steps.state import CheckResult
from settings import Settings
from storage.history import HistoryTable
from tests.aws_in_process import REGION, LocalAws
from tests.storage.test_history import execution, record

CHECKS = ("up", "quiet")


@pytest.fixture
async def table(aws: LocalAws, fast: Settings) -> HistoryTable:
    """An empty history."""
    table = HistoryTable(fast)
    await table.create()
    return table


def plan() -> RecoveryPlan:
    steps = [
        Step.model_validate({"StepId": each, "When": "BOTH", "Alarm": {"AlarmName": each}})
        for each in CHECKS
    ]
    return RecoveryPlan(
        plan_id="crm", waves=[Wave(wave_id="w", servers=[], region=REGION, steps=steps)]
    )


async def run(
    table: HistoryTable, execution_id: str, results: dict[str, CheckResult], **fields: Any
) -> None:
    """Record an execution whose checks had these results."""
    start = time.time()
    ended = {"end_time": start, "status": PlanStatus.COMPLETED}
    state = execution(plan(), execution_id=execution_id, start=start, **ended | fields)
    for wave in state.waves:
        wave.revision = 1
        for step in wave.steps:
            step.result = results.get(step.step_id)
    await table.write(record(state, plan()))


async def test_a_check_has_concluded_if_a_drill_saw_it_pass_or_fail(table: HistoryTable) -> None:
    use = RecordedUse(table)
    first = await use.concluded_checks(plan())
    assert (first.in_drills, first.in_recoveries) == (set(), set())
    await run(table, "crm-1", {"up": CheckResult.FAILED, "quiet": CheckResult.INCONCLUSIVE})
    real = {"execution_type": ExecutionType.RECOVERY}
    await run(table, "crm-2", {"quiet": CheckResult.PASSED}, **real)
    await run(table, "crm-3", {"quiet": CheckResult.PASSED}, end_time=None)
    # What it has read it keeps for some minutes.
    assert (await use.concluded_checks(plan())).in_drills == set()
    found = await RecordedUse(table).concluded_checks(plan())
    assert found.in_drills == {("w", "up")}
    assert found.in_recoveries == {("w", "quiet")}
    assert found.failed is None


async def test_the_last_use_of_an_offline_key_is_found(table: HistoryTable) -> None:
    assert await RecordedUse(table).last_break_glass() is None
    await run(table, "crm-1", {}, break_glass_time=1_700_000_000.0)
    await run(table, "crm-2", {})
    assert await RecordedUse(table).last_break_glass() == 1_700_000_000.0


async def test_a_history_that_may_not_be_read_names_the_permission(
    table: HistoryTable, aws: LocalAws
) -> None:
    aws.fault("Query", Service="dynamodb", Error="AccessDeniedException")
    use = RecordedUse(table)
    failed = (await use.concluded_checks(plan())).failed
    assert failed is not None
    assert (failed.action, failed.is_denied) == ("dynamodb:Query", True)
    last = await use.last_break_glass()
    assert isinstance(last, FailedRead)
    aws.clear_faults()
    assert await use.last_break_glass() is None
