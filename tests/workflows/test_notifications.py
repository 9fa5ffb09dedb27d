"""What an execution reports to the notifier, and that nothing of it ends an execution."""

import asyncio
from collections import Counter

import pytest

from recovery.execution.notification_problem import EVERY_CHANNEL
from recovery.execution.state import PlanStatus
from recovery.notify.event_kind import EventKind
from recovery.notify.execution_events import ExecutionEvents
from recovery.notify.notifier_state import NotifyUpdate
from tests.workflows.conftest import FakedEnvironment, wave
from tests.workflows.fake_activities import HOUR
from workflows.plan.notifications import REPORTING_FAILED

_DAY_EVENTS = 1000


async def test_open_decisions_are_reported_again_for_a_day_and_to_a_notifier_that_is_new(
    env: FakedEnvironment,
) -> None:
    env.fakes.heard_after = 2 * HOUR
    run = await env.start(wave("Database", approval_required=True))
    state = await run.end()
    assert state.status is PlanStatus.FAILED, "nobody approved"
    reports = env.fakes.reports
    asked = [each for each in reports if each.decisions]
    assert 40 <= len(asked) <= 60, "every half an hour"
    keys = {each.key for report in asked for each in report.decisions or []}
    assert len(keys) == 1, "a repetition is known"
    unheard = [each for each in reports if EventKind.STARTED in {e.kind for e in each.events}]
    assert 4 <= len(unheard) <= 6, "until the notifier has it, then no more"
    kinds = Counter(e.kind for each in reports[len(unheard) :] for e in each.events)
    assert (kinds[EventKind.FINISHED], reports[-1].is_over) == (1, True)
    described = await run.handle.describe()
    assert described.raw_description.workflow_execution_info.history_length < _DAY_EVENTS


async def test_an_error_of_reporting_is_shown_tried_again_and_ends_nothing(
    env: FakedEnvironment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unsent = ExecutionEvents.unsent

    def fail_at_first(events: ExecutionEvents, *, now: float, repeat: bool) -> NotifyUpdate | None:
        if now < events.execution.start_time + 150:
            raise KeyError("no such wave")
        return unsent(events, now=now, repeat=repeat)

    monkeypatch.setattr(ExecutionEvents, "unsent", fail_at_first)
    run = await env.start(wave("Database", approval_required=True))
    async with asyncio.timeout(30):
        while not (problems := (await run.state()).notification_problems):
            await asyncio.sleep(0.05)
    (problem,) = problems
    assert (problem.channel, problem.error) == (EVERY_CHANNEL, "KeyError: 'no such wave'")
    state = await run.end()
    assert state.status is PlanStatus.FAILED, "nobody approved"
    assert state.notification_problems == []
    assert EventKind.STARTED in {e.kind for e in env.fakes.reports[0].events}
    assert env.fakes.reports[-1].is_over
    assert REPORTING_FAILED in caplog.text
    caplog.clear()
