"""`python -m bench.chaos`: many random drills at once, and an adversary that lets none in peace."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from bench.chaos.action_runner import ActionRunner
from bench.chaos.drill_run import DrillRun
from bench.chaos.report import results_table, violation_lines
from bench.chaos.run_results import RunResults
from bench.chaos.script import generate_script
from bench.testbed import Testbed, run_bench, running_testbed, scratch_folder

_SPEED = 300.0
_WORKERS = 2
# Half a second apart at this speed: two cores cannot answer more.
_POLL_SECONDS = 150.0
_QUOTAS = {"JobsInProgress": 40, "ServersInAllJobs": 500}
_REFRESH_SECONDS = 1.0
_PROGRESS_SECONDS = 30.0
_NOT_CONNECTED = 5


async def bench(
    folder: Path, console: Console, *, seed: str, drills: Sequence[int], at_once: int
) -> tuple[RunResults, float]:
    """Run these drills of a seed; returns what was counted, and the seconds that it took."""
    results = RunResults()
    variables = {"DRS_WAVES_POLL_SECONDS": f"{_POLL_SECONDS:g}"}
    async with running_testbed(
        folder, speed=_SPEED, workers=_WORKERS, proxied=True, variables=variables
    ) as testbed:
        await testbed.aws.apply(Quotas=_QUOTAS)
        started = time.monotonic()
        action_runner = ActionRunner(testbed, results)
        semaphore = asyncio.Semaphore(at_once)

        async def run(number: int) -> None:
            async with semaphore:
                script = generate_script(seed, number)
                drill = DrillRun(testbed, script, number, action_runner, results, folder)
                results.drill_results.append(await drill.run())

        # A group, because without its adversary a run would prove nothing.
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(action_runner.follow()),
                background.create_task(_show(console, testbed, results, len(drills), started)),
            ]
            async with asyncio.TaskGroup() as group:
                for number in drills:
                    group.create_task(run(number))
            for task in tasks:
                task.cancel()
        seconds = time.monotonic() - started
        results.faults = (await testbed.aws.calls())["FaultsApplied"]
        # A worker that comes up while Temporal is away says so and ends.
        unexpected_exits = {
            n: code
            for n, code in testbed.workers.unexpected_exits.items()
            if code != _NOT_CONNECTED
        }
        for name, code in unexpected_exits.items():
            text = f"ended by itself with code {code}" if code is not None else "ignored SIGTERM"
            console.print(f"{name} {text}: see {folder / name}.log", markup=False)
    return results, seconds


async def _show(
    console: Console, testbed: Testbed, results: RunResults, drills: int, started: float
) -> None:
    """Show the figures as they grow; as a line now and then where nothing can be redrawn."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            seconds = time.monotonic() - started
            text = ", ".join(f"{n} {outcome}" for outcome, n in sorted(results.outcomes.items()))
            console.print(
                f"{len(results.drill_results)} of {drills} drills in {seconds:.0f} s: {text}"
            )
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            results.faults = (await testbed.aws.calls())["FaultsApplied"]
            seconds = time.monotonic() - started
            live.update(results_table(results, drills=drills, seconds=seconds), refresh=True)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    drills: Annotated[int, typer.Option(min=1, help="How many drills.")] = 200,
    seed: Annotated[
        str, typer.Option(help="What everything is drawn from; default: a new one.")
    ] = "",
    at_once: Annotated[int, typer.Option(min=1, help="How many drills run at a time.")] = 40,
    only: Annotated[
        int | None, typer.Option(min=0, metavar="DRILL", help="Repeat this one drill of the seed.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the logs in any case.")] = False,
) -> None:
    """Run random drills against a seeded adversary; exit code 1 if anything was violated."""
    console = Console(stderr=True)
    seed = seed or secrets.token_hex(4)
    numbers = range(drills) if only is None else [only]
    kept = [True]
    with scratch_folder(kept) as folder:
        console.print(f"Seed {seed}; logs are in {folder}", markup=False)
        work = bench(folder, console, seed=seed, drills=numbers, at_once=at_once)
        results, seconds = run_bench(work)
        kept[:] = [keep or bool(results.violating)]
        Console().print(results_table(results, drills=len(numbers), seconds=seconds))
        Console().print(f"Seed {seed}, speed {_SPEED:g}, {_WORKERS} workers.", markup=False)
        for line in violation_lines(results, seed=seed):
            Console().print(line, markup=False, soft_wrap=True)
        if results.violating:
            console.print(f"Logs and facts of these drills are in {folder}", markup=False)
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
