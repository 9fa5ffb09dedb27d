"""Scheduled drills that Temporal did not start are found; others are not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client

from client.schedules.missed import missed_drills

# A Saturday.
DUE = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
LONG_BEFORE = DUE - timedelta(days=30)
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Schedules:
    """Temporal with one Schedule, as it lists and describes it."""

    def __init__(
        self,
        *,
        started: datetime = NEVER,
        updated: datetime = LONG_BEFORE,
        paused: bool = False,
        missed: int = 1,
        schedule_id: str = "drs-drill/crm",
        cron: str | None = "0 3 * * SAT",
        zone: str | None = None,
    ) -> None:
        self._listed = SimpleNamespace(
            id=schedule_id,
            schedule=SimpleNamespace(
                spec=SimpleNamespace(
                    calendars=[SimpleNamespace(comment=cron)], time_zone_name=zone
                ),
                state=SimpleNamespace(paused=paused),
            ),
            info=SimpleNamespace(recent_actions=[SimpleNamespace(scheduled_at=started)]),
        )
        self._info = SimpleNamespace(
            last_updated_at=updated,
            created_at=LONG_BEFORE,
            num_actions_missed_catchup_window=missed,
        )

    async def list_schedules(self, **_: Any) -> AsyncIterator[Any]:
        async def listed() -> AsyncIterator[Any]:
            yield self._listed

        return listed()

    def get_schedule_handle(self, schedule_id: str) -> Any:
        async def describe(**_: Any) -> Any:
            return SimpleNamespace(info=self._info)

        return SimpleNamespace(describe=describe)


async def missed(hours: float = 2, **how: Any) -> dict[str, float]:
    """What is missed so long after the drill was due."""
    now = DUE.timestamp() + hours * 3600
    return await missed_drills(cast(Client, Schedules(**how)), now=now)


async def test_a_drill_that_temporal_missed_is_found_for_some_hours() -> None:
    assert await missed() == {"crm": DUE.timestamp()}
    # Within the hour it may still start.
    assert await missed(0.9) == {}
    assert await missed(8) == {}


@pytest.mark.parametrize(
    "how",
    [
        {"started": DUE},
        {"paused": True},
        {"missed": 0},
        # It was paused, or another one, then.
        {"updated": DUE + timedelta(minutes=30)},
        {"schedule_id": "drs-readiness/crm"},
        {"cron": None},
        {"zone": "Asia/Tokyo"},
    ],
)
async def test_what_was_not_due_or_has_started_is_not_missed(how: dict[str, Any]) -> None:
    assert await missed(**how) == {}
