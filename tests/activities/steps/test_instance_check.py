"""A step acts on an instance only if DRS has it as the server's, of its kind of execution."""

from typing import Any

import pytest

from activities.launch.launch_activities import LaunchActivities
from activities.steps.instance_check import InstanceCheck
from aws.errors import AwsError
from aws.targets import TargetClients
from contract.steps import StepCall, StepServer
from recovery.access.grants import AccessCode, AccessRefusedError
from recovery.execution.state import ExecutionType
from recovery.plan.model import Server
from settings import Settings
from tests.activities.launch.test_guard import instances_up, recovered
from tests.activities.steps.step_calls import step_call
from tests.aws_in_process import TARGET, LocalAws, Temporal

COMMAND = {"Document": "AWS-RunShellScript"}
RECOVERY = ExecutionType.RECOVERY


@pytest.fixture
def check(fast: Settings) -> InstanceCheck:
    return InstanceCheck(TargetClients(fast))


@pytest.fixture
async def servers(aws: LocalAws, launches: LaunchActivities, temporal: Temporal) -> list[Server]:
    """Two servers, each with an instance of a real recovery."""
    made = aws.servers(2)
    await recovered(aws, launches, temporal, made)
    return made


def instance_of(aws: LocalAws, server: Server) -> str:
    (up,) = instances_up(aws, server)
    return str(up["RecoveryInstanceId"])


def call(server: Server, instance_id: str, **kind: Any) -> StepCall:
    named = StepServer(
        source_server_id=server.source_server_id, instance_id=instance_id, target=TARGET
    )
    there = {
        "servers": [named],
        "server_ids": [server.source_server_id],
        "execution_type": RECOVERY,
    }
    return step_call(call=there, **(kind or {"SsmCommand": COMMAND}))


async def test_an_instance_of_the_server_is_looked_up_once(
    aws: LocalAws, check: InstanceCheck, servers: list[Server]
) -> None:
    own = call(servers[0], instance_of(aws, servers[0]))
    before = aws.calls("DescribeRecoveryInstances")
    for _ in range(3):
        await check.require_own(own)
    assert aws.calls("DescribeRecoveryInstances") == before + 1


@pytest.mark.parametrize("instance", ["of another server", "of nobody"])
async def test_a_foreign_instance_is_refused(
    aws: LocalAws, check: InstanceCheck, servers: list[Server], instance: str
) -> None:
    other = "i-0123456789abcdef0"
    foreign = instance_of(aws, servers[1]) if instance == "of another server" else other
    with pytest.raises(AccessRefusedError, match=f"does not have {foreign}") as caught:
        await check.require_own(call(servers[0], foreign))
    assert caught.value.code is AccessCode.OTHER_INSTANCE


async def test_a_step_of_a_drill_does_not_act_on_the_instance_of_a_real_recovery(
    aws: LocalAws, check: InstanceCheck, servers: list[Server]
) -> None:
    own = call(servers[0], instance_of(aws, servers[0]))
    await check.require_own(own)
    drill = own.model_copy(update={"execution_type": ExecutionType.DRILL})
    with pytest.raises(AccessRefusedError, match="in a DRILL"):
        await check.require_own(drill)


async def test_a_reference_to_a_foreign_instance_is_refused_too(
    aws: LocalAws, check: InstanceCheck, servers: list[Server]
) -> None:
    server = servers[0]
    reference = f"${{Servers.{server.source_server_id}.InstanceId}}"
    payload = {"FunctionName": "f", "Payload": {"Id": reference}}
    with pytest.raises(AccessRefusedError):
        await check.require_own(call(server, "i-0123456789abcdef0", Lambda=payload))
    # What it does not use needs no look-up.
    await check.require_own(call(server, "i-0123456789abcdef0", Lambda={"FunctionName": "f"}))


async def test_an_error_of_drs_refuses_nothing_for_good(
    aws: LocalAws, check: InstanceCheck, servers: list[Server]
) -> None:
    own = call(servers[0], instance_of(aws, servers[0]))
    aws.fault("DescribeRecoveryInstances", Error="ValidationException")
    with pytest.raises(AwsError):
        await check.require_own(own)
    aws.clear_faults()
    await check.require_own(own)
