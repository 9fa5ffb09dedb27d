"""What the shell completes."""

from typing import Any

import pytest

from cli.input import completion
from client.recoveries import temporal
from recovery.execution.state import ExecutionState
from tests.cli.executions import begin, plan_of


async def test_a_wave_is_completed_by_its_id_and_by_a_name_of_one_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect() -> None:
        return None

    async def plan(_: object, given: str) -> tuple[str, None]:
        return given, None

    async def state(*_: Any) -> ExecutionState:
        return begin(plan_of({"Database": [], "Web shop": ["Database"]}))

    monkeypatch.setattr(temporal, "connect_to_temporal", connect)
    monkeypatch.setattr(temporal, "plan_and_execution", plan)
    monkeypatch.setattr(temporal, "execution_state", state)
    assert await completion._waves("crm") == [
        ("w0", "Database PENDING"),
        ("w1", "Web shop PENDING"),
        ("Database", "w0 PENDING"),
    ]
