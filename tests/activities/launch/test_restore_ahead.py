"""Recoveries of servers whose launch templates have what a drill has left."""

import pytest

from contract.launch import BatchResult
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server
from settings import Settings
from tests.activities.isolation.isolated import (
    AFTER_LAUNCH_START,
    DRILL_SUBNET,
    PRODUCTION_SUBNET,
    Worker,
    isolated_batch,
)
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import LocalAws, batch


@pytest.fixture
def worker(aws: LocalAws, fast: Settings) -> Worker:
    return Worker(aws, fast)


def in_drills_network(worker: Worker) -> Server:
    """A server whose template somebody has edited to launch in the drill's network."""
    (server,) = worker.aws.servers()
    edited = {"SourceServerId": server.source_server_id}
    worker.aws.apply(SourceServers=[edited | {"LaunchTemplate": {"SubnetId": DRILL_SUBNET}}])
    return server


def result_of(result: BatchResult, server: Server) -> ServerResult:
    servers = [each for some in result.results for each in some.servers]
    return next(e for e in servers if e.source_server_id == server.source_server_id)


async def test_a_recovery_replaces_a_copy_of_the_drills_version(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    await worker.switch(await worker.prepare(isolated_batch([server])))
    edited = {"SourceServerId": server.source_server_id}
    worker.aws.apply(SourceServers=[edited | {"LaunchTemplate": {"SubnetId": DRILL_SUBNET}}])
    assert worker.default(server) == 3
    request = launch([server], is_drill=False, drill_subnets=[DRILL_SUBNET])
    await worker.launch(batch(request))
    assert worker.default(server) == 1
    worker.aws.pass_time(AFTER_LAUNCH_START)
    assert worker.launched_in() == {server.source_server_id: [PRODUCTION_SUBNET]}


async def test_a_template_that_nothing_restores_holds_back_its_own_server_only(
    worker: Worker,
) -> None:
    wrong = in_drills_network(worker)
    server, other = worker.aws.servers(2)
    one = launch([wrong, server], is_drill=False, drill_subnets=[DRILL_SUBNET])
    two = launch([other], is_drill=False, launch_id="erp-2/w/1/0")
    result = await worker.launch(batch(one, two))
    refused = result_of(result, wrong)
    assert refused.launch_status is LaunchStatus.FAILED
    assert "Make the right version the default" in str(refused.reason)
    assert worker.aws.accepted(wrong) == []
    for each in (server, other):
        assert result_of(result, each).recovery_job_id == result.job_id
        assert len(worker.aws.accepted(each)) == 1


async def test_a_drill_of_another_plan_in_the_same_subnet_concerns_no_recovery(
    worker: Worker,
) -> None:
    (drilled,) = worker.aws.servers()
    # The subnet in which the other plan's drills launch is where this server belongs.
    server = in_drills_network(worker)
    await worker.switch(await worker.prepare(isolated_batch([drilled])))
    result = await worker.launch(batch(launch([server], is_drill=False, launch_id="erp-2/w/1/0")))
    assert len(worker.aws.accepted(server)) == 1
    assert result_of(result, server).network is None
    assert worker.default(drilled) == 2


async def test_without_the_permission_to_restore_only_the_drills_server_fails(
    worker: Worker,
) -> None:
    drilled, server = worker.aws.servers(2)
    await worker.switch(await worker.prepare(isolated_batch([drilled])))
    worker.aws.fault("ModifyLaunchTemplate", Service="ec2", Error="UnauthorizedOperation")
    one = launch([drilled], is_drill=False, launch_id="crm-2/w/1/0")
    two = launch([server], is_drill=False, launch_id="erp-2/w/1/0")
    result = await worker.launch(batch(one, two))
    refused = result_of(result, drilled)
    assert refused.launch_status is LaunchStatus.FAILED
    assert "UnauthorizedOperation" in str(refused.reason)
    assert worker.aws.accepted(drilled) == []
    assert len(worker.aws.accepted(server)) == 1


async def test_while_ec2_restores_nothing_only_the_drills_launch_waits(worker: Worker) -> None:
    drilled, server = worker.aws.servers(2)
    await worker.switch(await worker.prepare(isolated_batch([drilled])))
    worker.aws.fault("ModifyLaunchTemplate", Service="ec2", Error="RequestLimitExceeded")
    one = launch([drilled], is_drill=False, launch_id="crm-2/w/1/0")
    two = launch([server], is_drill=False, launch_id="erp-2/w/1/0")
    result = await worker.launch(batch(one, two))
    (postponed,) = result.postponed
    assert (postponed.launch_id, postponed.waiting_for) == ("crm-2/w/1/0", WaitingFor.ISOLATION)
    assert worker.aws.accepted(drilled) == []
    assert len(worker.aws.accepted(server)) == 1


async def test_what_cannot_be_deleted_does_not_hold_back_a_recovery(worker: Worker) -> None:
    (server,) = worker.aws.servers(CopyPrivateIp=False)
    await worker.switch(await worker.prepare(isolated_batch([server])))
    error = {"Service": "ec2", "Error": "UnauthorizedOperation"}
    worker.aws.fault("DeleteLaunchTemplateVersions", **error)
    result = await worker.launch(batch(launch([server], is_drill=False, launch_id="crm-2/w/1/0")))
    network = result_of(result, server).network
    assert network is not None
    assert "could not be removed" in str(network.note)
    assert worker.default(server) == 1
    assert len(worker.aws.accepted(server)) == 1
