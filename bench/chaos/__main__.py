"""`python -m bench.chaos`: many random drills at once, with random faults in all of them."""

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
# 0.5 s at this speed. Two cores cannot serve more polls.
_POLL_SECONDS = 150.0
_QUOTAS = {"JobsInProgress": 40, "ServersInAllJobs": 500}
_REFRESH_SECONDS = 1.0
_PROGRESS_SECONDS = 30.0
_NOT_CONNECTED = 5


async def bench(
    folder: Path, console: Console, *, seed: str, drills: Sequence[int], at_once: int
) -> tuple[RunResults, float]:
    """Run these drills of a seed. Returns the results and the duration in seconds."""
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

        # A failure of the action runner must fail the run: without faults, it proves nothing.
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
        # A worker that starts while Temporal is down exits with this code.
        unexpected_exits = {
            n: code
            for n, code in testbed.workers.unexpected_exits.items()
            if code != _NOT_CONNECTED
        }
        for name, code in unexpected_exits.items():
            text = f"exited with code {code}" if code is not None else "did not exit after SIGTERM"
            console.print(f"{name} {text}: see {folder / name}.log", markup=False)
    return results, seconds


async def _show(
    console: Console, testbed: Testbed, results: RunResults, drills: int, started: float
) -> None:
    """Show the results during the run: a live table on a terminal, lines elsewhere."""
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
    drills: Annotated[int, typer.Option(min=1, help="Number of drills.")] = 200,
    seed: Annotated[
        str, typer.Option(help="Seed of all random choices. Default: a new seed.")
    ] = "",
    at_once: Annotated[int, typer.Option(min=1, help="Number of concurrent drills.")] = 40,
    only: Annotated[
        int | None, typer.Option(min=0, metavar="DRILL", help="Run only this drill of the seed.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the logs even if all drills pass.")
    ] = False,
) -> None:
    """Run random drills with seeded faults. The exit code is 1 if an invariant is violated."""
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
            console.print(f"Logs and evidence of these drills are in {folder}", markup=False)
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
