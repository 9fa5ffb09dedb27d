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

from bench.chaos.adversary import Adversary
from bench.chaos.drills import DrillRun
from bench.chaos.report import complaints, figures
from bench.chaos.script import draw_script
from bench.chaos.tally import Tally
from bench.testbed import Testbed, run_to_its_end, running_testbed, scratch_folder

_SPEED = 300.0
_WORKERS = 2
# Half a second apart at this speed: two cores cannot answer more.
_POLL_SECONDS = 150.0
_QUOTAS = {"JobsInProgress": 40, "ServersInAllJobs": 500}
_SHOW_SECONDS = 1.0
_TELL_SECONDS = 30.0
_NOT_CONNECTED = 5


async def bench(
    folder: Path, console: Console, *, seed: str, drills: Sequence[int], at_once: int
) -> tuple[Tally, float]:
    """Run these drills of a seed; returns what was counted, and the seconds that it took."""
    tally = Tally()
    variables = {"DRS_WAVES_POLL_SECONDS": f"{_POLL_SECONDS:g}"}
    async with running_testbed(
        folder, speed=_SPEED, workers=_WORKERS, linked=True, variables=variables
    ) as bed:
        await bed.aws.apply(Quotas=_QUOTAS)
        began = time.monotonic()
        adversary = Adversary(bed, tally)
        gate = asyncio.Semaphore(at_once)

        async def run(number: int) -> None:
            async with gate:
                script = draw_script(seed, number)
                drill = DrillRun(bed, script, number, adversary, tally, folder)
                tally.verdicts.append(await drill.run())

        # A group, because without its adversary a run would prove nothing.
        async with asyncio.TaskGroup() as beside:
            others = [
                beside.create_task(adversary.follow()),
                beside.create_task(_show(console, bed, tally, len(drills), began)),
            ]
            async with asyncio.TaskGroup() as group:
                for number in drills:
                    group.create_task(run(number))
            for task in others:
                task.cancel()
        seconds = time.monotonic() - began
        tally.faults = (await bed.aws.calls())["FaultsApplied"]
        # A worker that comes up while Temporal is away says so and ends.
        deaths = {n: code for n, code in bed.workers.deaths.items() if code != _NOT_CONNECTED}
        for name, code in deaths.items():
            told = f"ended by itself with code {code}" if code is not None else "ignored SIGTERM"
            console.print(f"{name} {told}: see {folder / name}.log", markup=False)
    return tally, seconds


async def _show(console: Console, bed: Testbed, tally: Tally, drills: int, began: float) -> None:
    """Show the figures as they grow; as a line now and then where nothing can be redrawn."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            seconds = time.monotonic() - began
            told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(tally.outcomes.items()))
            console.print(f"{len(tally.verdicts)} of {drills} drills in {seconds:.0f} s: {told}")
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(_SHOW_SECONDS)
            tally.faults = (await bed.aws.calls())["FaultsApplied"]
            seconds = time.monotonic() - began
            live.update(figures(tally, drills=drills, seconds=seconds), refresh=True)


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
        tally, seconds = run_to_its_end(work)
        kept[:] = [keep or bool(tally.broken)]
        Console().print(figures(tally, drills=len(numbers), seconds=seconds))
        Console().print(f"Seed {seed}, speed {_SPEED:g}, {_WORKERS} workers.", markup=False)
        for line in complaints(tally, seed=seed):
            Console().print(line, markup=False, soft_wrap=True)
        if tally.broken:
            console.print(f"Logs and facts of these drills are in {folder}", markup=False)
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
