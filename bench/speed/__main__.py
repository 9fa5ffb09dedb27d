"""Compares makespans with the limit of the graph and of DRS's quotas; see docs/speed.md.

The sandbox scales the waves but not the orchestration, so the ratio at speed N counts the overhead
N times. The ratio at real durations uses the measured overhead in wall-clock seconds.
"""

import asyncio
import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.speed.baselines import Baseline, levels, list_order, sequential
from bench.speed.chart import write_chart
from bench.speed.loads import LARGE, SINGLE, Load, LoadFactory, parallel, real_time, thousand_waves
from bench.speed.measurement import POLL_SECONDS, Run, WorkerUsage, quantile, run_loads
from bench.testbed import Testbed, run_bench, running_testbed, scratch_folder
from workflows.launcher.workflow import LauncherWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.wave.workflow import WaveWorkflow

# Each concurrent load uses its own Region, and so its own quotas.
_REGIONS = (
    "us-west-2", "us-east-1", "us-east-2", "us-west-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "eu-central-1", "eu-north-1", "eu-south-1", "ap-south-1", "ap-east-1", "ap-southeast-1",
    "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ca-central-1",
    "sa-east-1", "me-south-1", "af-south-1",
)  # fmt: skip
_CUTOFF = 3.0

Measured = tuple[list[Run], WorkerUsage]
BaselineFactory = Callable[[Load, str, float, float], Baseline]


class Bench:
    """Runs loads and baselines on one stack."""

    def __init__(self, testbed: Testbed, progress: Progress, *, speed: float) -> None:
        self._testbed = testbed
        self._progress = progress
        self._speed = speed
        self._numbers = itertools.count(1)

    async def run_drs_waves(
        self, what: str, load_factories: Sequence[LoadFactory], repeats: int
    ) -> list[Measured]:
        """Run loads concurrently, `repeats` times."""
        found = []
        task = self._progress.add_task(what, total=repeats)
        for _ in range(repeats):
            loads = [
                make_load(r, next(self._numbers))
                for make_load, r in zip(load_factories, _REGIONS, strict=False)
            ]
            found.append(await run_loads(self._testbed, loads, self._speed))
            self._progress.advance(task)
        return found

    async def run_baselines(
        self, factories: Sequence[tuple[LoadFactory, BaselineFactory]]
    ) -> list[Baseline]:
        """Run baselines concurrently, once: their results do not vary."""
        runs = []
        # In reverse order, because the loads of drs-waves use the first Regions at the same time.
        for (make_load, make), region in zip(factories, reversed(_REGIONS), strict=False):
            load = make_load(region, next(self._numbers))
            await self._testbed.aws.apply(SourceServers=load.scenario)
            cutoff = _CUTOFF * load.limit / self._speed
            runs.append(make(load, self._testbed.stack.aws_url, self._speed, cutoff))
        task = self._progress.add_task("baselines", total=len(runs))
        for each in asyncio.as_completed([run.run() for run in runs]):
            await each
            self._progress.advance(task)
        return runs


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:26}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)


async def bench(
    folder: Path,
    console: Console,
    *,
    speed: float,
    repeats: int,
    with_baselines: bool,
    only: str = "",
) -> tuple[dict[str, list[Run]], dict[str, list[WorkerUsage]], list[Baseline]]:
    """Run all loads and baselines at one speed."""
    runs: dict[str, list[Run]] = {}
    usage: dict[str, list[WorkerUsage]] = {}
    baseline_runs: list[Baseline] = []
    single = [make_load for make_load in SINGLE if only in _name_of(make_load)]
    large = [make_load for make_load in LARGE if only in _name_of(make_load)]
    rules = (list_order, sequential, levels)
    new_testbed = running_testbed(folder, speed=speed, workers=1, variables=_VARIABLES)
    with _progress(console) as progress:
        async with new_testbed as testbed:
            work = Bench(testbed, progress, speed=speed)

            async def measure(
                what: str, load_factories: Sequence[LoadFactory], count: int = repeats
            ) -> None:
                for measured, process in await work.run_drs_waves(what, load_factories, count):
                    for run in measured:
                        runs.setdefault(run.load.name, []).append(run)
                        usage.setdefault(run.load.name, []).append(process)
                        progress.console.print(f"{run.load.name}: {run.real_ratio:.4f}")

            if speed == 1:
                await measure("at real time", [real_time])
                return runs, usage, baseline_runs
            # Not measured: the first run imports modules and opens connections.
            await work.run_drs_waves("warm-up", [parallel], 1)
            if single:
                # The baselines of small plans use few resources and their own Regions.
                against = [
                    (make_load, rule) for make_load in single for rule in rules if with_baselines
                ]
                _, baseline_runs = await asyncio.gather(
                    measure("single plans", single), work.run_baselines(against)
                )
            for make_load in large:
                # The largest load takes as long as all others together.
                await measure(
                    _name_of(make_load), [make_load], 1 if make_load is thousand_waves else repeats
                )
            if with_baselines:
                baseline_runs += await work.run_baselines(
                    [(make_load, list_order) for make_load in large if make_load is LARGE[0]]
                )
    return runs, usage, baseline_runs


_VARIABLES = {"DRS_WAVES_POLL_SECONDS": f"{POLL_SECONDS:g}"}


