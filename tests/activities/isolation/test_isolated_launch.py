"""An isolated drill against the local AWS: switched, launched, held and restored."""

import asyncio
import time

import pytest

from contract.identifiers import lease_workflow_id
from contract.launch import BatchResult, ReviewRequest
from contract.launch_settings.lease import HoldRequest, LeaseInput, LeaseJobsRequest
from contract.watch import WatchRequest
from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.wave import WaitingFor
from recovery.launch_settings.network import LaunchNetwork
from settings import Settings
from tests.activities.isolation.isolated import (
    AFTER_END,
    AFTER_LAUNCH_START,
    BEFORE_LAUNCH_START,
    DRILL_SUBNET,
    PRODUCTION_SUBNET,
    Worker,
    isolated_batch,
    isolation_of,
)
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import TARGET, Attempt, LocalAws, batch, until


@pytest.fixture
def worker(aws: LocalAws, fast: Settings) -> Worker:
    return Worker(aws, fast)


def jobs_of(result: BatchResult) -> dict[str, str]:
    servers = [server for each in result.results for server in each.servers]
    return {s.source_server_id: s.recovery_job_id for s in servers if s.recovery_job_id}


async def test_a_drill_launches_in_its_subnet_and_everything_is_as_before(worker: Worker) -> None:
    server, other = worker.aws.servers(2, LaunchDisposition="STOPPED")
    before = worker.configuration(server)
    result = await worker.drill([server, other], wanted={"launch_disposition": "STARTED"})
    jobs = jobs_of(result)
    assert set(jobs.values()) == {result.job_id}
    assert [worker.default(each) for each in (server, other)] == [2, 2]
    assert worker.configuration(server)["launchDisposition"] == "STARTED"
    network = result.results[0].servers[0].network
    assert network is not None
    assert (network.version_before, network.version_during) == (1, 2)
    worker.aws.pass_time(AFTER_LAUNCH_START)
    assert set(await worker.hold(jobs)) == {server.source_server_id, other.source_server_id}
    await worker.restore(restore_drs=False)
    # The version that no call makes the default stays until DRS's own settings are restored.
    assert [e["VersionNumber"] for e in worker.versions(server)] == [1, 3]
    assert worker.default(server) == 1
    assert worker.configuration(server)["launchDisposition"] == "STARTED"
    worker.aws.pass_time(AFTER_END - AFTER_LAUNCH_START)
    await worker.hold(jobs, until_end=True)
    restored = await worker.restore()
    assert [each.is_over for each in restored] == [True, True]
    assert [e["VersionNumber"] for e in worker.versions(server)] == [1]
    after = worker.configuration(server)
    for each in (before, after):
        del each["ResponseMetadata"]
    assert after == before
    assert worker.launched_in() == {
        each.source_server_id: [DRILL_SUBNET] for each in (server, other)
    }


