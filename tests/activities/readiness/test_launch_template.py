"""Launch settings that differ from the plan's, and what a drill cannot isolate."""

from typing import Any

from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.readiness.finding import Finding, FindingCode, Severity
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from settings import Settings
from tests.aws_in_process import REGION, LocalAws
from tests.readiness_looks import readiness_of


def plan_of(servers: list[Server], **settings: Any) -> RecoveryPlan:
    wave = Wave(wave_id="db", servers=servers, region=REGION)
    return RecoveryPlan(plan_id="crm", region=REGION, waves=[wave], **settings)


def settings_with(**values: Any) -> LaunchSettings:
    return LaunchSettings.model_validate(values)


async def findings_of(settings: Settings, plan: RecoveryPlan) -> list[Finding]:
    return (await readiness_of(plan, settings)).findings


async def test_a_dry_run_warns_of_what_differs_and_blocks_nothing(
    aws: LocalAws, fast: Settings
) -> None:
    (server,) = aws.servers(1)
    wanted = settings_with(SubnetId=DRILL.subnet_ids[0], RecoveryMode="OPTIMAL")
    (found,) = await findings_of(fast, plan_of([server], launch_settings=wanted))
    assert (found.code, found.severity) == (FindingCode.LAUNCH_SETTINGS_DRIFT, Severity.WARNS)
    assert (found.wave_id, found.source_server_id) == ("db", server.source_server_id)
    assert f"SubnetId {PRODUCTION.subnet_ids[0]}, not {DRILL.subnet_ids[0]}" in found.message


async def test_a_server_that_a_drill_cannot_isolate_refuses_the_drill(
    aws: LocalAws, fast: Settings
) -> None:
    (server,) = aws.servers(1)
    same = settings_with(SubnetId=PRODUCTION.subnet_ids[0])
    (found,) = await findings_of(fast, plan_of([server], drill_launch_settings=same))
    assert (found.code, found.refuses_drill) == (FindingCode.ISOLATION_IMPOSSIBLE, True)
    own = settings_with(
        SubnetId=DRILL.subnet_ids[0],
        SecurityGroupIds=[DRILL.security_group_id],
        PostLaunchEnabled=False,
    )
    assert await findings_of(fast, plan_of([server], drill_launch_settings=own)) == []


async def test_ec2_that_may_not_be_read_is_unknown(aws: LocalAws, fast: Settings) -> None:
    plan = plan_of(aws.servers(1), launch_settings=settings_with(RecoveryMode="OPTIMAL"))
    denied = {"Service": "ec2", "Error": "UnauthorizedOperation"}
    aws.fault("DescribeLaunchTemplateVersions", **denied)
    (found,) = await findings_of(fast, plan)
    assert (found.code, found.severity) == (FindingCode.PERMISSION_MISSING, Severity.UNKNOWN)
    assert found.evidence["Permission"] == "ec2:DescribeLaunchTemplateVersions"
