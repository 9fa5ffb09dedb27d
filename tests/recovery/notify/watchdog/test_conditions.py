"""What the watchdog makes of one observation."""

from typing import Any

import pytest

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType
from recovery.notify.event_kind import EventKind
from recovery.notify.events import (
    AskedDecision,
    Event,
    ItemKind,
    NotificationItem,
    NotifiedExecution,
)
from recovery.notify.notifier_state import (
    ChannelState,
    FollowedExecution,
    NotifierState,
    WaitingItem,
)
from recovery.notify.routes import Route
from recovery.notify.watchdog.conditions import ConditionKind, conditions_of, is_known
from recovery.notify.watchdog.observation import Observation, ObservedWorkflow

NOW = 1_800_000_000.0
MINUTE = 60.0


def found(**seen: Any) -> dict[ConditionKind, str]:
    """The conditions of an observation, with their reasons."""
    return {each.kind: each.reason for each in conditions_of(Observation(time=NOW, **seen))}


def notifier(channel: ChannelState, *routes: Route, deadline: float | None = None) -> NotifierState:
    """A notifier with a channel `mail` and an execution."""
    execution = NotifiedExecution(
        execution_id="crm-0f3b52a1c7d9",
        plan_id="crm",
        plan_name="CRM",
        execution_type=ExecutionType.RECOVERY,
        started_by="anna",
        start_time=NOW - 90 * MINUTE,
    )
    asked = AskedDecision(key="a", kind=DecisionKind.APPROVAL, since=NOW, deadline=deadline)
    followed = FollowedExecution(
        execution=execution, routes=list(routes), speed=1.0, decisions=[asked]
    )
    return NotifierState(executions={"crm-0f3b52a1c7d9": followed}, channels={"mail": channel})


def waiting(since: float) -> list[WaitingItem]:
    """An event that waits for its channel."""
    event = Event(kind=EventKind.STARTED, key="STARTED", time=since)
    item = NotificationItem(kind=ItemKind.EVENT, event=event)
    return [WaitingItem(item=item, since=since)]


def test_a_drills_launch_templates_that_nobody_restores_are_reported() -> None:
    leases = {"drs-lease/us-west-2/0123456789ab": NOW - 5 * MINUTE}
    assert ConditionKind.LEASES not in found(leases=leases)
    away = found(leases=leases, worker="no worker polls drs-waves")
    assert "no worker restores them" in away[ConditionKind.LEASES]
    assert "drs-waves launch-settings restore" in away[ConditionKind.LEASES]
    late = found(leases=dict.fromkeys(leases, NOW - 150 * MINUTE))
    assert "for 2 h 30 min" in late[ConditionKind.LEASES]


def test_nothing_is_wrong_where_all_responds() -> None:
    workflow = ObservedWorkflow(name="crm-1", task_since=NOW - 20, task_attempts=1)
    state = notifier(ChannelState(waiting=waiting(NOW - 30)), deadline=NOW + MINUTE)
    assert found(workflows=[workflow], notifier=state) == {}


def test_without_temporal_only_the_tables_are_known_beside_it() -> None:
    seen = found(temporal="Temporal is away", worker="none", tables={"history": "AWS is away"})
    assert seen == {ConditionKind.TEMPORAL: "Temporal is away", ConditionKind.TABLES: "AWS is away"}


def test_without_a_worker_nothing_is_said_of_what_workers_do() -> None:
    stuck = ObservedWorkflow(name="crm-1", task_since=NOW - 5 * MINUTE)
    seen = found(worker="No worker answers", workflows=[stuck], idle_queues=["drs-waves-watch"])
    assert seen == {ConditionKind.WORKER: "No worker answers"}


@pytest.mark.parametrize(
    ("workflow", "reason"),
    [
        ({"task_since": NOW - 5 * MINUTE, "task_attempts": 7}, "has failed for 5 min (7 attempts)"),
        ({"task_since": NOW - 3 * MINUTE, "task_attempts": 1}, "no worker has taken its workflow"),
        (
            {"activity": "record", "activity_attempts": 12, "activity_error": "no table"},
            "activity record has had 12 attempts: no table",
        ),
    ],
)
def test_an_execution_makes_no_progress(workflow: dict[str, Any], reason: str) -> None:
    seen = found(workflows=[ObservedWorkflow(name="crm-1", **workflow)])
    assert "crm-1 makes no progress: " in seen[ConditionKind.EXECUTIONS]
    assert reason in seen[ConditionKind.EXECUTIONS]


def test_a_decision_long_after_its_deadline_is_no_progress() -> None:
    late = notifier(ChannelState(), deadline=NOW - 5 * MINUTE)
    assert "the time to decide ended 5 min ago" in found(notifier=late)[ConditionKind.EXECUTIONS]
    assert found(notifier=notifier(ChannelState(), deadline=NOW - MINUTE)) == {}


def test_a_hundred_stuck_executions_are_one_condition_that_names_three() -> None:
    stuck = [
        ObservedWorkflow(name=f"plan-{n}", task_since=NOW - 300, task_attempts=9)
        for n in range(100)
    ]
    (condition,) = conditions_of(Observation(time=NOW, workflows=stuck))
    assert len(condition.members) == 100
    assert condition.reason.endswith("; and 97 more executions")


def test_a_channel_that_fails_for_minutes_is_named_with_its_error() -> None:
    failing = ChannelState(failures=4, failing_since=NOW - 4 * MINUTE, error="HTTP 503")
    assert (
        "Channel mail has failed for 4 min: HTTP 503"
        in found(notifier=notifier(failing))[ConditionKind.CHANNELS]
    )
    assert found(notifier=notifier(ChannelState(failures=1, failing_since=NOW - 30))) == {}


def test_a_message_that_nobody_sends_is_reported_unless_its_channel_is_quiet() -> None:
    channel = ChannelState(waiting=waiting(NOW - 4 * MINUTE))
    seen = found(notifier=notifier(channel))
    assert (
        "A message to channel mail should have been sent 4 min ago" in seen[ConditionKind.CHANNELS]
    )
    channel.quiet = [(NOW - 3600, NOW + 3600)]
    assert found(notifier=notifier(channel)) == {}


def test_a_notifier_that_does_not_answer_is_reported() -> None:
    assert found(notifier_problem="The notifier does not answer") == {
        ConditionKind.NOTIFIER: "The notifier does not answer"
    }


def test_a_missed_drill_is_reported_with_or_without_a_worker() -> None:
    missed = {"crm": NOW - 2 * 3600}
    for worker in (None, "no worker"):
        reason = found(missed_drills=missed, worker=worker)[ConditionKind.DRILLS]
        assert "The drill of crm was to start at" in reason
        assert "drs-waves schedule show crm" in reason
    assert ConditionKind.DRILLS not in found(missed_drills=missed, temporal="it is away")


def test_a_plan_that_nobody_looks_at_is_reported_unless_that_is_not_known() -> None:
    stale = {"crm": NOW - 3 * 3600}
    assert "Nobody has looked at crm since" in found(stale_plans=stale)[ConditionKind.READINESS]
    assert found(stale_plans={}) == found(stale_plans=None) == {}
    assert is_known(ConditionKind.READINESS, Observation(time=NOW, stale_plans={}))
    for unknown in ({}, {"temporal": "away"}, {"worker": "no worker"}):
        assert not is_known(ConditionKind.READINESS, Observation(time=NOW, **unknown))
