"""Measures a run from the ledger, the call log, the worker process and Temporal."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from temporalio.client import WorkflowFailureError

from bench.speed.loads import Load
from bench.speed.temporal_cost import TemporalCost, cost_of
from bench.testbed import ACCOUNT, Testbed
from client.start import start_execution
from contract.identifiers import launcher_workflow_id, plan_workflow_id
from recovery.execution.state import PlanStatus
from recovery.plan.model import RecoveryPlan
from workflows.plan.workflow import RecoveryPlanWorkflow

_SAMPLE_SECONDS = 0.5
# The default poll interval. On average, the end of a launch is seen after half of it.
POLL_SECONDS = 5.0
# What is assumed for an event instead, until the poll that sees the end: EventBridge and SQS take
# time, and two polls are a second apart.
EVENT_SECONDS = 1.0
_REFUSALS = ("ConflictException", "ServiceQuotaExceededException")


@dataclass
class Run:
    """One run of one load.

    Attributes:
        speed: the speed factor of the stack.
        with_events: DRS's launch results are sent to the worker.
        limit: the minimum makespan; by default that of plans in one account and Region.
        wall_seconds: from the start of the first plan until the end of the last plan.
        lags: by wave, wall-clock seconds from the last LAUNCH_END of its dependencies to its
            StartRecovery.
        jobs: StartRecovery calls that DRS accepted.
        polls_per_interval: DescribeJobs calls in the load's Region per poll interval.
        refusals: conflicts and quota errors.
        cost: what the run cost in Temporal.
        longest_plan_events: events of the plan with the longest history.
        cpu_seconds: the CPU time of all threads of the worker, for all concurrent loads.
        peak_mb: the maximum resident memory of the worker in MB.
    """

    load: Load
    speed: float
    with_events: bool = False
    wall_seconds: float = 0.0
    lags: list[float] = field(default_factory=list)
    jobs: int = 0
    polls_per_interval: float = 0.0
    refusals: int = 0
    cost: TemporalCost = field(default_factory=TemporalCost)
    longest_plan_events: int = 0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    limit: float = 0.0

    def __post_init__(self) -> None:
        self.limit = self.limit or self.load.limit

    @property
    def ratio(self) -> float:
        """Makespan / limit at this speed. The overhead counts `speed` times."""
        return self.wall_seconds * self.speed / self.limit

    @property
    def real_ratio(self) -> float:
        """Makespan / limit at real durations, with the wall-clock overhead and the default poll.

        With events, each wave's end is seen after `EVENT_SECONDS` instead of half a poll.
        """
        overhead = self.wall_seconds - self.limit / self.speed
        waves = self.load.critical_path[1]
        each = EVENT_SECONDS if self.with_events else POLL_SECONDS / 2
        lag = 0.0 if self.speed == 1 else waves * each
        return (self.limit + overhead + lag) / self.limit


async def run_loads(testbed: Testbed, loads: Sequence[Load]) -> list[Run]:
    """Run all plans of all loads at once."""
    await testbed.aws.apply(SourceServers=[s for load in loads for s in load.scenario])
    log = await testbed.aws.log()
    before = log[-1]["Number"] if log else 0
    regions = testbed.event_regions
    runs = [Run(load, testbed.stack.speed, load.region in regions) for load in loads]
    (name,) = testbed.workers.names
    worker = psutil.Process(testbed.stack.parts[name].pid)
    cpu = sum(worker.cpu_times()[:2])
    sampling = asyncio.create_task(_sample(worker, runs))
    try:
        await asyncio.gather(*(_run(testbed, run) for run in runs))
    finally:
        sampling.cancel()
    cpu_seconds = sum(worker.cpu_times()[:2]) - cpu
    calls = await testbed.aws.log(after=before)
    jobs = (await testbed.aws.ledger())["Jobs"]
    for run in runs:
        run.cpu_seconds = cpu_seconds
        _count_calls(run, calls)
        run.lags = lags_of(run.load.plans, jobs)
    return runs


async def _sample(worker: psutil.Process, runs: Sequence[Run]) -> None:
    while True:
        for run in runs:
            run.peak_mb = max(run.peak_mb, worker.memory_info().rss / 1e6)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _run(testbed: Testbed, run: Run) -> None:
    client, plans = testbed.client, run.load.plans
    started = time.time()
    ids = await asyncio.gather(*(start_execution(client, plan) for plan in plans))
    ends = await asyncio.gather(*(_wait_for_servers(testbed, plan.plan_id) for plan in plans))
    run.wall_seconds = max(ends) - started
    for execution_id in ids:
        own = await cost_of(client, f"DrsExecutionId = '{execution_id}'")
        longest = max(run.longest_plan_events, own.events[RecoveryPlanWorkflow.__name__])
        run.longest_plan_events = longest
        run.cost += own
    launcher = f"WorkflowId = '{launcher_workflow_id(ACCOUNT, run.load.region)}'"
    run.cost += await cost_of(client, launcher, since=started)


async def _wait_for_servers(testbed: Testbed, plan_id: str) -> float:
    """Wait until all servers of an execution are up. Returns its end time (epoch seconds)."""
    handle = testbed.client.get_workflow_handle_for(
        RecoveryPlanWorkflow.run, plan_workflow_id(plan_id)
    )
    try:
        state = await handle.result()
    except WorkflowFailureError as error:
        raise RuntimeError(f"{plan_id} failed: {error.cause}") from error
    if state.status is not PlanStatus.COMPLETED or state.end_time is None:
        raise RuntimeError(f"{plan_id} ended {state.status}: {state.status_reason}")
    return state.end_time


def _count_calls(run: Run, calls: Sequence[dict[str, Any]]) -> None:
    own = [c for c in calls if c["Region"] == run.load.region and c["Service"] == "drs"]
    polls = sum(c["Operation"] == "DescribeJobs" for c in own)
    run.polls_per_interval = polls / (run.wall_seconds / (POLL_SECONDS / run.speed))
    results = [c["Result"] for c in own if c["Operation"] == "StartRecovery"]
    run.jobs = results.count("OK")
    run.refusals = sum(result in _REFUSALS for result in results)


def lags_of(plans: Sequence[RecoveryPlan], jobs: Sequence[dict[str, Any]]) -> list[float]:
    """The lags between the last server of the dependencies and each StartRecovery, by wave."""
    up: dict[str, float] = {}
    requested: dict[str, float] = {}
    for job in jobs:
        for server in job["Servers"]:
            up[server["SourceServerId"]] = server["FinalTime"]
            requested[server["SourceServerId"]] = job["Created"]
    lags = []
    for plan in plans:
        ready = {w.wave_id: max(up[i] for i in w.server_ids) for w in plan.waves}
        for wave in plan.waves:
            if wave.depends_on:
                last = max(ready[d] for d in wave.depends_on)
                lags.append(max(requested[i] for i in wave.server_ids) - last)
    return lags
