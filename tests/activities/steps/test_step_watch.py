"""The tries of a check, and how often the wave is signalled what a step does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from activities.steps.checks.registry import CHECKS
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.progress import ProgressReports
from activities.steps.step_activities import StepActivities
from aws.errors import AwsError, AwsErrorKind
from contract.steps import StepCall
from recovery.steps.model import StepKind
from recovery.steps.state import CheckResult, StepStatus
from settings import Settings
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, Temporal

PASSED = Probe(CheckResult.PASSED, "200 OK in 12 ms")
FAILED = Probe(CheckResult.FAILED, "503 Service Unavailable")
INCONCLUSIVE = Probe(CheckResult.INCONCLUSIVE, "no route to host")
DENIED = AwsError(AwsErrorKind.ACCESS_DENIED, "DescribeAlarms: AccessDenied")


@dataclass
class ScriptedCheck:
    """A check that sees what a test scripts; the last one for ever."""

    sees: list[Probe | Exception] = field(default_factory=lambda: [PASSED])
    probes: int = 0

    async def probe(self, step: ResolvedCall) -> Probe:
        self.probes += 1
        seen = self.sees.pop(0) if len(self.sees) > 1 else self.sees[0]
        if isinstance(seen, Exception):
            raise seen
        return seen


Checked = Callable[..., tuple[StepActivities, ScriptedCheck]]


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch, fast: Settings) -> Checked:
    """The activities with a scripted check in place of that of alarms."""

    def make(*sees: Probe | Exception) -> tuple[StepActivities, ScriptedCheck]:
        check = ScriptedCheck(list(sees))
        monkeypatch.setitem(CHECKS, StepKind.ALARM, lambda _: check)
        return step_activities(fast), check

    return make


def alarm(seconds: float = 60.0) -> StepCall:
    # Tried every 20 ms.
    return step_call(seconds, Alarm={"AlarmName": "errors", "IntervalSeconds": 4.0})


async def test_a_check_must_pass_twice_in_a_row(checking: Checked, temporal: Temporal) -> None:
    steps, check = checking(FAILED, PASSED, INCONCLUSIVE, PASSED, FAILED, PASSED, PASSED)
    result = await Attempt(temporal).run(steps.check_step, alarm())
    assert (result.status, result.result) == (StepStatus.SUCCEEDED, CheckResult.PASSED)
    assert result.reason == "200 OK in 12 ms"
    assert check.probes == 7


@pytest.mark.parametrize("seen", [INCONCLUSIVE, DENIED, ValueError("a defect")])
async def test_what_cannot_be_checked_never_passes(
    checking: Checked, temporal: Temporal, seen: Probe | Exception
) -> None:
    steps, _ = checking(PASSED, seen)
    result = await Attempt(temporal).run(steps.check_step, alarm(seconds=0.3))
    assert (result.status, result.result) == (StepStatus.FAILED, CheckResult.INCONCLUSIVE)
    assert result.reason.startswith("could not be checked: ")
    assert result.reason.endswith("(tried for 10 min)")


async def test_a_check_that_fails_until_its_time_is_over_keeps_the_last_evidence(
    checking: Checked, temporal: Temporal
) -> None:
    steps, _ = checking(INCONCLUSIVE, FAILED)
    result = await Attempt(temporal).run(steps.check_step, alarm(seconds=0.3))
    assert (result.status, result.result) == (StepStatus.FAILED, CheckResult.FAILED)
    assert result.reason.endswith("last: 503 Service Unavailable")


async def test_a_probe_that_hangs_ends_with_the_time_of_the_check(
    checking: Checked, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, check = checking(PASSED)
    monkeypatch.setattr("activities.steps.step_watch._SHORTEST_PROBE_SECONDS", 0.1)

    async def hang(step: ResolvedCall) -> Probe:
        await asyncio.sleep(60)
        return PASSED

    monkeypatch.setattr(check, "probe", hang)
    result = await Attempt(temporal).run(steps.check_step, alarm(seconds=0.2))
    assert result.result is CheckResult.INCONCLUSIVE


async def test_changes_are_signalled_rarely(temporal: Temporal, fast: Settings) -> None:
    call = alarm()

    async def a_day_of_changes(_: None) -> None:
        reports = ProgressReports(call, speed=1.0)
        for second in range(0, 86_400, 5):
            await reports.report(f"latency {second} ms", now=float(second))

    await Attempt(temporal).run(a_day_of_changes, None)
    sent = temporal.sent("step_progress")
    assert (sent[0].step_id, sent[0].reason) == (call.step.step_id, "latency 0 ms")
    assert 200 < len(sent) < 300


async def test_what_does_not_change_is_signalled_once(
    checking: Checked, temporal: Temporal
) -> None:
    steps, _ = checking(FAILED)
    await Attempt(temporal).run(steps.check_step, alarm(seconds=0.5))
    (progress,) = temporal.sent("step_progress")
    assert (progress.result, progress.reason) == (CheckResult.FAILED, "503 Service Unavailable")


async def test_a_kind_that_a_worker_does_not_know_is_left_to_another(
    fast: Settings, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CHECKS, StepKind.ALARM, raising=False)
    attempt = Attempt(temporal)
    error = await attempt.run_failing(step_activities(fast).check_step, alarm())
    assert not error.non_retryable
    assert "runs no steps of the kind Alarm" in error.message
