"""Launch settings that differ from the plan's are warnings of a dry run."""

from typing import Any

import pytest

from activities.launch_settings import drift
from activities.launch_settings.drift import drift_findings
from activities.targets import TargetActivities
from aws.ec2.settings_reader import SettingsReader
from aws.targets import TargetClients
from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from settings import Settings
from tests.aws_in_process import REGION, Attempt, LocalAws, Temporal


def plan_of(servers: list[Server], **settings: Any) -> RecoveryPlan:
    wave = Wave(wave_id="db", servers=servers, region=REGION)
    return RecoveryPlan(plan_id="crm", region=REGION, waves=[wave], **settings)


def settings_with(**values: Any) -> LaunchSettings:
    return LaunchSettings.model_validate(values)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for DRS and EC2 as long as a busy machine takes."""
    monkeypatch.setattr(drift, "_SECONDS", 120.0)


@pytest.fixture
def reader(fast: Settings) -> SettingsReader:
    return SettingsReader(TargetClients(fast))


async def test_a_plan_without_settings_reads_nothing(aws: LocalAws, reader: SettingsReader) -> None:
    assert await drift_findings(reader, plan_of(aws.servers(3))) == []
    assert aws.calls("GetLaunchConfiguration") == 0


async def test_a_dry_run_warns_of_what_differs_and_blocks_nothing(
    aws: LocalAws, fast: Settings
) -> None:
    (server,) = aws.servers(1)
    wanted = settings_with(SubnetId=DRILL.subnet_ids[0], RecoveryMode="OPTIMAL")
    readiness = await Attempt(Temporal()).run(
        TargetActivities(TargetClients(fast), fast).check_readiness,
        plan_of([server], launch_settings=wanted),
    )
    (found,) = [e for e in readiness.findings if "launch-settings apply" in e.message]
    assert (found.wave_id, found.source_server_id) == ("db", server.source_server_id)
    assert f"SubnetId {PRODUCTION.subnet_ids[0]}, not {DRILL.subnet_ids[0]}" in found.message
    assert not found.blocks


async def test_a_server_that_a_drill_cannot_isolate_is_named(
    aws: LocalAws, reader: SettingsReader
) -> None:
    (server,) = aws.servers(1)
    same = settings_with(SubnetId=PRODUCTION.subnet_ids[0])
    (found,) = await drift_findings(reader, plan_of([server], drill_launch_settings=same))
    assert "a drill does not launch it" in found.message
    own = settings_with(SubnetId=DRILL.subnet_ids[0], PostLaunchEnabled=False)
    assert await drift_findings(reader, plan_of([server], drill_launch_settings=own)) == []


async def test_a_large_plan_is_compared_in_part(
    aws: LocalAws, reader: SettingsReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MOST_SERVERS", 2)
    plan = plan_of(aws.servers(3), launch_settings=settings_with(RecoveryMode="OPTIMAL"))
    (found,) = await drift_findings(reader, plan)
    assert "of 1 more servers were not compared" in found.message
    assert aws.calls("GetLaunchConfiguration") == 2


async def test_ec2_that_cannot_be_read_is_a_warning(aws: LocalAws, reader: SettingsReader) -> None:
    plan = plan_of(aws.servers(1), launch_settings=settings_with(RecoveryMode="OPTIMAL"))
    denied = {"Service": "ec2", "Error": "UnauthorizedOperation"}
    aws.fault("DescribeLaunchTemplateVersions", **denied)
    (found,) = await drift_findings(reader, plan)
    assert "launch settings could not be read" in found.message
    assert not found.blocks
