"""Measures the delay of a dependent wave after the worker that watches its dependency is killed.

The plan is a chain of two waves. In a disturbed round, the worker that watches the first wave
receives SIGKILL after its last poll before the server is LAUNCHED. It is the only worker at the
start of the plan, so it also caches the workflows. The measured time is from LAUNCH_END of the
server to StartRecovery of the second wave, from the ledger of the local AWS. Run it with
`python -m bench.worker_death`.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.sandbox_client import CallLogPoller
from bench.testbed import (
    ACCOUNT,
    REGION,
    Testbed,
    run_bench,
    running_testbed,
    scratch_folder,
)
from client.start import start_execution
from recovery.plan.model import MAX_SECONDS, Dependency, RecoveryPlan, Server, Wave
from settings import Settings, get_settings

_POLL_SECONDS = 15.0
# The jitter of the poll interval is 0.8 to 1.2, so the last poll before LAUNCH_END is within this.
_LAST_POLL_INTERVALS = 1.25
_STALL_TIMEOUT_SECONDS = 180.0


class StalledError(Exception):
    """A round did not continue. The message contains the missing call."""


@dataclass(frozen=True)
class Bound:
    """The maximum delay and its parts, in wall-clock seconds."""

    speed: float
    settings: Settings = field(default_factory=get_settings)

    @property
    def poll(self) -> float:
        """The longest interval between two polls of a job."""
        return _POLL_SECONDS / self.speed * 1.2

    @property
    def seconds(self) -> float:
        """The whole of it."""
        lost = self.settings.heartbeat_timeout_seconds + self.settings.sticky_timeout_seconds
        return lost + self.poll

    def __str__(self) -> str:
        heartbeat, sticky = (
            self.settings.heartbeat_timeout_seconds,
            self.settings.sticky_timeout_seconds,
        )
        return (
            f"{self.seconds:.2f} s = heartbeat timeout {heartbeat:g} s "
            f"+ sticky timeout {sticky:g} s + one poll {self.poll:.2f} s "
            f"({_POLL_SECONDS:g} s / speed {self.speed:g}, with jitter)"
        )


@dataclass
class Round:
    """One run of the chain.

    Attributes:
        gap: seconds from LAUNCH_END of the first wave to StartRecovery of the second.
        killed_before: seconds from the kill to LAUNCH_END; None in an undisturbed round.
    """

    gap: float
    killed_before: float | None = None


@dataclass
class Measurement:
    """All rounds."""

    undisturbed: list[Round] = field(default_factory=list)
    disturbed: list[Round] = field(default_factory=list)

    @property
    def undisturbed_median(self) -> float:
        """The median of the undisturbed gaps, in seconds."""
        return statistics.median(r.gap for r in self.undisturbed)

    @property
    def delays(self) -> list[float]:
        """The gaps of the disturbed rounds minus the undisturbed median, in seconds."""
        return [r.gap - self.undisturbed_median for r in self.disturbed]


class RoundRunner:
    """Runs the rounds."""

    def __init__(self, testbed: Testbed, calls: CallLogPoller) -> None:
        self._testbed = testbed
        self._calls = calls
        self._number = 0

    async def undisturbed(self) -> Round:
        """Run a round without a kill."""
        first, second = await self._begin()
        await self._wait_for_call("StartRecovery", second)
        return Round(await self._gap(first, second))

    async def disturbed(self) -> Round:
        """Run a round that kills the watching worker. A standby worker continues."""
        testbed = self._testbed
        first, second = await self._begin()
        await self._wait_for_call("StartRecovery", first)
        job = await self._job_of(first)
        launch_end = float(job["Servers"][0]["FinalTime"])
        await testbed.workers.add()
        margin = _LAST_POLL_INTERVALS * _POLL_SECONDS / testbed.stack.speed
        while True:
            # One poll is for all watched jobs, so it contains no job ID.
            poll = await self._wait_for_call("DescribeJobs", None)
            if poll["Time"] + margin > launch_end:
                break
        if not await testbed.workers.remove(poll["Caller"]):
            raise StalledError(f"{poll['Caller']} ended before it could be killed")
        killed = time.time()
        await self._wait_for_call("StartRecovery", second)
        return Round(await self._gap(first, second), launch_end - killed)

    async def _begin(self) -> tuple[str, str]:
        """Start the chain. Returns the servers of the first and the second wave."""
        self._number += 1
        ids = [f"s-{0xDEAD0000 + 2 * self._number + place:017x}" for place in (0, 1)]
        await self._testbed.aws.apply(
            SourceServers=[{"SourceServerId": i, "Region": REGION} for i in ids]
        )
        common: dict[str, Any] = {"region": REGION, "account_id": ACCOUNT}
        waves = [
            Wave(
                wave_id=name,
                servers=[Server(source_server_id=server_id)],
                dependencies=[Dependency(depends_on_wave_id=d) for d in after],
                timeout_seconds=MAX_SECONDS,
                **common,
            )
            for name, server_id, after in (
                ("database", ids[0], ()),
                ("app", ids[1], ("database",)),
            )
        ]
        plan_id = f"death-{self._number}"
        plan = RecoveryPlan(plan_id=plan_id, deadline_seconds=MAX_SECONDS, waves=waves)
        await start_execution(self._testbed.client, plan)
        return ids[0], ids[1]

    async def _wait_for_call(self, operation: str, subject: str | None) -> dict[str, Any]:
        deadline = time.monotonic() + _STALL_TIMEOUT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            entry = await self._calls.next(within=left)
            if entry is None:
                break
            matches = subject is None or subject in entry["Subjects"]
            if entry["Operation"] == operation and matches:
                return entry
        raise StalledError(
            f"no {operation} call for {subject or 'jobs'} in {_STALL_TIMEOUT_SECONDS:g} s"
        )

    async def _job_of(self, server_id: str) -> dict[str, Any]:
        for backend in (await self._testbed.aws.ledger())["Backends"]:
            for job in backend["Jobs"]:
                if any(s["SourceServerId"] == server_id for s in job["Servers"]):
                    return dict(job)
        raise StalledError(f"no job launches {server_id}")

    async def _gap(self, first: str, second: str) -> float:
        launched = (await self._job_of(first))["Servers"][0]["FinalTime"]
        return float((await self._job_of(second))["Created"] - launched)


async def bench(folder: Path, console: Console, *, rounds: int, speed: float) -> Measurement:
    """Measure `rounds` rounds of each kind."""
    found = Measurement()
    variables = {"DRS_WAVES_POLL_SECONDS": f"{_POLL_SECONDS:g}"}
    async with running_testbed(folder, speed=speed, workers=1, variables=variables) as testbed:
        columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            task = progress.add_task("rounds", total=2 * rounds)
            async with CallLogPoller(testbed.aws) as calls:
                chain = RoundRunner(testbed, calls)
                # Not measured: the first round imports modules and opens connections.
                await chain.undisturbed()
                for _ in range(rounds):
                    found.undisturbed.append(await chain.undisturbed())
                    progress.advance(task)
                for _ in range(rounds):
                    found.disturbed.append(await chain.disturbed())
                    progress.advance(task)
                    await asyncio.sleep(_POLL_SECONDS / speed)
    return found


def _table(found: Measurement, bound: Bound) -> Table:
    table = Table(
        title=f"From LAUNCH_END to the dependent wave's StartRecovery, speed {bound.speed:g}"
    )
    for name in ("", "rounds", "median s", "max s"):
        table.add_column(name, justify="right" if name else "left")

    def add(name: str, values: Sequence[float]) -> None:
        row = f"{statistics.median(values):.2f}", f"{max(values):.2f}"
        table.add_row(name, f"{len(values)}", *row)

    add("undisturbed", [r.gap for r in found.undisturbed])
    add("watching worker killed", [r.gap for r in found.disturbed])
    add("  kill to LAUNCH_END", [r.killed_before or 0.0 for r in found.disturbed])
    add("added delay", found.delays)
    return table


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds of each kind.")] = 10,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor.")] = 60.0,
) -> None:
    """Measure the delay that a killed worker adds. The exit code is 1 if it exceeds the bound."""
    console = Console(stderr=True)
    keep = [True]
    with scratch_folder(keep) as folder:
        console.print(f"Logs are in {folder} if a round stalls", markup=False)
        found = run_bench(bench(folder, console, rounds=rounds, speed=speed))
        bound = Bound(speed)
        over = [delay for delay in found.delays if delay > bound.seconds]
        keep[:] = [bool(over)]
        Console().print(_table(found, bound))
        Console().print(
            f"Bound: {bound}; the speed does not scale the heartbeat and sticky timeouts.",
            markup=False,
        )
        if over:
            console.print(f"VIOLATION: {len(over)} of {rounds} delays exceed the bound")
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
