"""Items that DynamoDB does not take: point 8 of issue 14."""

from decimal import Decimal
from typing import Any

import pytest

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.history.record import HistoryRecord
from recovery.plan.model import RecoveryPlan, Server, Wave
from storage.history_items import execution_of, items_of
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


@pytest.mark.xfail(strict=True, reason="issue 14, point 8: reasons are cut by characters")
@pytest.mark.parametrize("reason", REASONS, ids=["Japanese", "emoji"])
def test_a_wave_of_five_hundred_failed_servers_fits_in_its_item_in_any_language(
    reason: str,
) -> None:
    servers = [Server(source_server_id=server_id(number)) for number in range(500)]
    wave = Wave(wave_id="db", region="us-west-2", servers=servers)
    plan = RecoveryPlan(plan_id="crm", region="us-west-2", waves=[wave])
    state = WaveState.of(wave)
    state.servers = [each.failed(reason, at=NOW) for each in state.servers]
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
