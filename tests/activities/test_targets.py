"""What the worker sees of the targets, and what readiness finds."""

import time

import pytest

from activities.targets import TargetActivities
from aws.targets import TargetClients
from contract.readiness import WorkerContext
from recovery.execution.server import OperatingSystem
from recovery.plan.model import Target
from settings import Settings
from tests.aws_in_process import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    Attempt,
    LocalAws,
    Temporal,
)

FAR = Target(region="eu-central-1")
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"


@pytest.mark.usefixtures("patient")
async def test_another_account_than_the_plan_names_is_a_mismatch(
    aws: LocalAws, fast: Settings
) -> None:
    targets = TargetActivities(TargetClients(fast), fast)
    named = [Target(region=REGION, account_id=a) for a in (ACCOUNT, OTHER_ACCOUNT)]
    context = await Attempt(Temporal()).run(targets.check_targets, named)
    assert [target.mismatch for target in context.targets] == [False, True]
    assert OTHER_ACCOUNT in str(context.targets[1].error)
    assert context.speed == fast.speed


@pytest.mark.usefixtures("patient")
async def test_the_check_of_targets_returns_the_operating_systems_of_servers(
    aws: LocalAws, fast: Settings
) -> None:
    windows, linux = *aws.servers(1, Os="windows"), *aws.servers(1)
    targets = TargetActivities(TargetClients(fast), fast)
    here = Target(region=REGION)
    ids = [windows.source_server_id, linux.source_server_id]
    # In a mere two seconds DRS may say nothing: that is asked of it once more, not believed.
    systems: dict[str, OperatingSystem] = {}

    async def check(_: object) -> WorkerContext:
        return await targets.check_targets([here], [ids])

    while not systems:
        systems = (await Attempt(Temporal()).run(check, None)).operating_systems
    assert systems == {ids[0]: OperatingSystem.WINDOWS, ids[1]: OperatingSystem.LINUX}


async def test_a_region_that_hangs_delays_the_start_of_a_plan_by_two_seconds_only(
    aws: LocalAws, fast: Settings
) -> None:
    near, far = aws.servers(1), aws.servers(1, Region=FAR.region)
    for service in ("drs", "sts"):
        aws.fault("*", Service=service, Region=FAR.region, Effect="delay", Seconds=10)
    activities = TargetActivities(TargetClients(fast), fast)
    ids = [[server.source_server_id for server in servers] for servers in (near, far)]
    began = time.monotonic()
    found = await Attempt(Temporal()).environment.run(
        activities.check_targets, [Target(region=REGION), FAR], ids
    )
    assert time.monotonic() - began < 9
    assert [target.account_id for target in found.targets] == [ACCOUNT, None]
    assert found.targets[1].error == "AWS did not answer in 2 s"
