"""Whether targets of a load balancer are healthy."""

from typing import Any

import pytest

from recovery.steps.state import CheckResult
from tests.activities.steps.checks.probes import Prober, check, recovered
from tests.aws_in_process import LocalAws

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/shop/0123456789abcdef"


def group(aws: LocalAws, servers: list[Any], **keys: Any) -> None:
    ids = [each.source_server_id for each in servers]
    aws.apply(TargetGroups=[{"TargetGroupArn": ARN, "SourceServerIds": ids} | keys])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("healthy", CheckResult.PASSED),
        ("initial", CheckResult.FAILED),
        ("unhealthy", CheckResult.FAILED),
        ("draining", CheckResult.FAILED),
        ("unavailable", CheckResult.INCONCLUSIVE),
    ],
)
async def test_the_health_decides(
    aws: LocalAws, probe: Prober, state: str, result: CheckResult, named: bool
) -> None:
    servers = recovered(aws, 2)
    group(aws, servers, Health=[{"State": state}])
    spec: dict[str, Any] = {"TargetGroupArn": ARN}
    if named:
        spec["Servers"] = [each.source_server_id for each in servers]
    found = await probe(check(servers, TargetHealth=spec, When="BOTH"))
    assert found.result is result
    assert state in found.evidence


async def test_a_server_that_is_not_registered_fails(aws: LocalAws, probe: Prober) -> None:
    servers = recovered(aws, 2)
    group(aws, servers[:1], Health=[{"State": "healthy"}])
    ids = [each.source_server_id for each in servers]
    spec = {"TargetGroupArn": ARN, "Servers": ids}
    found = await probe(check(servers, TargetHealth=spec, When="BOTH"))
    assert found.result is CheckResult.FAILED
    assert found.evidence.startswith("web-2: is not registered in the target group")


async def test_a_group_without_targets_fails(aws: LocalAws, probe: Prober) -> None:
    group(aws, [])
    found = await probe(check([], TargetHealth={"TargetGroupArn": ARN}, When="BOTH"))
    assert (found.result, found.evidence) == (
        CheckResult.FAILED,
        "the target group has no targets",
    )
