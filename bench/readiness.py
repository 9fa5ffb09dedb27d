"""Measures what looks at readiness cost: `python -m bench.readiness`.

One look at all of 300 plans with 4,000 servers in four Regions: its calls, seconds and CPU time;
the first one, and one of a worker that has just started and finds what is kept in the table. Then a
load of drills, without and with looks at all plans all the time, in turn. The targets are 200 calls
a look besides what DRS answers for one server a call, and a makespan of at most 1.05 of the
undisturbed one.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from bench.display import counts_table, figures_table
from bench.plans import new_plan, new_wave
from bench.speed.loads import SINGLE, LoadTemplate
from bench.speed.measurement import POLL_SECONDS, Run, run_loads
from bench.testbed import REGIONS, Testbed, run_bench, running_testbed
from contract.schedules.kinds import SCHEDULED_TIME
from contract.temporal import TASK_QUEUE
from recovery.plan.model import RecoveryPlan
from recovery.readiness.verdict import ReadinessStatus
from settings import get_settings
from storage.plans import PlanTable
from workflows.readiness.watch import WatchReadinessWorkflow

_TARGETS = 4
_MOST_CALLS = 200
_MOST_RATIO = 1.05
_REGISTERED_AT_ONCE = 8
_SERVERS_APPLIED = 500
# DRS answers these for one server a call.
_ONE_SERVER = (
    "drs.GetLaunchConfiguration",
    "drs.GetReplicationConfiguration",
    "drs.DescribeRecoverySnapshots",
)


@dataclass
class LookCost:
    """What one look at all plans cost.

    Attributes:
        seconds: from the start of the first look to the end of the last one.
        cpu_seconds: of the worker.
        calls: of AWS, by operation.
        statuses: how many plans have each.
    """

    seconds: float
    cpu_seconds: float
    calls: Counter[str]
    statuses: Counter[ReadinessStatus]

    @property
    def batched(self) -> int:
        """The calls in targets that answer for many servers."""
        counted = (n for name, n in self.calls.items() if name not in _ONE_SERVER)
        return sum(counted) - self.of_service("dynamodb")

    @property
    def of_one_server(self) -> int:
        """The calls that answer for one server."""
        return sum(self.calls[name] for name in _ONE_SERVER)

    def of_service(self, service: str) -> int:
        """The calls of a service."""
        return sum(n for name, n in self.calls.items() if name.startswith(f"{service}."))


@dataclass
class Result:
    """The looks, and the runs of a load without and with looks."""

    looks: dict[str, LookCost] = field(default_factory=dict)
    without: list[Run] = field(default_factory=list)
    disturbed: list[Run] = field(default_factory=list)
    looks_beside: int = 0


def _plans(count: int, servers: int) -> list[RecoveryPlan]:
    plans, number = [], 0
    for which in range(count):
        own = servers // count + (which < servers % count)
        ids = [f"s-{number + each:017x}" for each in range(1, own + 1)]
        number += own
        region = REGIONS[which % _TARGETS]
        half = len(ids) // 2
        waves = [
            new_wave("db", ids[:half], region=region),
            new_wave("app", ids[half:], "db", region=region),
        ]
        plans.append(new_plan(f"look-{which}", *waves, rpo=60))
    return plans


async def _register(testbed: Testbed, plans: Sequence[RecoveryPlan]) -> None:
    servers = [
        {"SourceServerId": server_id, "Region": wave.region}
        for plan in plans
        for wave in plan.waves
        for server_id in wave.server_ids
    ]
    for start in range(0, len(servers), _SERVERS_APPLIED):
        await testbed.aws.apply(SourceServers=servers[start : start + _SERVERS_APPLIED])
    table = PlanTable(get_settings())
    await table.create()
    slots = asyncio.Semaphore(_REGISTERED_AT_ONCE)

    async def register(plan: RecoveryPlan) -> None:
        async with slots:
            await table.register(plan, author="bench")

    await asyncio.gather(*map(register, plans))


async def _look(testbed: Testbed, name: str, plans: Sequence[RecoveryPlan]) -> Counter[Any]:
    """Look at all plans at once, as Schedules that are aligned do."""
    scheduled = TypedSearchAttributes([SearchAttributePair(SCHEDULED_TIME, datetime.now(UTC))])

    async def look(plan_id: str) -> ReadinessStatus | None:
        result = await testbed.client.execute_workflow(
            WatchReadinessWorkflow.run, plan_id,
            id=f"bench-{name}-{plan_id}", task_queue=TASK_QUEUE, search_attributes=scheduled,
        )  # fmt: skip
        return result.status if result else None

    return Counter(await asyncio.gather(*(look(plan.plan_id) for plan in plans)))


async def _measured_look(testbed: Testbed, name: str, plans: Sequence[RecoveryPlan]) -> LookCost:
    log = await testbed.aws.log()
    before = log[-1]["Number"] if log else 0
    (worker,) = testbed.workers.names
    process = psutil.Process(testbed.stack.parts[worker].pid)
    cpu, started = sum(process.cpu_times()[:2]), time.monotonic()
    statuses = await _look(testbed, name, plans)
    seconds = time.monotonic() - started
    calls = await testbed.aws.log(after=before)
    return LookCost(
        seconds=seconds,
        cpu_seconds=sum(process.cpu_times()[:2]) - cpu,
        calls=Counter(f"{each['Service']}.{each['Operation']}" for each in calls),
        statuses=statuses,
    )


async def _runs(
    testbed: Testbed, plans: Sequence[RecoveryPlan], template: LoadTemplate, repeats: int
) -> Result:
    """The same load without and with looks, in turn; the first run is not counted."""
    result = Result()
    await run_loads(testbed, [template.load(REGIONS[0], 900)])
    for number in range(repeats):
        result.without += await run_loads(testbed, [template.load(REGIONS[0], 1000 + number)])
        looking = asyncio.create_task(_keep_looking(testbed, plans, number, result))
        try:
            load = template.load(REGIONS[0], 2000 + number)
            result.disturbed += await run_loads(testbed, [load])
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    return result


async def _keep_looking(
    testbed: Testbed, plans: Sequence[RecoveryPlan], number: int, result: Result
) -> None:
    turn = 0
    while True:
        turn += 1
        await _look(testbed, f"beside-{number}-{turn}", plans)
        result.looks_beside += len(plans)


async def _measure(count: int, servers: int, speed: float, repeats: int) -> Result:
    plans = _plans(count, servers)
    async with running_testbed(speed=speed, workers=1, poll_seconds=POLL_SECONDS) as testbed:
        await _register(testbed, plans)
        first = await _measured_look(testbed, "first", plans)
        (worker,) = testbed.workers.names
        await testbed.workers.kill(worker)
        later = await _measured_look(testbed, "later", plans)
        result = await _runs(testbed, plans, SINGLE[0], repeats) if repeats else Result()
        result.looks = {"first": first, "later, with a new worker": later}
        return result


def _ratio(result: Result) -> float:
    """The makespan with looks by that without, at real durations."""
    with_, without = (
        statistics.median(run.real_ratio for run in runs)
        for runs in (result.disturbed, result.without)
    )
    return with_ / without


def main(
    plans: Annotated[int, typer.Option(min=1, help="Registered plans.")] = 300,
    servers: Annotated[int, typer.Option(min=1, help="Their source servers.")] = 4000,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor of the drills.")] = 10.0,
    runs: Annotated[int, typer.Option(min=0, help="Runs of drills without and with looks.")] = 3,
) -> None:
    """Measure the cost of looks. The exit code is 1 if a target is missed."""
    get_settings()
    result = run_bench(_measure(plans, servers, speed, runs))
    out = Console()
    table = figures_table(f"A look at {plans} plans with {servers} servers", "", *result.looks)
    looks = list(result.looks.values())
    rows = {
        "calls that answer for many servers": [f"{look.batched}" for look in looks],
        "calls that answer for one server": [f"{look.of_one_server}" for look in looks],
        "calls of DynamoDB": [f"{look.of_service('dynamodb')}" for look in looks],
        "seconds": [f"{look.seconds:.1f}" for look in looks],
        "CPU seconds of the worker": [f"{look.cpu_seconds:.1f}" for look in looks],
        "cores of the worker": [f"{look.cpu_seconds / look.seconds:.2f}" for look in looks],
        "plans": [", ".join(f"{n} {s}" for s, n in look.statuses.items()) for look in looks],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    out.print(table)
    for name, look in result.looks.items():
        out.print(counts_table(f"Calls of the look: {name}", "operation", look.calls))
    has_missed = any(
        look.batched > _MOST_CALLS or set(look.statuses) != {ReadinessStatus.READY}
        for look in looks
    )
    if result.without:
        ratio = _ratio(result)
        drills = figures_table("Drills beside looks", "", "makespan / limit at real durations")
        drills.add_row("undisturbed", ", ".join(f"{r.real_ratio:.4f}" for r in result.without))
        drills.add_row("with looks", ", ".join(f"{r.real_ratio:.4f}" for r in result.disturbed))
        drills.add_row("ratio of the medians", f"{ratio:.4f}")
        drills.add_row("looks beside", str(result.looks_beside))
        out.print(drills)
        has_missed |= ratio > _MOST_RATIO
    if has_missed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
