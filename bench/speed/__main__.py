"""Compares makespans with the limit of the graph and of DRS's quotas; see docs/speed.md.

The sandbox scales the waves but not the orchestration, so the ratio at speed N counts the overhead
N times. The ratio at real durations uses the measured overhead in wall-clock seconds.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from bench.display import progress_bars
from bench.speed.baselines import AWS_PLANS, LIST_ORDER, METHODS, Baseline, LaunchMethod
from bench.speed.chart import write_chart
from bench.speed.loads import (
    HUNDRED_PLANS,
    PARALLEL,
    REAL_TIME,
    SINGLE,
    THOUSAND_WAVES,
    LoadTemplate,
)
from bench.speed.measurement import POLL_SECONDS, Run, run_loads
from bench.speed.report import (
    causes_table,
    comparison_table,
    cost_table,
    drs_waves_table,
    makespans,
    worker_table,
)
from bench.testbed import REGIONS, Testbed, run_bench, running_testbed

_EVENT_REGIONS = REGIONS[1 : 1 + len(SINGLE)]
# A message costs the local AWS some 10 ms, which 400 servers that are up at once would wait for.
_LARGE_REGIONS = REGIONS[1 + len(SINGLE) :]


@dataclass
class Bench:
    """Runs loads and baselines, on one stack after another.

    Each concurrent load uses its own Region, and so its own quotas.

    Attributes:
        testbed: the stack.
        runs: the runs of drs-waves by load.
    """

    progress: Progress
    testbed: Testbed = field(init=False)
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    baselines: list[Baseline] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    # Each run of a large load has a Region of its own, without the servers of earlier ones.
    _large_regions: Iterator[str] = field(default_factory=lambda: itertools.cycle(_LARGE_REGIONS))

    @asynccontextmanager
    async def on_stack(self, *, speed: float, events: bool) -> AsyncIterator[None]:
        """Run on a new stack, with DRS's launch results or without, in the block."""
        async with running_testbed(
            speed=speed,
            workers=1,
            event_regions=_EVENT_REGIONS if events else (),
            poll_seconds=POLL_SECONDS,
        ) as self.testbed:
            yield

    async def warm_up(self) -> None:
        """Not measured: the first run imports modules and opens connections."""
        await self.run_drs_waves("warm-up", [PARALLEL], 1, record=False)

    async def run_drs_waves(
        self, what: str, templates: Sequence[LoadTemplate], repeats: int, *, record: bool = True
    ) -> None:
        """Run loads concurrently, `repeats` times; large ones without launch results."""
        is_small = all(template in SINGLE for template in templates)
        task = self.progress.add_task(what, total=repeats)
        for _ in range(repeats):
            regions = _EVENT_REGIONS if is_small else [next(self._large_regions)]
            loads = [
                template.load(region, next(self._numbers))
                for template, region in zip(templates, regions, strict=False)
            ]
            for run in await run_loads(self.testbed, loads):
                if record:
                    self.runs[run.load.name].append(run)
                    self.progress.console.print(f"{run.load.name}: {run.real_ratio:.4f}")
            self.progress.advance(task)

    async def run_baselines(self, chosen: Sequence[tuple[LoadTemplate, LaunchMethod]]) -> None:
        """Run baselines concurrently, once: their results do not vary."""
        stack = self.testbed.stack
        baselines = []
        # In reverse order, because the loads of drs-waves use the first Regions at the same time.
        for (template, method), region in zip(chosen, reversed(REGIONS), strict=False):
            load = template.load(region, next(self._numbers))
            await self.testbed.aws.apply(SourceServers=load.scenario)
            baselines.append(Baseline(method, load, stack.aws_url, stack.speed))
        task = self.progress.add_task("baselines", total=len(baselines))
        for each in asyncio.as_completed([baseline.run() for baseline in baselines]):
            await each
            self.progress.advance(task)
        self.baselines += baselines


def _is_chosen(name: str, only: Sequence[str]) -> bool:
    return not only or any(part in name for part in only)


async def bench(
    *,
    speed: float,
    large_speed: float,
    repeats: int,
    with_baselines: bool,
    only: Sequence[str],
    events: bool,
) -> Bench:
    """Run all loads and baselines: small ones at one speed, then large ones at another."""
    single = [template for template in SINGLE if _is_chosen(template.name, only)]
    large = [t for t in (HUNDRED_PLANS, THOUSAND_WAVES) if _is_chosen(t.name, only)]
    methods = METHODS if with_baselines else ()
    with progress_bars() as progress:
        work = Bench(progress)
        if speed == 1:
            async with work.on_stack(speed=1, events=events):
                await work.run_drs_waves("at real time", [REAL_TIME], repeats)
            return work
        if single:
            async with work.on_stack(speed=speed, events=events):
                await work.warm_up()
                # The baselines of small plans use few resources and their own Regions.
                await asyncio.gather(
                    work.run_drs_waves("single plans", single, repeats),
                    work.run_baselines(list(itertools.product(single, methods))),
                )
        if large:
            async with work.on_stack(speed=large_speed, events=False):
                await work.warm_up()
                for template in large:
                    await work.run_drs_waves(template.name, [template], repeats)
                # They would take from the makespans above, so they run afterwards.
                compared = (
                    (HUNDRED_PLANS, LIST_ORDER),
                    (HUNDRED_PLANS, AWS_PLANS),
                    (THOUSAND_WAVES, AWS_PLANS),
                )
                if with_baselines:
                    await work.run_baselines([each for each in compared if each[0] in large])
        return work


def main(
    *,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor. 1 runs one load only.")] = 30.0,
    large_speed: Annotated[
        float, typer.Option(min=2, help="Speed factor of 100 plans and 1,000 waves.")
    ] = 5.0,
    runs: Annotated[int, typer.Option(min=1, help="Number of runs of each load.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help="Run only loads whose name contains one of these.")
    ] = None,
    baselines: Annotated[bool, typer.Option(help="Also run simpler launch methods.")] = True,
    events: Annotated[bool, typer.Option(help="Send DRS's launch results to the worker.")] = True,
    chart: Annotated[Path | None, typer.Option(help="Write the comparison as an SVG file.")] = None,
) -> None:
    """Measure makespans and compare them with simpler launch methods. Takes about 80 minutes."""
    names = [template.name for template in (*SINGLE, HUNDRED_PLANS, THOUSAND_WAVES)]
    if not any(_is_chosen(name, only or []) for name in names):
        raise typer.BadParameter(f"no load has {only!r} in its name: {'; '.join(names)}")
    out = Console(width=140)
    work = run_bench(
        bench(
            speed=speed,
            large_speed=large_speed,
            repeats=runs,
            with_baselines=baselines,
            only=only or [],
            events=events,
        )
    )
    out.print(drs_waves_table(work.runs))
    out.print(cost_table(work.runs))
    out.print(causes_table(work.runs))
    out.print(worker_table(work.runs))
    if work.baselines:
        compared = makespans(work.runs, work.baselines)
        out.print(comparison_table(compared, sum(run.refusals for run in work.baselines)))
        if chart is not None:
            write_chart(compared, chart)


if __name__ == "__main__":
    typer.run(main)
