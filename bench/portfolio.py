"""Measures a portfolio of many plans over many accounts: `python -m bench.portfolio`.

Each plan is a chain of four waves of four servers in one account; the accounts share the plans. The
makespan is from the start of the portfolio to the end of its last plan, the limit that of
`bench.speed`. With `--kill-half`, a second portfolio runs, and half of the workers receive SIGKILL
when its second waves are launched; nothing replaces them. At speed 1, `--launch-seconds` of about
100 make short waves.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from temporalio.service import RPCError

from bench.display import figures_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.speed.loads import USUAL_SECONDS, Load
from bench.speed.measurement import POLL_SECONDS, Run, lags_of
from bench.speed.temporal_cost import TemporalCost, cost_of
from bench.testbed import REGION, Testbed, run_bench, running_testbed
from client.portfolios.order import OrderedPlan, PortfolioOrder
from client.portfolios.start import start_portfolio
from contract.identifiers import portfolio_workflow_id
from contract.portfolio.start import unpacked_portfolio
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.model import PortfolioMember
from recovery.portfolio.state import PortfolioState
from workflows.launcher.workflow import LauncherWorkflow
from workflows.portfolio.workflow import PortfolioWorkflow

_WAVES, _SERVERS = 4, 4
_POLL_STATE_SECONDS = 5.0
_SAMPLE_SECONDS = 0.5
_SERVERS_APPLIED = 500
_MOST_RATIO, _MOST_CORES, _MOST_MB, _MOST_KILLED_RATIO = 1.02, 1.0, 600.0, 1.05


@dataclass
class Processes:
    """The CPU time and memory of the stack's processes while a portfolio runs, also of killed ones.

    Attributes:
        peak_mb: the most resident memory of one process, by the kind of process.
    """

    testbed: Testbed
    peak_mb: dict[str, float] = field(default_factory=dict)
    _cpu: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)

    async def sample(self) -> None:
        """Sample until cancelled."""
        while True:
            self.read()
            await asyncio.sleep(_SAMPLE_SECONDS)

    def read(self) -> None:
        """Take one sample."""
        for name, part in list(self.testbed.stack.parts.items()):
            kind = "worker" if name.startswith("worker") else name
            if (process := part.process()) is None:
                continue
            try:
                now = sum(process.cpu_times()[:2])
                mb = process.memory_info().rss / 1e6
            except psutil.Error:
                continue
            first, _ = self._cpu.get((kind, part.pid), (now, now))
            self._cpu[kind, part.pid] = first, now
            self.peak_mb[kind] = max(self.peak_mb.get(kind, 0.0), mb)

    def cpu_seconds(self, kind: str) -> float:
        """The CPU seconds of all processes of a kind since the first sample."""
        return sum(last - first for (k, _), (first, last) in self._cpu.items() if k == kind)


@dataclass
class PortfolioRun:
    """One portfolio.

    Attributes:
        load: all its plans.
        start_seconds: from the call to the acceptance of the start.
        launched_twice: servers with more than one accepted StartRecovery.
    """

    load: Load
    run: Run
    processes: Processes
    workers: int
    killed: int = 0
    start_seconds: float = 0.0
    launched_twice: list[str] = field(default_factory=list)
    cost: TemporalCost = field(default_factory=TemporalCost)

    @property
    def cores(self) -> float:
        """The cores of all workers together at real time."""
        return self.processes.cpu_seconds("worker") / (self.run.wall_seconds * self.run.speed)


def _load(number: int, plans: int, accounts: int, seconds: float) -> list[Load]:
    """The plans by account: each account has quotas of its own."""
    loads = []
    for account in range(accounts):
        account_id = f"{500_000_000_000 + account}"
        times: dict[str, float] = {}
        made: list[RecoveryPlan] = []
        for which in range(account, plans, accounts):
            waves = []
            for place in range(_WAVES):
                first = ((number * plans + which) * _WAVES + place) * _SERVERS
                ids = [f"s-{0xF0000000 + first + each:017x}" for each in range(_SERVERS)]
                times |= dict.fromkeys(ids, seconds)
                before = [f"w{place - 1}"] if place else []
                role = f"arn:aws:iam::{account_id}:role/drs-waves"
                where = {"account_id": account_id, "role_arn": role}
                waves.append(new_wave(f"w{place}", ids, *before, **where))
            made.append(new_plan(f"portfolio-{number}-{which:03}", *waves))
        loads.append(Load(account_id, REGION, tuple(made), times))
    return loads


async def _apply(testbed: Testbed, loads: Sequence[Load]) -> None:
    servers = [entry | {"AccountId": load.name} for load in loads for entry in load.scenario]
    for start in range(0, len(servers), _SERVERS_APPLIED):
        await testbed.aws.apply(SourceServers=servers[start : start + _SERVERS_APPLIED])


class PortfolioRunner:
    """Runs portfolios one after another on one stack."""

    def __init__(self, testbed: Testbed, progress: Progress) -> None:
        self._testbed = testbed
        self._progress = progress
        self._number = 0

    async def run(
        self, plans: int, accounts: int, seconds: float, *, kill_half: bool = False
    ) -> PortfolioRun:
        """Run a portfolio to its end.

        Raises:
            RuntimeError: it did not complete.
        """
        self._number += 1
        testbed, portfolio_id = self._testbed, f"bench-{self._number}"
        loads = _load(self._number, plans, accounts, seconds)
        await _apply(testbed, loads)
        load = Load(
            portfolio_id,
            REGION,
            tuple(plan for each in loads for plan in each.plans),
            {i: s for each in loads for i, s in each.seconds.items()},
        )
        processes = Processes(testbed)
        result = PortfolioRun(
            load,
            Run(load, testbed.stack.speed, limit=max(each.limit for each in loads)),
            processes,
            len(testbed.workers.names),
        )
        order = PortfolioOrder(
            portfolio_id=portfolio_id,
            portfolio_name=portfolio_id,
            execution_type=ExecutionType.DRILL,
            plans=[OrderedPlan(PortfolioMember(plan)) for plan in load.plans],
            confirmation=portfolio_id,
        )
        sampling = asyncio.create_task(processes.sample())
        loop = asyncio.get_running_loop()
        try:
            began = loop.time()
            await start_portfolio(testbed.client, order, started_by="bench")
            result.start_seconds = loop.time() - began
            state = await self._follow(result, portfolio_id, kill_half=kill_half)
        finally:
            sampling.cancel()
        processes.read()
        ends = [each.report.end_time for each in state.plans if each.report]
        result.run.wall_seconds = max(end or 0.0 for end in ends) - state.start_time
        await self._read_ledger(result)
        since = datetime.fromtimestamp(state.start_time, UTC).isoformat()
        # The launchers also served the portfolio before.
        query = f"StartTime >= '{since}' OR WorkflowType = '{LauncherWorkflow.__name__}'"
        result.cost = await cost_of(testbed.client, query, since=state.start_time)
        return result

    async def _follow(
        self, result: PortfolioRun, portfolio_id: str, *, kill_half: bool
    ) -> PortfolioState:
        task = self._progress.add_task(portfolio_id, total=result.load.waves)
        handle = self._testbed.client.get_workflow_handle_for(
            PortfolioWorkflow.run, portfolio_workflow_id(portfolio_id)
        )
        while True:
            await asyncio.sleep(_POLL_STATE_SECONDS)
            try:
                state = unpacked_portfolio(await handle.query(PortfolioWorkflow.packed_status))
            except RPCError:
                # Without a free core, or right after a kill.
                continue
            self._show(task, portfolio_id, state)
            if state.is_over:
                break
            # The first waves are up, so that the second ones are launched now.
            if kill_half and not result.killed and _waves_up(state) >= len(state.plans) / 2:
                names = self._testbed.workers.names
                doomed = names[: len(names) // 2]
                await asyncio.gather(*map(self._testbed.workers.remove, doomed))
                result.killed = len(doomed)
        if state.status is not PlanStatus.COMPLETED:
            raise RuntimeError(f"{portfolio_id} ended {state.status}: {state.status_reason}")
        await handle.result()
        return state

    def _show(self, task: TaskID, portfolio_id: str, state: PortfolioState) -> None:
        up = _waves_up(state)
        self._progress.update(task, completed=up)
        if not self._progress.console.is_terminal:
            counts = Counter(each.status.value for each in state.plans)
            listed = ", ".join(f"{n} {status}" for status, n in counts.items())
            self._progress.console.print(f"{portfolio_id}: {up} waves up; plans: {listed}")

    async def _read_ledger(self, result: PortfolioRun) -> None:
        ledger = await self._testbed.aws.ledger()
        accepted = Counter(
            server
            for event in ledger["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED"
            for server in event["SourceServerIds"]
            if server in result.load.seconds
        )
        result.launched_twice = [server for server, count in accepted.items() if count != 1]
        jobs = [each for each in ledger["Jobs"] if _is_of(each, result.load.seconds)]
        result.run.jobs, result.run.lags = len(jobs), lags_of(result.load.plans, jobs)


def _waves_up(state: PortfolioState) -> int:
    return sum(each.report.waves_up for each in state.plans if each.report)


def _is_of(job: Mapping[str, Any], servers: Mapping[str, float]) -> bool:
    return any(each["SourceServerId"] in servers for each in job["Servers"])


async def bench(
    *, plans: int, accounts: int, workers: int, kill_half: bool, speed: float, seconds: float
) -> dict[str, PortfolioRun]:
    """Run the portfolios."""
    async with running_testbed(speed=speed, workers=workers, poll_seconds=POLL_SECONDS) as testbed:
        with progress_bars() as progress:
            runner = PortfolioRunner(testbed, progress)
            found = {"undisturbed": await runner.run(plans, accounts, seconds)}
            if kill_half:
                found["half killed"] = await runner.run(plans, accounts, seconds, kill_half=True)
            return found


def _table(found: Mapping[str, PortfolioRun], title: str) -> Table:
    table = figures_table(title, "", *found)
    rows: dict[str, Callable[[PortfolioRun], str]] = {
        "workers (killed)": lambda r: f"{r.workers} ({r.killed})",
        "limit s": lambda r: f"{r.run.limit:.0f}",
        "makespan s, wall clock": lambda r: f"{r.run.wall_seconds:.1f}",
        "makespan / limit, as run": lambda r: f"{r.run.ratio:.3f}",
        "makespan / limit at real durations": lambda r: f"{r.run.real_ratio:.4f}",
        "start accepted after s": lambda r: f"{r.start_seconds:.1f}",
        "lag s, median": lambda r: f"{statistics.median(r.run.lags):.2f}",
        "lag s, p95": lambda r: f"{statistics.quantiles(r.run.lags, n=20)[-1]:.2f}",
        "jobs": lambda r: f"{r.run.jobs}",
        "servers not launched exactly once": lambda r: f"{len(r.launched_twice)}",
        "worker cpu s": lambda r: f"{r.processes.cpu_seconds('worker'):.1f}",
        "worker cores at real time": lambda r: f"{r.cores:.3f}",
        "worker peak MB": lambda r: f"{r.processes.peak_mb['worker']:.0f}",
        "temporal cpu s": lambda r: f"{r.processes.cpu_seconds('temporal'):.1f}",
        "local AWS cpu s": lambda r: f"{r.processes.cpu_seconds('aws'):.1f}",
        "events a wave": lambda r: f"{r.cost.events.total() / r.load.waves:.1f}",
        "events of the portfolio": lambda r: f"{r.cost.events[PortfolioWorkflow.__name__]}",
        "longest workflow task s": lambda r: f"{r.cost.longest_task:.2f}",
    }
    for name, value in rows.items():
        table.add_row(name, *(value(each) for each in found.values()))
    return table


def _violations(found: Mapping[str, PortfolioRun]) -> list[str]:
    undisturbed = found["undisturbed"]
    problems = []
    for name, each in found.items():
        problems += [f"{name}: {i} was not launched exactly once" for i in each.launched_twice]
    if undisturbed.run.real_ratio > _MOST_RATIO:
        problems.append(f"the makespan is over {_MOST_RATIO:g} of the limit")
    if undisturbed.cores > _MOST_CORES or undisturbed.processes.peak_mb["worker"] > _MOST_MB:
        problems.append(f"the workers take over {_MOST_CORES:g} core or {_MOST_MB:g} MB")
    if (killed := found.get("half killed")) is not None:
        ratio = killed.run.real_ratio / undisturbed.run.real_ratio
        if ratio > _MOST_KILLED_RATIO:
            problems.append(f"with half of the workers killed: {ratio:.3f} of undisturbed")
    return problems


def main(  # noqa: PLR0917
    plans: Annotated[int, typer.Option(min=1, max=500, help="Number of plans.")] = 300,
    accounts: Annotated[int, typer.Option(min=1, help="Number of accounts.")] = 40,
    workers: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 1,
    kill_half: Annotated[
        bool, typer.Option("--kill-half", help="Then again, with half of the workers killed.")
    ] = False,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor.")] = 5.0,
    launch_seconds: Annotated[
        float, typer.Option(min=1, help="Of a server, before the speed factor.")
    ] = USUAL_SECONDS,
) -> None:
    """Measure a portfolio. The exit code is 1 if a goal is missed or a server launched twice."""
    if kill_half and workers == 1:
        raise typer.BadParameter("half of one worker cannot be killed; use --workers 2 or more")
    found = run_bench(
        bench(
            plans=plans,
            accounts=accounts,
            workers=workers,
            kill_half=kill_half,
            speed=speed,
            seconds=launch_seconds,
        )
    )
    title = f"{plans} plans of 4 waves of 4 servers over {accounts} accounts, speed {speed:g}"
    Console().print(_table(found, title))
    problems = _violations(found)
    for each in problems:
        Console(stderr=True).print(f"VIOLATION: {each}", markup=False)
    if problems:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
