"""CloudWatch alarms whose states follow the scenario."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse

from sandbox.drs.simulation import simulation
from sandbox.services.scripts import Alarm, AlarmState
from sandbox.services.state import (
    ScriptedAlarm,
    delayed,
    last_launch,
    last_reached,
    scripted_backends,
)

_describe_alarms = CloudWatchResponse.describe_alarms


def register() -> None:
    """Make moto's DescribeAlarms follow the scenario. Idempotent."""
    CloudWatchResponse.describe_alarms = _describe_scripted_alarms  # type: ignore[assignment, method-assign]


def add_alarm(script: Alarm) -> None:
    """Create an alarm, or replace its script."""
    backend = cloudwatch_backends[script.account_id][script.region]
    if script.alarm_name not in backend.alarms:
        backend.put_metric_alarm(
            name=script.alarm_name,
            namespace="Sandbox",
            metric_name=script.alarm_name,
            comparison_operator="GreaterThanThreshold",
            evaluation_periods=1,
            period=60,
            threshold=0.0,
            statistic="Average",
            description="",
            dimensions=[],
            alarm_actions=[],
        )
    state = scripted_backends[script.account_id][script.region]
    state.alarms[script.alarm_name] = ScriptedAlarm(script, simulation.now())
    _follow_scripts(backend)


def _describe_scripted_alarms(response: CloudWatchResponse) -> Any:
    _follow_scripts(response.cloudwatch_backend)
    return _describe_alarms(response)


def _follow_scripts(backend: CloudWatchBackend) -> None:
    """Give each alarm the state that it has reached. One set by SetAlarmState holds until then."""
    state = scripted_backends[backend.account_id][backend.region_name]
    with state.lock:
        for name, scripted in state.alarms.items():
            times = [
                _reached_at(each, scripted.since, backend.account_id)
                for each in scripted.script.states
            ]
            index = last_reached(times)
            alarm = backend.alarms.get(name)
            if alarm is None or index == scripted.applied:
                continue
            scripted.applied = index
            value = scripted.script.states[index].state if index >= 0 else "INSUFFICIENT_DATA"
            alarm.update_state("By the scenario.", "{}", value)
            at = times[index] if index >= 0 else scripted.since
            alarm.state_updated_timestamp = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _reached_at(entry: AlarmState, since: float, account_id: str) -> float:
    if entry.after_launch_of is not None:
        since = last_launch(account_id, entry.after_launch_of)
    return delayed(since, entry.after_seconds)
