"""Plans that nobody looks at are found, also if nobody ever did."""

import time

import pytest

from client.readiness.reports import stale_plans
from recovery.readiness.result import next_result
from recovery.readiness.verdict import ReadinessStatus
from settings import Settings
from storage.readiness import ReadinessTable
from tests.aws_in_process import LocalAws
from tests.recovery.plans import diamond

HOUR = 3600.0


async def test_a_plan_that_was_not_looked_at_for_twice_its_period_is_stale(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, now = ReadinessTable(fast), time.time()
    await table.create()
    with monkeypatch.context() as earlier:
        earlier.setattr("storage.plans.time.time", lambda: now - 3 * HOUR)
        for plan_id in ("crm", "never", "removed", "watched"):
            await table.register(diamond().model_copy(update={"plan_id": plan_id}), author="ann")
        await table.remove("removed", by="ann", after=1)
    await table.register(diamond().model_copy(update={"plan_id": "new"}), author="ann")
    for plan_id, hours in (("crm", 2.5), ("watched", 1.5)):
        result = next_result(
            None,
            plan_id=plan_id,
            plan_hash="",
            looked_time=now - hours * HOUR,
            period_seconds=HOUR,
            status=ReadinessStatus.READY,
            findings=[],
            worst_lag=None,
        )
        assert await table.record(result, [], left_out=0)
    assert (await stale_plans(table)).keys() == {"crm", "never"}
