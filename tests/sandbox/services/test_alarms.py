"""CloudWatch alarms whose states follow the scenario."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, RECORDED_DURATIONS, LocalAws

SCENARIO = f"""{RECORDED_DURATIONS}
Alarms:
  - AlarmName: errors
    States: [{{State: ALARM}}, {{State: OK, AfterSeconds: 60}}]
  - AlarmName: database
    States:
      - {{State: INSUFFICIENT_DATA}}
      - {{State: ALARM, AfterLaunchOf: {DATABASE}}}
      - {{State: OK, AfterLaunchOf: {DATABASE}, AfterSeconds: 120}}
"""


def states(aws: LocalAws, region: str = "us-west-2") -> dict[str, str]:
    """Return the state of each alarm."""
    alarms = aws.client("cloudwatch", region).describe_alarms()["MetricAlarms"]
    return {each["AlarmName"]: each["StateValue"] for each in alarms}


def test_an_alarm_changes_with_time_and_after_a_launch() -> None:
    with LocalAws(SCENARIO) as aws:
        assert states(aws) == {"errors": "ALARM", "database": "INSUFFICIENT_DATA"}
        assert states(aws, "eu-west-1") == {}
        aws.launch(DATABASE)
        aws.pass_time(61)
        assert states(aws) == {"errors": "OK", "database": "INSUFFICIENT_DATA"}
        aws.pass_time(500)
        assert states(aws)["database"] == "ALARM"
        aws.pass_time(120)
        assert states(aws)["database"] == "OK"


def test_a_state_that_is_set_holds_until_the_next_of_the_script() -> None:
    with LocalAws(SCENARIO) as aws:
        client = aws.client("cloudwatch")
        client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="by hand")
        aws.pass_time(30)
        assert states(aws)["errors"] == "OK"
        client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="by hand")
        aws.pass_time(31)
        assert states(aws)["errors"] == "OK"


def test_a_call_for_alarms_can_fail() -> None:
    fault = "Service: cloudwatch, Operation: DescribeAlarms, Error: InternalServiceFault, Times: 1"
    with LocalAws(f"{SCENARIO}Faults: [{{{fault}, Mentions: [errors]}}]") as aws:
        client = aws.client("cloudwatch")
        with pytest.raises(ClientError):
            client.describe_alarms(AlarmNames=["errors"])
        (alarm,) = client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"]
        assert alarm["StateValue"] == "ALARM"