def _name_of(make_load: LoadFactory) -> str:
    return make_load(_REGIONS[0], 0).name


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _drs_waves_table(runs: dict[str, list[Run]], speed: float) -> Table:
    table = Table(title=f"drs-waves at speed {speed:g}, medians")
    columns = ("", "runs", "limit s", "as run", "real", "lag s", "p95", "jobs", "polls/interval",
               "refused")  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    for name, each in runs.items():
        lags = [lag for run in each for lag in run.lags]
        table.add_row(
            name,
            str(len(each)),
            f"{each[0].load.limit:.0f}",
            f"{_median([run.ratio for run in each]):.3f}",
            f"{_median([run.real_ratio for run in each]):.4f}",
            f"{_median(lags):.2f}" if lags else "-",
            f"{quantile(lags, 0.95):.2f}" if lags else "-",
            f"{_median([run.jobs for run in each]):.0f}",
            f"{_median([run.polls_per_interval for run in each]):.2f}",
            f"{sum(run.refusals.total() for run in each)}",
        )
    return table


def _cost_table(runs: dict[str, list[Run]]) -> Table:
    table = Table(
        title="Temporal: events and billable actions per wave",
        caption="Without heartbeats and queries, which are not in histories.",
    )
    for name in ("", *_PARTS, "all events", "all actions"):
        table.add_column(name, justify="right" if name else "left")
    for name, each in runs.items():
        cells = []
        for kind in _PARTS.values():
            events = _median([run.cost.events[kind] / run.load.waves for run in each])
            actions = _median([run.cost.actions[kind] / run.load.waves for run in each])
            cells.append(f"{events:.1f} / {actions:.1f}")
        events = _median([run.cost.events.total() / run.load.waves for run in each])
        actions = _median([run.cost.actions.total() / run.load.waves for run in each])
        table.add_row(name, *cells, f"{events:.1f}", f"{actions:.1f}")
    return table


_PARTS = {
    "plan": RecoveryPlanWorkflow.__name__,
    "wave": WaveWorkflow.__name__,
    "launcher": LauncherWorkflow.__name__,
}


def _worker_table(runs: dict[str, list[Run]], usage: dict[str, list[WorkerUsage]]) -> Table:
    table = Table(title="The worker, and the longest history")
    for name in ("", "cpu s", "cores at real time", "peak MB", "plan events", "longest task s"):
        table.add_column(name, justify="right" if name else "left")
    for name, each in runs.items():
        if len(each[0].load.plans) == 1 and each[0].load.waves < 1000:
            # It ran concurrently with others.
            continue
        cpu = _median([process.cpu_seconds for process in usage[name]])
        table.add_row(
            name,
            f"{cpu:.1f}",
            f"{cpu / _median([run.wall_seconds * run.speed for run in each]):.3f}",
            f"{max(process.peak_mb for process in usage[name]):.0f}",
            f"{max(run.longest_plan_events for run in each)}",
            f"{max(run.longest_task for run in each):.2f}",
        )
    return table


def _compared(
    runs: dict[str, list[Run]], baseline_runs: Sequence[Baseline], speed: float
) -> dict[str, dict[str, float | None]]:
    """Makespan divided by the limit at real durations, by load and launch method."""
    found: dict[str, dict[str, float | None]] = {}
    for name, each in runs.items():
        found[name] = {"drs-waves": _median([run.real_ratio for run in each])}
    for run in baseline_runs:
        # All of its time is scaled: the poll intervals and the durations of DRS.
        ratio = None if run.seconds is None else run.seconds * speed / run.load.limit
        found[run.load.name][run.name] = ratio
    return found


def _comparison_table(compared: dict[str, dict[str, float | None]], refused: int) -> Table:
    names = ("drs-waves", "levels", "list order", "sequential")
    table = Table(
        title="Makespan / limit (1 is the limit of the graph and the quotas)",
        caption=f"DRS rejected {refused} calls of the baselines (quotas, servers in jobs).",
    )
    for name in ("", *names):
        table.add_column(name, justify="right" if name else "left")
    for load, by_name in compared.items():
        cells = []
        for name in names:
            value = by_name.get(name)
            over_cutoff = f"> {_CUTOFF:g}" if name in by_name else "-"
            cells.append(over_cutoff if value is None else f"{value:.2f}")
        table.add_row(load, *cells)
    return table


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    speed: Annotated[float, typer.Option(min=1, help="Speed factor. 1 runs one load only.")] = 30.0,
    runs: Annotated[int, typer.Option(min=1, help="Number of runs of each load.")] = 3,
    only: Annotated[str, typer.Option(help="Run only loads whose name contains this text.")] = "",
    baselines: Annotated[bool, typer.Option(help="Also run simpler launch methods.")] = True,
    chart: Annotated[Path | None, typer.Option(help="Write the comparison as an SVG file.")] = None,
) -> None:
    """Measure makespans and compare them with simpler launch methods. Takes about 30 minutes."""
    names = [_name_of(make_load) for make_load in (*SINGLE, *LARGE)]
    if not any(only in name for name in names):
        raise typer.BadParameter(f"no load has {only!r} in its name: {'; '.join(names)}")
    console = Console(stderr=True)
    out = Console(width=140)
    keep = [False]
    with scratch_folder(keep) as folder:
        work = bench(
            folder, console, speed=speed, repeats=runs, with_baselines=baselines, only=only
        )
        measured_runs, usage, baseline_runs = run_bench(work)
    out.print(_drs_waves_table(measured_runs, speed))
    out.print(_cost_table(measured_runs))
    out.print(_worker_table(measured_runs, usage))
    if baseline_runs:
        compared = _compared(measured_runs, baseline_runs, speed)
        refused = sum(run.refusals.total() for run in baseline_runs)
        out.print(_comparison_table(compared, refused))
        if chart is not None:
            write_chart(compared, chart, cutoff=_CUTOFF)


if __name__ == "__main__":
    app()
