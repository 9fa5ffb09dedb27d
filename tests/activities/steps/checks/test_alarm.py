"""Whether alarms are OK."""

import pytest

from aws.errors import AwsError
from recovery.steps.state import CheckResult
from tests.activities.steps.checks.probes import Prober, check
from tests.aws_in_process import LocalAws


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("OK", CheckResult.PASSED),
        ("ALARM", CheckResult.FAILED),
        ("INSUFFICIENT_DATA", CheckResult.INCONCLUSIVE),
    ],
)
async def test_the_state_decides(
    aws: LocalAws, probe: Prober, state: str, result: CheckResult
) -> None:
    aws.apply(Alarms=[{"AlarmName": "errors", "States": [{"State": state}]}])
    found = await probe(check([], Alarm={"AlarmName": "errors"}, When="BOTH"))
    assert found.result is result
    assert f"alarm errors is {state}" in found.evidence


@pytest.mark.usefixtures("aws")
async def test_a_missing_alarm_is_inconclusive(probe: Prober) -> None:
    found = await probe(check([], Alarm={"AlarmName": "missing"}, When="BOTH"))
    assert found.result is CheckResult.INCONCLUSIVE
    assert found.evidence == "CloudWatch has no alarm missing in us-west-2"


async def test_without_permission_nothing_is_known(aws: LocalAws, probe: Prober) -> None:
    aws.fault("DescribeAlarms", Service="cloudwatch", Error="AccessDeniedException")
    with pytest.raises(AwsError, match="AccessDenied"):
        await probe(check([], Alarm={"AlarmName": "errors"}, When="BOTH"))
