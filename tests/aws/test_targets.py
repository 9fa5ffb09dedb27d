"""Calls that hang delay no launch: threads are not shared."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from activities.history import HistoryActivities
from activities.launch.launch_activities import LaunchActivities
from activities.watch.watch_activities import WatchActivities
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
