"""Lists of executions: what runs and what is recorded, each once."""

from client.overview import ExecutionRow, merged
from recovery.execution.state import PlanStatus
from tests.cli.executions import CHAIN, START, begin


def test_lists_have_each_execution_once_running_first() -> None:
    old, ours = begin(CHAIN), begin(CHAIN)
    old.execution_id, old.start_time, old.status = "crm-old", START + 5, PlanStatus.FAILED
    live = ExecutionRow(
        execution_id=ours.execution_id,
        plan_id="crm",
        status="PAUSED",
        running=True,
        start_time=START,
    )
    rows = merged([live], [old, ours])
    listed = [(row.execution_id, row.status, row.running) for row in rows]
    assert listed == [("crm-0f3b52a1c7d9", "PAUSED", True), ("crm-old", "FAILED", False)]
    assert [row.running for row in merged(None, [old])] == [None]
