"""The watch with the local AWS: to its end, through errors and over several attempts."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from activities.watch import watch_activities
from activities.watch.watch_activities import WatchActivities
from aws.drs.launch_events import LaunchEventQueues
from aws.drs.models import epoch
from aws.targets import TargetClients
from contract.watch import ServersChanged, WatchedServer, WatchHeartbeat, WatchRequest
from recovery.execution.server import LaunchStatus, PostLaunch, ServerResult, Verified
from recovery.execution.wave import WaveReport, WaveState, WaveStatus
from recovery.plan.model import Server
from sandbox.launch_event_queue import make_launch_event_queues
from settings import Settings
from tests.aws_in_process import REGION, TARGET, Attempt, LocalAws, Temporal, until
from tests.recovery.plans import wave as planned_wave


def launched_by(aws: LocalAws, *servers: Server) -> list[ServerResult]:
    """Start a job for these servers, as results that wait for it."""
    server_ids = [{"sourceServerID": s.source_server_id} for s in servers]
    job = aws.client("drs").start_recovery(sourceServers=server_ids, isDrill=True)["job"]
    return [
        ServerResult(source_server_id=s.source_server_id, recovery_job_id=job["jobID"])
        for s in servers
    ]


def watch(servers: Sequence[ServerResult], *, seconds: float = 60.0) -> WatchRequest:
    return WatchRequest(target=TARGET, servers=list(servers), until=time.time() + seconds)


def statuses(results: Sequence[ServerResult]) -> list[tuple[str, str | None]]:
    return [(r.launch_status.value, r.verified.value if r.verified else None) for r in results]


def changes(temporal: Temporal) -> list[ServersChanged]:
    return temporal.sent("servers_changed")


@pytest.mark.parametrize("form", ["z", "offset"])
async def test_a_watch_ends_when_every_server_is_up_and_verified(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, form: str
) -> None:
    aws.apply(TimestampForm=form)
    servers = launched_by(aws, *aws.servers(2))
    job_id = str(servers[0].recovery_job_id)
    aws.pass_time(600)
    results = await Attempt(temporal).run(watches.watch_servers, watch(servers))
    assert statuses(results) == [("LAUNCHED", "YES")] * 2
    log = aws.client("drs").describe_job_log_items(jobID=job_id)["items"]
    ends = {
        line["eventData"]["sourceServerID"]: line for line in log if line["event"] == "LAUNCH_END"
    }
    for result in results:
        line = ends[result.source_server_id]
        assert line["logDateTime"].endswith("Z") == (form == "z")
        assert result.launch_time == result.end_time == epoch(line["logDateTime"])
        assert result.recovery_instance_id == line["eventData"]["targetInstanceID"]


async def test_each_server_that_changes_is_signalled_to_the_wave_and_no_other(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    fast = aws.servers(1, LaunchSeconds=100)
    slow = aws.servers(1, LaunchSeconds=1000)
    servers = launched_by(aws, *fast, *slow)
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
    aws.pass_time(150)
    await until(lambda: [s for n in changes(temporal) for s in n.servers if s.verified])
    changed = {s.source_server_id for n in changes(temporal) for s in n.servers}
    assert changed == {fast[0].source_server_id}
    aws.pass_time(1000)
    results = await running
    assert statuses(results) == [("LAUNCHED", "YES")] * 2


async def test_a_failed_server_comes_with_the_reason_in_its_jobs_log(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    bad = aws.servers(1, Outcome="failed-late", RawError="no capacity")
    servers = launched_by(aws, *bad, *aws.servers(1))
    aws.pass_time(2000)
    down, up = await Attempt(temporal).run(watches.watch_servers, watch(servers))
    assert down.launch_status is LaunchStatus.FAILED
    assert down.reason == "LAUNCH_FAILED: no capacity"
    assert up.verified is Verified.YES


async def test_a_log_that_is_throttled_at_first_still_gives_the_reason_of_a_failure(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1, Outcome="failed-late", RawError="no capacity"))
    aws.pass_time(2000)
    # As often as botocore tries a call.
    aws.fault("DescribeJobLogItems", Error="ThrottlingException", Times=3)
    (down,) = await Attempt(temporal).run(watches.watch_servers, watch(servers))
    assert aws.faults_applied() == 3
    assert down.reason == "LAUNCH_FAILED: no capacity"


async def test_each_heartbeat_carries_what_is_known_of_the_servers(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1), *aws.servers(1, Outcome="stuck"))
    aws.pass_time(600)
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(watches.watch_servers, watch(servers)))

    def carried() -> list[str]:
        return [s["Result"].get("Verified") for s in attempt.heartbeats[-1]["Servers"]]

    await until(lambda: attempt.heartbeats and carried() == ["YES", None])
    attempt.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_next_attempt_polls_only_what_is_not_settled(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    done = launched_by(aws, *aws.servers(2))
    stuck = launched_by(aws, *aws.servers(1, Outcome="stuck", StuckSeconds=5000))
    aws.pass_time(600)
    first = Attempt(temporal)
    request = watch([*done, *stuck])
    running = asyncio.create_task(first.run(watches.watch_servers, request))
    await until(
        lambda: [
            beat
            for beat in first.heartbeats[-1:]
            if sum(s["Result"].get("Verified") == "YES" for s in beat["Servers"]) == 2
        ]
    )
    first.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    looked_up = aws.calls("DescribeRecoveryInstances")
    logs_read = aws.calls("DescribeJobLogItems")
    second = first.next()
    running = asyncio.create_task(second.run(watches.watch_servers, request))
    server_ids = aws.calls("DescribeJobs")
    await until(lambda: aws.calls("DescribeJobs") > server_ids + 2)
    assert aws.calls("DescribeRecoveryInstances") == looked_up
    assert aws.calls("DescribeJobLogItems") == logs_read
    aws.pass_time(5000)
    results = await running
    assert statuses(results) == [("LAUNCHED", "YES")] * 3
    assert [r.launch_time for r in results[:2]] == [
        s["Result"]["LaunchTime"] for s in first.heartbeats[-1]["Servers"][:2]
    ]


@pytest.mark.parametrize("outcome", ["launched", "failed-late"])
async def test_the_next_attempt_reads_the_log_that_the_last_one_could_not(
    aws: LocalAws,
    watches: WatchActivities,
    temporal: Temporal,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_activities, "slow_heartbeat_interval", lambda: 0.01)
    servers = launched_by(aws, *aws.servers(1, Outcome=outcome, RawError="no capacity"))
    aws.pass_time(5000)
    aws.fault("DescribeJobLogItems", Error="AccessDeniedException", Times=4)
    first = Attempt(temporal)
    running = asyncio.create_task(first.run(watches.watch_servers, watch(servers)))
    await until(lambda: first.heartbeats and first.heartbeats[-1]["LogsToRead"])
    first.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (result,) = await first.next().run(watches.watch_servers, watch(servers))
    if outcome == "failed-late":
        assert result.reason == "LAUNCH_FAILED: no capacity"
    else:
        log = aws.client("drs").describe_job_log_items(jobID=servers[0].recovery_job_id)["items"]
        assert result.launch_time == next(
            epoch(item["logDateTime"]) for item in log if item["event"] == "LAUNCH_END"
        )


async def test_an_attempt_with_everything_settled_calls_nothing(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1))
    up = servers[0].model_copy(
        update={"launch_status": LaunchStatus.LAUNCHED, "verified": Verified.YES}
    )
    details = {"Servers": [{"Result": up.model_dump(mode="json", exclude_none=True)}]}
    results = await Attempt(temporal, number=2, details=details).run(
        watches.watch_servers, watch(servers)
    )
    assert results == [up]
    assert aws.calls("DescribeJobs") == aws.calls("DescribeRecoveryInstances") == 0


async def test_throttling_is_signalled_to_the_wave_and_ends_nothing(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1))
    aws.fault("DescribeJobs", Error="ThrottlingException")
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
    await until(lambda: changes(temporal))
    assert changes(temporal)[-1].error.startswith("DRS cannot be polled now: DescribeJobs")
    assert changes(temporal)[-1].servers == []
    aws.clear_faults()
    await until(lambda: changes(temporal)[-1].error == "")
    aws.pass_time(600)
    assert statuses(await running) == [("LAUNCHED", "YES")]


async def test_an_unreachable_aws_changes_no_server(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1))
    aws.server.stop()
    results = await Attempt(temporal).run(watches.watch_servers, watch(servers, seconds=0.2))
    assert statuses(results) == [("PENDING", None)]


async def test_a_watch_ends_at_its_time_with_what_is_known(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1, Outcome="stuck"), *aws.servers(1))
    aws.pass_time(600)
    results = await Attempt(temporal).run(watches.watch_servers, watch(servers, seconds=0.5))
    assert statuses(results) == [("PENDING", None), ("LAUNCHED", "YES")]


async def test_what_could_not_be_signalled_is_signalled_later(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1), *aws.servers(1, Outcome="stuck"))
    aws.pass_time(600)
    temporal.is_down = True
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(watches.watch_servers, watch(servers)))
    server_ids = aws.calls("DescribeJobs")
    await until(lambda: aws.calls("DescribeJobs") > server_ids + 3)
    assert changes(temporal) == []
    temporal.is_down = False
    await until(lambda: changes(temporal))
    server_ids = aws.calls("DescribeJobs")
    await until(lambda: aws.calls("DescribeJobs") > server_ids + 3)
    (changed,) = changes(temporal)
    assert statuses(changed.servers) == [("LAUNCHED", "YES")]
    attempt.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_server_that_another_client_launched_again_is_not_ours(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    (server,) = aws.servers(1)
    ours = launched_by(aws, server)
    aws.pass_time(600)
    theirs = launched_by(aws, server)
    aws.pass_time(600)
    (result,) = await Attempt(temporal).run(watches.watch_servers, watch(ours))
    assert result.launch_status is LaunchStatus.FAILED
    assert result.verified is Verified.NO
    assert str(theirs[0].recovery_job_id) in str(result.reason)


async def test_a_stopped_server_whose_disposition_cannot_be_read_is_not_verified(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1, LaunchDisposition="STOPPED"))
    aws.fault("GetLaunchConfiguration", Error="AccessDeniedException")
    aws.pass_time(600)
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
    await until(lambda: [s for n in changes(temporal) for s in n.servers if s.verified])
    assert statuses(changes(temporal)[-1].servers) == [("LAUNCHED", "UNKNOWN")]
    aws.clear_faults()
    assert statuses(await running) == [("LAUNCHED", "YES")]


ACTIONS = [{"Name": "Install agent", "Seconds": 100}, {"Name": "Join domain", "Order": 3}]


async def test_a_watch_waits_for_post_launch_actions_and_calls_drs_once_for_each_server(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    with_actions = aws.servers(1, PostLaunchEnabled=True, LaunchActions=ACTIONS)
    not_enabled = aws.servers(2, LaunchActions=ACTIONS)
    servers = launched_by(aws, *with_actions, *not_enabled)
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
    await until(lambda: aws.calls("GetLaunchConfiguration") == 3)
    aws.pass_time(600)
    await until(lambda: sum(s.is_final for n in changes(temporal) for s in n.servers) == 2)
    (open_,) = [s for n in changes(temporal) for s in n.servers if s.post_launch and s.verified]
    assert (open_.post_launch, open_.reason) == (
        PostLaunch.RUNNING,
        "its post-launch action Install agent runs",
    )
    aws.pass_time(600)
    results = await running
    assert [r.post_launch for r in results] == [PostLaunch.SUCCEEDED, None, None]
    assert statuses(results) == [("LAUNCHED", "YES")] * 3
    assert (aws.calls("GetLaunchConfiguration"), aws.calls("ListLaunchActions")) == (3, 1)


async def test_actions_are_read_when_no_launch_can_be_in_their_way(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(2, PostLaunchEnabled=True, LaunchActions=ACTIONS))
    request = watch(servers).model_copy(update={"slow_poll_until": time.time() + 3600})
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, request))
    await until(lambda: aws.calls("DescribeJobs") > 1)
    assert aws.calls("GetLaunchConfiguration") == 0
    # They are launched sooner than expected.
    aws.pass_time(1200)
    results = await asyncio.wait_for(running, 30)
    assert [r.post_launch for r in results] == [PostLaunch.SUCCEEDED] * 2


async def test_actions_of_what_an_earlier_attempt_saw_launched_are_read_at_once(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(aws, *aws.servers(1, PostLaunchEnabled=True, LaunchActions=ACTIONS))
    seen = [s.model_copy(update={"launch_status": LaunchStatus.LAUNCHED}) for s in servers]
    watched = [WatchedServer(result=each, actions_open=True) for each in seen]
    details = WatchHeartbeat(servers=watched).model_dump(mode="json", by_alias=True)
    request = watch(servers).model_copy(update={"slow_poll_until": time.time() + 3600})
    aws.pass_time(1200)
    second = Attempt(temporal, number=2, details=details)
    (result,) = await asyncio.wait_for(second.run(watches.watch_servers, request), 30)
    assert result.post_launch is PostLaunch.SUCCEEDED


async def test_the_last_poll_of_a_wave_knows_the_actions_too(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    servers = launched_by(
        aws, *aws.servers(1), *aws.servers(1, PostLaunchEnabled=True, LaunchActions=ACTIONS)
    )
    aws.pass_time(600)
    request = watch(servers, seconds=-1.0)
    results = await Attempt(temporal).run(watches.watch_servers, request)
    assert [r.is_final for r in results] == [True, False]


async def test_a_launch_result_is_looked_at_before_the_next_poll(
    aws: LocalAws, fast: Settings, temporal: Temporal
) -> None:
    # Whatever the poll finds before, the next one would be five minutes later.
    settings = fast.model_copy(update={"poll_seconds": 300.0, "speed": 1.0})
    clients = TargetClients(settings)
    watches = WatchActivities(clients, settings)
    urls = make_launch_event_queues(aws.server.endpoint_url, [REGION], access_key="key")
    servers = launched_by(aws, *aws.servers(2, LaunchSeconds=100))
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(watches.watch_servers, watch(servers, seconds=900)))
    await until(lambda: aws.calls("DescribeJobs") == 1)
    # As if more than a minute had passed since.
    clients.poller(TARGET)._last -= 61
    async with LaunchEventQueues(urls, clients.hint):
        aws.pass_time(200)
        results = await asyncio.wait_for(running, 60)
    assert statuses(results) == [("LAUNCHED", "YES")] * 2


@pytest.mark.parametrize(("runs", "is_told"), [("crm-1", False), ("crm-2", True), ("", True)])
async def test_the_end_of_a_watch_tells_the_wave_whether_its_plan_has_ended(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal, runs: str, is_told: bool
) -> None:
    request = watch(launched_by(aws, *aws.servers(1)))
    temporal.plan_runs = runs
    aws.pass_time(600)
    request = request.model_copy(update={"execution_id": "crm-1"})
    await Attempt(temporal).run(watches.watch_servers, request)
    assert len(temporal.sent("plan_closed")) == is_told


def _accepted(request: WatchRequest) -> WatchRequest:
    wave = WaveState.of(planned_wave("database", 1), is_drill=True)
    wave.status, wave.revision = WaveStatus.IN_PROGRESS, 7
    report = WaveReport(execution_id="crm-1", wave=wave)
    return request.model_copy(update={"report": report, "plan_workflow_id": "drs-plan/crm"})


async def test_the_plan_gets_the_report_of_an_acceptance_once(
    aws: LocalAws,
    watches: WatchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_activities, "_REPORT_AGAIN_SECONDS", 0.01)
    request = _accepted(watch(launched_by(aws, *aws.servers(1))))
    temporal.refuses = {"wave_report": [RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNAVAILABLE]}
    attempt = Attempt(temporal)
    running = asyncio.create_task(attempt.run(watches.watch_servers, request))
    await until(lambda: attempt.heartbeats and attempt.heartbeats[-1]["HasReported"])
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    aws.pass_time(600)
    await attempt.next().run(watches.watch_servers, request)
    assert temporal.sent("wave_report") == [request.report]
    assert temporal.sent("plan_closed") == []


async def test_a_watch_whose_plan_has_ended_by_its_acceptance_tells_the_wave(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    request = _accepted(watch(launched_by(aws, *aws.servers(1))))
    temporal.refuses = {"wave_report": [RPCStatusCode.NOT_FOUND]}
    aws.pass_time(600)
    await Attempt(temporal).run(watches.watch_servers, request)
    assert len(temporal.sent("plan_closed")) == 1
    assert temporal.sent("wave_report") == []


async def test_a_watch_does_not_end_while_it_is_unknown_whether_its_plan_has(
    aws: LocalAws, watches: WatchActivities, temporal: Temporal
) -> None:
    request = watch(launched_by(aws, *aws.servers(1)))
    temporal.plan_runs = None
    aws.pass_time(600)
    request = request.model_copy(update={"execution_id": "crm-1"})
    with pytest.raises(ApplicationError, match="does not say") as raised:
        await Attempt(temporal).run(watches.watch_servers, request)
    assert not raised.value.non_retryable


async def test_servers_that_drs_begins_with_are_signalled_together(
    aws: LocalAws,
    watches: WatchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("activities.watch.watch._GATHER_SECONDS", 0.5)
    servers = launched_by(aws, *aws.servers(2, LaunchSeconds=1000))
    running = asyncio.create_task(Attempt(temporal).run(watches.watch_servers, watch(servers)))
    aws.pass_time(900)
    await until(lambda: changes(temporal))
    running.cancel()
    (first,) = changes(temporal)
    assert statuses(first.servers) == [("IN_PROGRESS", None)] * 2
