"""Measures a run from the ledger, the call log, the worker process and Temporal."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError

from bench.speed.loads import Load
from bench.speed.temporal_cost import TemporalCost, cost_of
from bench.testbed import ACCOUNT, Testbed
from client.start import start_execution
from contract.identifiers import launcher_workflow_id, plan_workflow_id
from recovery.execution.state import PlanStatus
from workflows.plan.workflow import RecoveryPlanWorkflow

_SAMPLE_SECONDS = 0.5
# Maximum per workflow type. To read the histories of 1,000 waves takes longer than to run them.
_MAX_HISTORIES = 50
# The default poll interval. On average, the end of a launch is seen after half of it.
POLL_SECONDS = 5.0
_REFUSALS = ("ConflictException", "ServiceQuotaExceededException")


@dataclass
class WorkerUsage:
    """The resources that the worker used during a run.

    Attributes:
        cpu_seconds: the CPU time of all threads.
        peak_mb: the maximum resident memory in MB.
    """

    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


@dataclass
class Run:
    """One run of one load.

    Attributes:
        wall_seconds: from the start of the first plan until the end of the last plan.
        speed: the speed factor of the stack.
        lags: by wave, wall-clock seconds from the last LAUNCH_END of its dependencies to its
            StartRecovery.
        jobs: StartRecovery calls that DRS accepted.
        polls: DescribeJobs calls in the load's Region.
        polls_per_interval: these calls per poll interval.
        refusals: conflicts and quota errors.
        cost: events and actions in Temporal, by workflow type.
        longest_plan_events: events of the plan with the longest history.
        longest_task: seconds of the longest workflow task, for a load of one plan.
    """

    load: Load
    speed: float
    wall_seconds: float = 0.0
    lags: list[float] = field(default_factory=list)
    jobs: int = 0
    polls: int = 0
    polls_per_interval: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    cost: TemporalCost = field(default_factory=TemporalCost)
    longest_plan_events: int = 0
    longest_task: float = 0.0

    @property
    def ratio(self) -> float:
        """Makespan / limit at this speed. The overhead counts `speed` times."""
        return self.wall_seconds * self.speed / self.load.limit

    @property
    def real_ratio(self) -> float:
        """Makespan / limit at real durations, with the wall-clock overhead and the default poll."""
        overhead = self.wall_seconds - self.load.limit / self.speed
        waves = self.load.critical_path[1]
        lag = 0.0 if self.speed == 1 else waves * POLL_SECONDS / 2
        return (self.load.limit + overhead + lag) / self.load.limit


async def run_loads(
    testbed: Testbed, loads: Sequence[Load], speed: float
) -> tuple[list[Run], WorkerUsage]:
    """Run all plans of all loads at once. Returns the runs and the worker usage."""
    await testbed.aws.apply(SourceServers=[s for load in loads for s in load.scenario])
    log = await testbed.aws.log()
    before = log[-1]["Number"] if log else 0
    (name,) = testbed.workers.names
    worker = psutil.Process(testbed.stack.parts[name].pid)
    cpu = sum(worker.cpu_times()[:2])
    usage = WorkerUsage()
    sampling = asyncio.create_task(_sample(worker, usage))
    started = time.time()
    try:
        runs = await asyncio.gather(*(_run(testbed, load, speed) for load in loads))
    finally:
        sampling.cancel()
    usage.cpu_seconds = sum(worker.cpu_times()[:2]) - cpu
    calls = await testbed.aws.log(after=before)
    ledger = await testbed.aws.ledger()
    for run in runs:
        _count_calls(run, calls, started)
        _read_ledger(run, ledger)
    return list(runs), usage


async def _sample(worker: psutil.Process, usage: WorkerUsage) -> None:
    while True:
        usage.peak_mb = max(usage.peak_mb, worker.memory_info().rss / 1e6)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _run(testbed: Testbed, load: Load, speed: float) -> Run:
    run = Run(load, speed)
    region = load.plans[0].waves[0].region
    launcher = f"WorkflowId = '{launcher_workflow_id(ACCOUNT, region)}'"
    before = await cost_of(testbed.client, launcher, max_histories=_MAX_HISTORIES)
    started = time.time()
    ids = await asyncio.gather(*(start_execution(testbed.client, plan) for plan in load.plans))
    states = await asyncio.gather(
        *(
            _wait_for_servers(testbed, plan.plan_id, i)
            for plan, i in zip(load.plans, ids, strict=True)
        )
    )
    run.wall_seconds = max(states) - started
    for execution_id in ids:
        query = f"DrsExecutionId = '{execution_id}'"
        own = await cost_of(testbed.client, query, max_histories=_MAX_HISTORIES)
        run.cost = run.cost.plus(own)
        longest = max(run.longest_plan_events, own.events[RecoveryPlanWorkflow.__name__])
        run.longest_plan_events = longest
    launched = await cost_of(testbed.client, launcher, max_histories=_MAX_HISTORIES)
    run.cost = run.cost.plus(launched.minus(before))
    if len(load.plans) == 1:
        run.longest_task = await _longest_task(testbed, load.plans[0].plan_id)
    return run


async def _wait_for_servers(testbed: Testbed, plan_id: str, execution_id: str) -> float:
    """Wait until all servers of an execution are up. Returns its end time (epoch seconds)."""
    handle = testbed.client.get_workflow_handle_for(
        RecoveryPlanWorkflow.run, plan_workflow_id(plan_id)
    )
    try:
        state = await handle.result()
    except WorkflowFailureError as error:
        raise RuntimeError(f"{execution_id} failed: {error.cause}") from error
    if state.status is not PlanStatus.COMPLETED or state.end_time is None:
        raise RuntimeError(f"{execution_id} ended {state.status}: {state.status_reason}")
    return state.end_time


async def _longest_task(testbed: Testbed, plan_id: str) -> float:
    """The longest workflow task of a plan, in seconds."""
    handle = testbed.client.get_workflow_handle(plan_workflow_id(plan_id))
    started, longest = 0.0, 0.0
    async for event in handle.fetch_history_events():
        timestamp = event.event_time.ToDatetime().timestamp()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            started = timestamp
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            longest = max(longest, timestamp - started)
    return longest


def _count_calls(run: Run, calls: Iterable[dict[str, Any]], started: float) -> None:
    region = run.load.plans[0].waves[0].region
    own = [c for c in calls if c.get("Region") == region and c["Service"] == "drs"]
    run.polls = sum(c["Operation"] == "DescribeJobs" for c in own)
    intervals = run.wall_seconds / (POLL_SECONDS / run.speed)
    run.polls_per_interval = run.polls / intervals
    requested = [c for c in own if c["Operation"] == "StartRecovery"]
    run.jobs = sum(c["Result"] == "OK" for c in requested)
    run.refusals = Counter(c["Result"] for c in requested if c["Result"] in _REFUSALS)


def _read_ledger(run: Run, ledger: dict[str, Any]) -> None:
    """Compute the lag between the last server of the dependencies and each StartRecovery."""
    up: dict[str, float] = {}
    requested: dict[str, float] = {}
    for backend in ledger["Backends"]:
        for job in backend["Jobs"]:
            for server in job["Servers"]:
                up[server["SourceServerId"]] = server["FinalTime"]
                requested[server["SourceServerId"]] = job["Created"]
    for plan in run.load.plans:
        ready = {w.wave_id: max(up[i] for i in w.server_ids) for w in plan.waves}
        for wave in plan.waves:
            if wave.depends_on:
                last = max(ready[d] for d in wave.depends_on)
                run.lags.append(max(requested[i] for i in wave.server_ids) - last)


def quantile(values: Sequence[float], part: float) -> float:
    """The quantile of `values` at `part` (0 to 1)."""
    if len(values) < 2:
        return max(values, default=0.0)
    return statistics.quantiles(values, n=100, method="inclusive")[round(part * 100) - 1]
