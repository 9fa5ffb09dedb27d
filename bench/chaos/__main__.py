"""`python -m bench.chaos`: many random drills at once, with random faults in all of them."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from bench.chaos.action_runner import ActionRunner
from bench.chaos.customer import run_customer_workers
from bench.chaos.drill_run import DrillRun
from bench.chaos.generation.script import generate_script
from bench.chaos.results import RunResults
from bench.testbed import Testbed, run_bench, running_testbed

_SPEED = 300.0
_WORKERS = 2
# 1 s at this speed. Two cores, of which others take a share, cannot serve more polls.
_POLL_SECONDS = 300.0
_QUOTAS = {"JobsInProgress": 40, "ServersInAllJobs": 500}
_REFRESH_SECONDS = 1.0
_PROGRESS_SECONDS = 30.0
_NOT_CONNECTED = 5


async def bench(
    console: Console, *, seed: str, drills: Sequence[int], at_once: int, keep: bool
) -> RunResults:
    """Run these drills of a seed."""
    results = RunResults(len(drills))
    async with running_testbed(
        speed=_SPEED, workers=_WORKERS, proxied=True, poll_seconds=_POLL_SECONDS
    ) as testbed:
        folder = testbed.stack.folder
        console.print(f"Seed {seed}; logs are in {folder}", markup=False)
        await testbed.aws.apply(Quotas=_QUOTAS)
        started = time.monotonic()
        action_runner = ActionRunner(testbed, results)
        semaphore = asyncio.Semaphore(at_once)

        async def run(number: int) -> None:
            async with semaphore:
                script = generate_script(seed, number, testbed.stack.aws_url)
                drill = DrillRun(testbed, script, action_runner, results)
                result = await drill.run()
                results.drill_results.append(result)
                for line in result.lines(seed=seed) if result.violations else []:
                    console.print(line, markup=False, soft_wrap=True)

        # A failure of the action runner must fail the run: without faults, it proves nothing.
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(action_runner.follow()),
                background.create_task(run_customer_workers(testbed.stack.env["TEMPORAL_ADDRESS"])),
                background.create_task(_show(console, testbed, results, started)),
            ]
            async with asyncio.TaskGroup() as group:
                for number in drills:
                    group.create_task(run(number))
            for task in tasks:
                task.cancel()
        await _update(results, testbed, started)
        testbed.keep_logs = keep or bool(results.violating)
    for name, code in testbed.workers.unexpected_exits.items():
        # A worker that starts while Temporal is down exits with this code.
        if code != _NOT_CONNECTED:
            text = "did not exit after a signal" if code is None else f"exited with code {code}"
            console.print(f"{name} {text}: see {folder / name}.log", markup=False)
    return results


async def _update(results: RunResults, testbed: Testbed, started: float) -> None:
    results.seconds = time.monotonic() - started
    results.faults = await testbed.aws.faults_applied()


async def _show(console: Console, testbed: Testbed, results: RunResults, started: float) -> None:
    """Show the results during the run: a live table on a terminal, lines elsewhere."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS if console.is_terminal else _PROGRESS_SECONDS)
            await _update(results, testbed, started)
            if console.is_terminal:
                live.update(results.table(), refresh=True)
            else:
                outcomes = ", ".join(f"{count} {outcome}" for outcome, count in results.outcomes)
                console.print(f"{results.title}: {outcomes}")


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
    results = run_bench(bench(console, seed=seed, drills=numbers, at_once=at_once, keep=keep))
    Console().print(results.table())
    Console().print(f"Seed {seed}, speed {_SPEED:g}, {_WORKERS} workers.", markup=False)
    for line in results.violation_lines(seed=seed):
        Console().print(line, markup=False, soft_wrap=True)
    if results.violating:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
