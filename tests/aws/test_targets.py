"""Calls that hang delay no launch and no other target, and what a worker keeps is bounded."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client

from activities.history import HistoryActivities
from activities.launch.launch_activities import LaunchActivities
from activities.watch.running_recoveries import RunningRecoveries
from activities.watch.watch_activities import WatchActivities
from aws import quotas as quotas_module
from aws import sessions as sessions_module
from aws import targets as targets_module
from aws.sessions import AwsSessions, CallThreads
from aws.targets import TargetClients
from contract.launch import RunningJobsRequest
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.history.record import HistoryRecord
from recovery.plan.model import RecoveryPlan, Target
from settings import Settings
from storage.history import HistoryTable
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, launch_result
from tests.recovery.plans import wave

HANGS_SECONDS = 8.0
# Undisturbed, a launch takes a tenth of a second.
MOST_SECONDS = 7.0
# More than the threads of asyncio's own pool on any machine (32).
CALLS = 40
# Less than the read timeout, after which calls that hang free their threads.
HANGS_LONG_SECONDS = 20.0
FAR = Target(region="eu-central-1")


async def is_made_beside(
    aws: LocalAws, launching: Coroutine[Any, Any, Any], hanging: list[Coroutine[Any, Any, Any]]
) -> bool:
    """Whether a launch is made in time beside calls that hang."""
    others = [asyncio.create_task(each) for each in hanging]
    await asyncio.sleep(0.2)
    launch_task = asyncio.create_task(launching)
    made, _ = await asyncio.wait([launch_task], timeout=MOST_SECONDS)
    aws.clear_faults()
    await asyncio.gather(launch_task, *others, return_exceptions=True)
    return bool(made)


async def test_a_dynamodb_that_hangs_does_not_delay_a_launch(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    table = HistoryTable(fast)
    await table.create()
    history = HistoryActivities(table)
    plan = RecoveryPlan(
        plan_id="crm", region="us-west-2", waves=[wave(f"w{n}", n) for n in range(8)]
    )

    def record(number: int) -> HistoryRecord:
        state = ExecutionState.begin(
            plan,
            execution_id=f"crm-{number}",
            execution_type=ExecutionType.DRILL,
            started_by="ops",
            now=time.time(),
        )
        header = state.model_copy(update={"waves": []})
        return HistoryRecord(
            execution_id=state.execution_id, execution=header, plan=plan, waves=state.waves
        )

    aws.fault("PutItem", Service="dynamodb", Effect="delay", Seconds=HANGS_SECONDS)
    writes = [Attempt(temporal).run(history.record, record(n)) for n in range(CALLS // 8)]
    launching = launch_result(Attempt(temporal), launches, launch(aws.servers()))
    assert await is_made_beside(aws, launching, writes)


@pytest.mark.slow
async def test_a_region_that_hangs_does_not_delay_a_launch_in_another(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, fast: Settings
) -> None:
    aws.servers(Region=FAR.region)
    servers = aws.servers()
    aws.fault("DescribeJobs", Region=FAR.region, Effect="delay", Seconds=HANGS_SECONDS)
    far = TargetClients(fast).launches(FAR)
    looks = [far.jobs_since(time.time()) for _ in range(CALLS)]
    launching = launch_result(Attempt(temporal), launches, launch(servers))
    assert await is_made_beside(aws, launching, looks)


async def test_watches_that_hang_do_not_delay_a_launch_in_the_same_region(
    aws: LocalAws, temporal: Temporal, fast: Settings
) -> None:
    clients = TargetClients(fast)
    servers = aws.servers()
    aws.fault("DescribeJobLogItems", Effect="delay", Seconds=HANGS_SECONDS)
    looks = [clients.drs(TARGET).job_log(f"drsjob-{n:017x}") for n in range(CALLS)]
    launching = launch_result(Attempt(temporal), LaunchActivities(clients, fast), launch(servers))
    assert await is_made_beside(aws, launching, looks)


@pytest.mark.slow
async def test_quotas_that_hang_in_one_region_do_not_delay_the_jobs_of_another(
    aws: LocalAws, temporal: Temporal, fast: Settings
) -> None:
    watches = WatchActivities(TargetClients(fast), fast)
    aws.servers()
    aws.servers(Region=FAR.region)
    aws.fault(
        "ListServiceQuotas",
        Service="service-quotas",
        Region=FAR.region,
        Effect="delay",
        Seconds=HANGS_SECONDS,
    )
    far, near = (
        Attempt(temporal).run(watches.read_running_jobs, RunningJobsRequest(target=target))
        for target in (FAR, TARGET)
    )
    assert await is_made_beside(aws, near, [far])


def account(number: int, region: str = TARGET.region) -> Target:
    """A target in an account of its own."""
    return Target(region=region, role_arn=f"arn:aws:iam::{400000000000 + number}:role/drs-waves")


@asynccontextmanager
async def hanging(
    aws: LocalAws, target: Target, *calls: Coroutine[Any, Any, Any]
) -> AsyncIterator[None]:
    """While the block runs, everything in an account hangs, and these calls there wait for it."""
    assert target.role_account_id is not None
    aws.fault("*", Service="*", AccountId=target.role_account_id, Effect="hang")
    waiting = [asyncio.create_task(each) for each in calls]
    await asyncio.sleep(0.2)
    try:
        # Without the limit by target, it ends with the calls that hang.
        async with asyncio.timeout(HANGS_LONG_SECONDS):
            yield
    finally:
        aws.clear_faults()
        for each in waiting:
            each.cancel()
        aws.server.control.release()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_one_of_forty_targets_that_hangs_delays_no_call_of_the_others(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas_module, "_RESPONSE_TIMEOUT_SECONDS", 60.0)
    clients = TargetClients(fast)
    far, *others = (account(number) for number in range(40))
    for each in (far, *others):
        aws.servers(AccountId=each.role_account_id)
    # Their sessions are made, as those of a worker that runs.
    await asyncio.gather(*(clients.drs(each).account_id() for each in (far, *others)))
    kinds = (clients.drs, clients.launches, clients.looks)
    hang = [clients.quotas.of(far) for _ in range(CALLS)]
    hang += [cast(Any, kind(far).jobs_since(0.0)) for kind in kinds for _ in range(CALLS)]
    async with hanging(aws, far, *hang):
        for each in others:
            listed, quotas = await asyncio.gather(
                clients.poller(each).listed(0.0), clients.quotas.listed(each, "drs")
            )
            assert (listed.jobs, bool(quotas)) == ([], True)
        for kind in kinds:
            await asyncio.gather(*(kind(each).jobs_since(0.0) for each in others))


async def test_an_sts_that_hangs_in_one_region_hides_no_recovery_of_another(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def running(_: object) -> list[Any]:
        return [SimpleNamespace(execution_id="crm-1", targets=frozenset({(None, TARGET.region)}))]

    monkeypatch.setattr("activities.watch.running_recoveries._running", running)
    recoveries, client = RunningRecoveries(TargetClients(fast)), cast(Client, None)
    aws.servers()
    aws.fault("GetCallerIdentity", Service="sts", Region=FAR.region, Effect="hang")
    waiting = [asyncio.create_task(recoveries.in_target(client, FAR)) for _ in range(CALLS)]
    await asyncio.sleep(0.2)
    found = []
    with suppress(TimeoutError):
        async with asyncio.timeout(HANGS_LONG_SECONDS):
            found = await recoveries.in_target(client, TARGET)
    aws.clear_faults()
    aws.server.control.release()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert found == ["crm-1"]


def test_a_worker_keeps_the_sessions_clients_and_pollers_of_so_many_targets(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "MOST_TARGETS", 2)
    monkeypatch.setattr(sessions_module, "_MOST_CLIENTS", 2)
    monkeypatch.setattr(targets_module, "MOST_TARGETS", 2)
    clients = TargetClients(fast)
    one, two, three = (account(number) for number in range(3))
    kept = [(clients.poller(each), clients.sessions.client("drs", each)) for each in (one, two)]
    # One is used again, so two is what is dropped.
    assert (clients.poller(one), clients.sessions.client("drs", one)) == kept[0]
    clients.poller(three)
    clients.sessions.client("drs", three)
    assert (clients.poller(one), clients.sessions.client("drs", one)) == kept[0]
    assert clients.poller(two) is not kept[1][0]
    assert clients.sessions.client("drs", two) is not kept[1][1]


def test_the_credentials_of_a_dropped_session_are_not_kept(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "MOST_TARGETS", 1)
    monkeypatch.setattr(sessions_module, "_MOST_CLIENTS", 1)
    sessions = AwsSessions()
    for number in range(3):
        sessions.client("drs", account(number))
    gc.collect()
    assert set(sessions._roles) == {account(2)}


def test_so_many_calls_run_at_once_and_the_others_in_turn() -> None:
    threads, free, running = CallThreads(2), threading.Semaphore(0), list[int]()

    def work(number: int) -> int:
        running.append(number)
        free.acquire()
        return number

    calls = [threads.submit(work, number) for number in range(4)]
    started = time.monotonic()
    while len(running) < 2 and time.monotonic() < started + HANGS_LONG_SECONDS:
        time.sleep(0.01)
    assert sorted(running) == [0, 1]
    # Cancelled while it waits, so it is never made.
    assert calls[2].cancel()
    # Others have threads however many calls hang here.
    assert CallThreads(1).submit(int, "7").result(HANGS_LONG_SECONDS) == 7
    free.release(3)
    assert [calls[n].result(HANGS_LONG_SECONDS) for n in (0, 1, 3)] == [0, 1, 3]
    assert 2 not in running


def test_a_call_that_fails_says_so_and_frees_its_thread() -> None:
    threads = CallThreads(1)
    failed, next_call = threads.submit(int, "seven"), threads.submit(int, "7")
    assert isinstance(failed.exception(HANGS_LONG_SECONDS), ValueError)
    assert next_call.result(HANGS_LONG_SECONDS) == 7
