"""`schedule`: its exit codes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.commands.schedules import schedule
from recovery.schedule.record import DrillRecord, DrillStatus, SkipCode


def run_now(monkeypatch: pytest.MonkeyPatch, status: DrillStatus) -> int:
    """The exit code where this was decided about the drill."""
    skip = SkipCode.FREEZE if status is DrillStatus.SKIPPED else None

    class Known:
        async def run_now(self, plan_id: str) -> DrillRecord:
            return DrillRecord(
                plan_id=plan_id,
                scheduled_time=0.0,
                start_time=0.0,
                execution_id="crm-1",
                status=status,
                skip=skip,
            )

    @asynccontextmanager
    async def schedules() -> AsyncIterator[Known]:
        yield Known()

    monkeypatch.setattr(schedule, "schedules", schedules)
    return CliRunner().invoke(app, ["schedule", "run-now", "crm"]).exit_code


@pytest.mark.parametrize(
    ("status", "code"),
    [(DrillStatus.RUNNING, 0), (DrillStatus.SKIPPED, 2), (DrillStatus.ANNOUNCED, 5)],
)
def test_a_drill_that_no_worker_took_up_has_not_started(
    monkeypatch: pytest.MonkeyPatch, status: DrillStatus, code: int
) -> None:
    assert run_now(monkeypatch, status) == code
