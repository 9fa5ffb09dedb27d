"""What a launch needs goes missing and is mended, as a person sees it who checks a plan."""

from typing import Any

import pytest

from client.readiness.check import check_readiness
from recovery.readiness.finding import FindingCode
from recovery.readiness.verdict import ReadinessStatus
from sandbox.ec2.network_ids import PRODUCTION
from tests.end_to_end.conftest import E2eEnvironment

SUBNET = {"SubnetId": PRODUCTION.subnet_ids[0]}


@pytest.mark.parametrize(
    ("broken", "mended", "code", "status"),
    [
        (
            {"Subnets": [SUBNET | {"Exists": False}]},
            {"Subnets": [SUBNET]},
            FindingCode.SUBNET_MISSING,
            ReadinessStatus.NOT_READY,
        ),
        (
            {"Quotas": {"StandardVcpus": 1}},
            {"Quotas": {"StandardVcpus": 64}},
            FindingCode.VCPU_QUOTA_SHORT,
            ReadinessStatus.NOT_READY,
        ),
        (
            {"Faults": [{"DeniedAction": "ec2:DescribeSecurityGroups"}]},
            {},
            FindingCode.PERMISSION_MISSING,
            ReadinessStatus.UNKNOWN,
        ),
    ],
)
async def test_what_a_launch_needs_is_missing_and_mended(
    env: E2eEnvironment,
    broken: dict[str, Any],
    mended: dict[str, Any],
    code: FindingCode,
    status: ReadinessStatus,
) -> None:
    here = {"AccountId": env.aws.account_id}
    plan = env.plan(env.wave("Database"))

    for scenario in (broken, mended):
        some = {k: [here | e for e in v] if k == "Subnets" else v for k, v in scenario.items()}
        if scenario is mended:
            env.aws.clear_faults()
        env.aws.apply(**some)
        found = await check_readiness(env.client, plan)
        if scenario is broken:
            assert [each.code for each in found.findings] == [code]
            assert found.status is status
    assert (found.findings, found.status) == ([], ReadinessStatus.READY)
