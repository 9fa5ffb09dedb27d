"""DRS's post-launch actions: what they make of a launched server."""

from typing import Any

import pytest

from aws.drs.models import Job, LaunchAction
from aws.drs.server_status import ServerStatusTracker
from recovery.execution.judge import judge_wave
from recovery.execution.server import LaunchStatus, PostLaunch, ServerResult
from recovery.execution.wave import WaveStatus
from tests.aws.drs.test_server_status import JOB, LOOKUP, NOW, instance, line, only, watch
from tests.recovery.plans import server_id


def action(name: str, **more: Any) -> dict[str, Any]:
    return {"actionId": f"id-{name}", "name": name, "active": True, "optional": False} | more


def run(name: str, status: str | None, reason: str = "", **more: Any) -> dict[str, Any]:
    item = {"action": action(name, **more), "runId": f"run-{name}", "status": status}
    return item | ({"failureReason": reason} if reason else {})


def expecting(*actions: dict[str, Any]) -> ServerStatusTracker:
    """A server on which DRS is to run these actions."""
    tracker = watch()
    expected = [LaunchAction.model_validate(each) for each in actions]
    tracker.expected_actions = {server_id(1): expected}
    return tracker


def poll(tracker: ServerStatusTracker, *runs: Any, now: float = NOW) -> ServerResult:
    """Apply a job that is over and shows these runs, with the server's instance running."""
    server = {
        "sourceServerID": server_id(1),
        "launchStatus": "LAUNCHED",
        "launchActionsStatus": {"ssmAgentDiscoveryDatetime": "…", "runs": list(runs)},
    }
    job = {"jobID": JOB, "status": "COMPLETED", "participatingServers": [server]}
    tracker.apply_job(Job.model_validate(job), now=now)
    tracker.apply_instances([instance()], should_run={}, now=now)
    tracker.end_lookups(now=now)
    return only(tracker)


def test_a_server_is_not_final_before_each_of_its_actions_has_succeeded() -> None:
    tracker = expecting(action("agent"), action("domain"))
    server = poll(tracker)
    assert server.launch_status is LaunchStatus.LAUNCHED
    assert (server.is_final, server.reason) == (
        False,
        "its post-launch action agent has not begun",
    )
    server = poll(tracker, run("agent", "IN_PROGRESS"))
    assert (server.is_final, server.reason) == (False, "its post-launch action agent runs")
    # An hour later, too: only the wave's TimeoutSeconds bound it.
    server = poll(tracker, run("agent", "SUCCEEDED"), now=NOW + 3600)
    assert server.reason == "its post-launch action domain has not begun"
    assert not tracker.is_finished
    ended = poll(tracker, run("agent", "SUCCEEDED"), run("domain", "SUCCEEDED"), now=NOW + 3700)
    assert ended.is_final
    assert (ended.post_launch, ended.reason) == (PostLaunch.SUCCEEDED, None)
    assert (ended.launch_time, ended.end_time) == (NOW, NOW + 3700)
    assert tracker.is_finished


def test_a_jobs_log_sets_the_time_of_the_launch_and_not_of_the_end_of_the_actions() -> None:
    tracker = expecting(action("agent"))
    poll(tracker, run("agent", "SUCCEEDED"), now=NOW + 900)
    tracker.apply_log(JOB, [line("LAUNCH_END", at="2024-11-23T01:05:00Z")])
    server = only(tracker)
    assert server.end_time == NOW + 900
    assert server.launch_time is not None
    assert server.launch_time < server.end_time


def test_a_failed_action_is_named_and_the_server_stays_launched() -> None:
    tracker = expecting(action("agent"), action("domain"))
    server = poll(tracker, run("agent", "FAILED", "no route to the host"))
    assert server.is_final
    assert (server.launch_status, server.post_launch) == (LaunchStatus.LAUNCHED, PostLaunch.FAILED)
    assert server.reason == "its post-launch action agent FAILED: no route to the host"
    assert tracker.is_finished
    verdict = judge_wave([server])
    assert verdict.status is WaveStatus.FAILED
    assert "agent FAILED: no route to the host" in verdict.reason


def test_an_optional_action_that_fails_is_shown_and_changes_nothing() -> None:
    optional = action("metrics", optional=True)
    tracker = expecting(optional)
    server = poll(tracker)
    assert (server.is_final, server.post_launch) == (True, None)
    assert not tracker.is_finished
    server = poll(tracker, run("metrics", "FAILED", "no space", optional=True))
    assert server.reason == "optional post-launch action metrics FAILED: no space"
    assert tracker.is_finished
    assert judge_wave([server]).status is WaveStatus.COMPLETED


def test_an_action_that_is_not_active_is_not_waited_for() -> None:
    assert poll(expecting(action("agent", active=False))).is_final


def test_actions_that_cannot_be_read_become_unknown_and_hold_nothing_back_for_longer() -> None:
    tracker = watch()
    tracker.expected_actions = {}
    assert not poll(tracker, run("agent", "SUCCEEDED")).is_final
    server = poll(tracker, run("agent", "SUCCEEDED"), now=NOW + LOOKUP)
    assert (server.is_final, server.post_launch) == (True, PostLaunch.UNKNOWN)
    assert "could not be read" in str(server.reason)
    verdict = judge_wave([server])
    assert verdict.status is WaveStatus.COMPLETED
    assert verdict.reason == "every server is launched, 1 not verified"
    assert not tracker.is_finished
    # It is not open again, but it can still fail.
    assert poll(tracker, run("domain", "IN_PROGRESS"), now=NOW + 600).is_final
    assert poll(tracker, run("domain", "FAILED"), now=NOW + 700).post_launch is PostLaunch.FAILED


def test_actions_that_are_read_late_are_not_enabled_after_all() -> None:
    tracker = watch()
    tracker.expected_actions = {}
    poll(tracker, now=NOW + LOOKUP)
    tracker.expected_actions = {server_id(1): []}
    server = poll(tracker, now=NOW + 900)
    assert (server.post_launch, server.reason, tracker.is_finished) == (None, None, True)


def test_a_failed_action_counts_although_the_configuration_no_longer_has_it() -> None:
    assert poll(expecting(), run("agent", "FAILED")).post_launch is PostLaunch.FAILED


@pytest.mark.parametrize("status", [None, "UNHEARD_OF", ""])
def test_an_unknown_status_of_an_action_is_not_a_success(status: str | None) -> None:
    assert not poll(expecting(action("agent")), run("agent", status), now=NOW + 3600).is_final


def test_an_action_of_which_nothing_says_that_it_is_optional_is_required() -> None:
    assert not poll(expecting({"name": "agent"})).is_final
    nameless = {"status": "FAILED"}
    assert poll(expecting(), nameless).post_launch is PostLaunch.FAILED


def test_an_older_poll_of_another_watch_does_not_undo_the_end_of_the_actions() -> None:
    tracker = expecting(action("agent"))
    before = poll(tracker, run("agent", "IN_PROGRESS")).model_copy()
    after = poll(tracker, run("agent", "SUCCEEDED"))
    assert before.is_behind(after)
    assert not after.is_behind(before)
