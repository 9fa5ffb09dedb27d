"""Clocks that are wrong by hours: point 6 of issue 14."""

from typing import Any

import pytest

from contract.launch import LaunchRequest, LaunchResult
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.launch.admission import Quotas
from recovery.launch.queue import RunningJobs
from settings import Settings
from tests.workflows import fake_activities
from tests.workflows.conftest import FakedEnvironment, wave
from tests.workflows.fake_activities import HOUR

MOST_LOOKS = 20


@pytest.mark.xfail(strict=True, reason="issue 14, point 6: AWS's time and ours are compared")
async def test_a_wave_is_not_timed_out_because_the_clock_of_aws_is_hours_behind(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = env.fakes._accepted

    def hours_behind(request: LaunchRequest, now: float, job_id: str) -> LaunchResult:
        result = accepted(request, now, job_id)
        return result.model_copy(update={"accepted_time": now - 2 * HOUR})

    monkeypatch.setattr(env.fakes, "_accepted", hours_behind)
    run = await env.start(wave("Database", timeout_seconds=HOUR))
    (database,) = (await run.end()).waves
    assert database.status is WaveStatus.COMPLETED


@pytest.mark.xfail(strict=True, reason="issue 14, point 6: looks are ordered by workers' clocks")
async def test_a_worker_whose_clock_is_hours_ahead_does_not_hold_up_launches(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def seen(
        *, time: float, jobs: dict[str, int], listed: list[str], quotas: Quotas
    ) -> RunningJobs:
        nonlocal looks
        looks += 1
        # What is not believed is read again at once, for ever: with the twentieth look it ends.
        ahead = 6 * HOUR if looks == 1 or looks >= MOST_LOOKS else 0.0
        return RunningJobs(time=time + ahead, jobs=jobs, listed=listed, quotas=quotas)

    monkeypatch.setattr(fake_activities, "RunningJobs", seen)
    fakes: Any = env.fakes
    fakes.settings = Settings(jobs_quota=1)
    now = (await env.environment.get_current_time()).timestamp()
    # Somebody else's job takes the only place for ten minutes.
    fakes._in_progress["drsjob-others"] = 1
    fakes._arrivals["drsjob-others"] = now + 600
    run = await env.start(wave("Database"))
    state = await run.end()
    assert state.status is PlanStatus.COMPLETED
    assert 1 < looks < MOST_LOOKS
    begun = state.waves[0].start_time
    assert begun is not None
    assert begun - state.start_time < HOUR