async def test_templates_are_not_restored_before_drs_has_read_them(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    await worker.drill([server])
    worker.aws.pass_time(BEFORE_LAUNCH_START)
    request = worker.restore_request()
    error = await Attempt(worker.temporal).run_failing(worker.lease.restore_templates, request)
    assert "still needs" in error.message
    assert not error.non_retryable
    assert worker.default(server) == 2


async def test_drs_settings_are_not_restored_before_the_end_of_the_drills_job(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers(LaunchDisposition="STOPPED")
    await worker.drill([server], wanted={"launch_disposition": "STARTED"})
    worker.aws.pass_time(AFTER_LAUNCH_START)
    request = worker.restore_request()
    error = await Attempt(worker.temporal).run_failing(worker.lease.restore_templates, request)
    assert "still needs" in error.message
    assert worker.configuration(server)["launchDisposition"] == "STARTED"
    worker.aws.pass_time(AFTER_END - AFTER_LAUNCH_START)
    await worker.restore()
    assert worker.configuration(server)["launchDisposition"] == "STOPPED"


async def test_a_server_whose_default_is_not_the_drills_version_is_not_launched(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers()
    request = await worker.switch(await worker.prepare(isolated_batch([server])))
    worker.make_default(server, 1)
    result = await worker.launch(request)
    (postponed,) = result.postponed
    assert postponed.waiting_for is WaitingFor.ISOLATION
    assert worker.aws.accepted(server) == []


async def test_a_drill_reads_no_templates_but_those_of_its_servers(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    worker.aws.servers(2 * 200)
    request = await worker.switch(await worker.prepare(isolated_batch([server])))
    before = worker.aws.calls("DescribeLaunchTemplateVersions", "ec2")
    await worker.launch(request)
    assert worker.aws.calls("DescribeLaunchTemplateVersions", "ec2") == before + 1
    assert len(worker.aws.accepted(server)) == 1


async def test_a_lease_that_has_expired_launches_nothing(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    request = await worker.switch(await worker.prepare(isolated_batch([server])))
    isolation_of(request).expires_time = time.time() - 1
    (postponed,) = (await worker.launch(request)).postponed
    assert postponed.waiting_for is WaitingFor.ISOLATION
    assert worker.aws.accepted(server) == []


async def test_a_server_that_cannot_be_isolated_as_planned_fails_and_the_others_are_launched(
    worker: Worker,
) -> None:
    (stays,) = worker.aws.servers(LaunchTemplate={"SubnetId": DRILL_SUBNET})
    (server,) = worker.aws.servers()
    result = await worker.drill([stays, server])
    refused, launched = result.results[0].servers
    assert refused.launch_status is LaunchStatus.FAILED
    assert "cannot isolate it as its plan asks" in str(refused.reason)
    assert launched.recovery_job_id == result.job_id
    assert worker.aws.accepted(stays) == []
    assert worker.default(stays) == 1


async def test_without_the_permission_to_switch_a_drill_fails_instead_of_trying_for_ever(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers()
    worker.aws.fault("ModifyLaunchTemplate", Service="ec2", Error="UnauthorizedOperation")
    (refused,) = (await worker.drill([server])).results[0].servers
    assert refused.launch_status is LaunchStatus.FAILED
    assert "cannot isolate it as its plan asks: ModifyLaunchTemplate" in str(refused.reason)
    assert worker.aws.accepted(server) == []


async def test_the_template_of_a_server_with_a_job_is_not_switched(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    request = await worker.prepare(isolated_batch([server]))
    worker.aws.apply(
        SourceServers=[{"SourceServerId": server.source_server_id, "ConsoleLaunch": "RECOVERY"}]
    )
    request = await worker.switch(request)
    assert "has s-" in isolation_of(request).held[server.source_server_id]
    assert worker.default(server) == 1
    (postponed,) = (await worker.launch(request)).postponed
    assert postponed.waiting_for is WaitingFor.OTHER_JOB


async def test_a_held_template_is_switched_again_after_a_late_restore(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    result = await worker.drill([server])
    worker.make_default(server, 1)
    worker.aws.pass_time(BEFORE_LAUNCH_START)
    holding = asyncio.create_task(worker.hold(jobs_of(result)))
    await until(lambda: worker.default(server) == 2)
    worker.aws.pass_time(AFTER_LAUNCH_START - BEFORE_LAUNCH_START)
    await holding
    assert worker.launched_in() == {server.source_server_id: [DRILL_SUBNET]}


async def test_a_guard_of_no_recovery_leaves_a_running_drill_its_version(worker: Worker) -> None:
    """A guard whose recovery's job is over, or one that somebody made up."""
    (server,) = worker.aws.servers()
    result = await worker.drill([server])
    for job_id in (str(result.job_id), "drsjob-0123456789abcdef0"):
        request = HoldRequest(target=TARGET, jobs={server.source_server_id: job_id})
        guarding = asyncio.create_task(
            Attempt(worker.temporal).run(worker.lease.hold_templates, request)
        )
        enough = worker.aws.calls("DescribeJobs") + 3
        while worker.aws.calls("DescribeJobs") < enough:
            await asyncio.sleep(0.05)
        guarding.cancel()
        await asyncio.wait([guarding])
        assert worker.default(server) == 2


async def test_a_version_that_no_lease_looks_after_is_deleted_by_the_next_drills_lease(
    worker: Worker,
) -> None:
    """The launcher was cancelled, or lost, before it began the lease."""
    (server,) = worker.aws.servers(CopyPrivateIp=False)
    orphan = await worker.prepare(isolated_batch([server], lease_id="aaaaaaaaaaaa"))
    (lease,) = isolation_of(orphan).leases
    assert not lease.drill.changes_drs
    request = await worker.prepare(isolated_batch([server]))
    assert [each.drill_version for each in isolation_of(request).leases] == [3]
    assert worker.temporal.started == [lease_workflow_id(TARGET.region, "aaaaaaaaaaaa")]


async def test_a_late_switch_fails_once_the_template_is_restored(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    worker.prepared = await worker.prepare(isolated_batch([server]))
    late = worker.prepared
    await worker.switch(late)
    await worker.restore()
    switched = await worker.switch(late)
    assert isolation_of(switched).leases == []
    assert server.source_server_id in isolation_of(switched).held
    assert worker.default(server) == 1


async def test_an_edited_template_is_reported_and_left(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    await worker.drill([server])
    worker.aws.apply(
        SourceServers=[
            {
                "SourceServerId": server.source_server_id,
                "LaunchTemplate": {"InstanceType": "m5.large"},
            }
        ]
    )
    worker.aws.pass_time(AFTER_END)
    (restored,) = await worker.restore()
    (problem,) = restored.problems
    assert "neither the drill's nor version 1" in problem
    assert worker.default(server) == restored.default_version == 3
    assert [e["VersionNumber"] for e in worker.versions(server)] == [1, 3]


@pytest.mark.parametrize("is_drill", [True, False])
async def test_a_launch_from_outside_while_the_template_was_switched_is_reported(
    worker: Worker, is_drill: bool
) -> None:
    server, other = worker.aws.servers(2)
    await worker.drill([server, other])
    worker.aws.pass_time(AFTER_END)
    launched = worker.aws.client("drs").start_recovery(
        sourceServers=[{"sourceServerID": server.source_server_id}], isDrill=is_drill
    )
    worker.aws.pass_time(AFTER_LAUNCH_START)
    theirs, ours = await worker.restore()
    (problem,) = theirs.problems
    kind = "drill" if is_drill else "recovery"
    assert f"somebody else launched a {kind} of it in job {launched['job']['jobID']}" in problem
    assert (ours.problems, ours.is_over) == ([], True)
    assert worker.default(server) == 1


async def test_a_recovery_restores_what_a_lost_drill_has_left_before_it_launches(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers(LaunchDisposition="STOPPED")
    await worker.switch(
        await worker.prepare(isolated_batch([server], wanted={"launch_disposition": "STARTED"}))
    )
    result = await worker.launch(batch(launch([server], is_drill=False, launch_id="crm-2/w/1/0")))
    assert result.guard is not None
    assert result.guard.jobs == {server.source_server_id: result.job_id}
    assert worker.default(server) == 1
    assert worker.configuration(server)["launchDisposition"] == "STOPPED"
    worker.aws.pass_time(AFTER_LAUNCH_START)
    assert worker.launched_in() == {server.source_server_id: [PRODUCTION_SUBNET]}


async def test_a_drill_without_isolation_waits_for_the_drill_that_has_the_template(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers()
    await worker.switch(await worker.prepare(isolated_batch([server])))
    result = await worker.launch(batch(launch([server], launch_id="erp-2/w/1/0")))
    (postponed,) = result.postponed
    assert postponed.waiting_for is WaitingFor.ISOLATION
    assert "drill crm-1 has the launch template" in postponed.reason
    assert worker.aws.accepted(server) == []


async def test_a_recovery_does_not_wait_for_an_ec2_that_cannot_be_read(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    worker.aws.fault("DescribeLaunchTemplateVersions", Service="ec2", Error="InternalFailure")
    result = await worker.launch(batch(launch([server], is_drill=False)))
    assert len(worker.aws.accepted(server)) == 1
    network = result.results[0].servers[0].network
    assert network is not None
    assert "could not be read" in str(network.note)
    assert result.guard is not None


async def test_a_template_that_is_switched_after_a_recoverys_launch_is_put_right(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers()
    worker.prepared = await worker.prepare(isolated_batch([server]))
    (lease,) = worker.own_leases
    result = await worker.launch(batch(launch([server], is_drill=False, launch_id="crm-2/w/1/0")))
    # The launch has deleted the drill's version; EC2 has forgotten the client token of a late call.
    assert [e["VersionNumber"] for e in worker.versions(server)] == [1]
    worker.aws.client("ec2").create_launch_template_version(
        LaunchTemplateId=lease.template_id,
        SourceVersion="1",
        VersionDescription=lease.drill.description,
        LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": DRILL_SUBNET}]},
    )
    worker.make_default(server, 3)
    assert result.guard is not None
    request = HoldRequest(target=TARGET, jobs=result.guard.jobs)
    guarding = asyncio.create_task(
        Attempt(worker.temporal).run(worker.lease.hold_templates, request)
    )
    await until(lambda: worker.default(server) == 1)
    worker.aws.pass_time(AFTER_LAUNCH_START)
    await guarding
    assert worker.launched_in() == {server.source_server_id: [PRODUCTION_SUBNET]}


@pytest.mark.parametrize("is_drill", [True, False])
async def test_an_instance_in_the_wrong_network_is_never_up(worker: Worker, is_drill: bool) -> None:
    (server,) = worker.aws.servers()
    if is_drill:
        result = await worker.drill([server])
        worker.make_default(server, 1)
    else:
        result = await worker.launch(batch(launch([server], is_drill=False)))
        for each in result.results[0].servers:
            each.network = LaunchNetwork(drill_subnet_ids=[PRODUCTION_SUBNET])
    worker.aws.pass_time(AFTER_END)
    watched = WatchRequest(target=TARGET, servers=result.results[0].servers, until=time.time() + 60)
    (seen,) = await Attempt(worker.temporal).run(worker.watches.watch_servers, watched)
    assert seen.launch_status is LaunchStatus.FAILED
    assert seen.verified is Verified.NO
    assert f"its instance is in {PRODUCTION_SUBNET}" in str(seen.reason)


async def test_an_isolated_instance_is_verified_with_its_network(worker: Worker) -> None:
    (server,) = worker.aws.servers(LaunchDisposition="STOPPED")
    result = await worker.drill([server], wanted={"launch_disposition": "STARTED"})
    worker.aws.pass_time(AFTER_END)
    await worker.restore()
    # What DRS says now is not what was in force at the launch.
    watched = WatchRequest(target=TARGET, servers=result.results[0].servers, until=time.time() + 60)
    (seen,) = await Attempt(worker.temporal).run(worker.watches.watch_servers, watched)
    assert seen.verified is Verified.YES
    assert seen.network is not None
    assert (seen.network.subnet_id, seen.network.version_after) == (DRILL_SUBNET, 1)
    assert seen.network.vpc_id


async def test_an_instance_whose_network_cannot_be_read_is_unknown(worker: Worker) -> None:
    (server,) = worker.aws.servers()
    result = await worker.drill([server])
    worker.aws.pass_time(AFTER_END)
    worker.aws.fault("DescribeInstances", Service="ec2", Error="UnauthorizedOperation")
    watched = WatchRequest(target=TARGET, servers=result.results[0].servers, until=time.time() + 3)
    (seen,) = await Attempt(worker.temporal).run(worker.watches.watch_servers, watched)
    assert seen.verified is Verified.UNKNOWN
    assert "network of its instance could not be read" in str(seen.reason)


async def test_a_retry_does_not_take_an_instance_in_the_wrong_network_for_up(
    worker: Worker,
) -> None:
    (server,) = worker.aws.servers()
    result = await worker.drill([server])
    worker.make_default(server, 1)
    worker.aws.pass_time(AFTER_END)
    earlier = result.results[0].servers[0].failed("in the wrong network", at=time.time())
    review = ReviewRequest(
        target=TARGET,
        servers=[earlier],
        launch_prefixes=["crm-1/"],
        is_drill=True,
        since=time.time() - 60,
    )
    (found,) = await Attempt(worker.temporal).run(worker.watches.review_launches, review)
    watched = WatchRequest(target=TARGET, servers=[found], until=time.time() + 60)
    (seen,) = await Attempt(worker.temporal).run(worker.watches.watch_servers, watched)
    assert seen.launch_status is LaunchStatus.FAILED
    assert f"its instance is in {PRODUCTION_SUBNET}" in str(seen.reason)


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_lease_whose_job_is_over_waits_for_no_other(worker: Worker, is_own: bool) -> None:
    (server,) = worker.aws.servers()
    request = await worker.switch(await worker.prepare(isolated_batch([server])))
    job_id = (await worker.launch(request)).job_id
    worker.aws.pass_time(AFTER_END)
    launch = request.requests[0]
    lease = LeaseInput(
        target=TARGET,
        lease_id=request.lease_id,
        leases=isolation_of(request).leases,
        execution_ids=[launch.execution_id],
        # A job of an earlier attempt is another launch's.
        launch_ids=[launch.launch_id if is_own else "crm-0f3b52a1c7d9/db/2/0"],
        since=worker.prepared_time,
        expires_time=time.time(),
    )
    asked = LeaseJobsRequest(lease=lease, server_ids=[server.source_server_id])
    found = await Attempt(worker.temporal).run(worker.lease.find_lease_jobs, asked)
    assert found == ({server.source_server_id: job_id} if is_own else {})
