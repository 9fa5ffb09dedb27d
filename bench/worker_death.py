"""Measures the delay of launches after a worker is killed that watches, launches or queues.

The plan is a chain of two waves. In a disturbed round, the worker that watches the first wave
receives SIGKILL after its last poll before the server is LAUNCHED. It is the only worker at the
start of the plan, so it also caches the workflows. The measured time is from LAUNCH_END of the
server to StartRecovery of the second wave, from the ledger of the local AWS.

In two more kinds of rounds, the worker that runs the launcher receives SIGKILL, idle or with a
StartRecovery that DRS has not answered, and the next plan starts. The measured time is from the
kill to StartRecovery of that plan. Run it with `python -m bench.worker_death`.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.display import figures_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.sandbox_client import CallLogReader
from bench.testbed import REGION, Testbed, run_bench, running_testbed
from client.start import start_execution
from settings import get_settings

_POLL_SECONDS = 15.0
# The jitter of the poll interval is 0.8 to 1.2, so the last poll before LAUNCH_END is within this.
_LAST_POLL_INTERVALS = 1.25
_STALL_TIMEOUT_SECONDS = 180.0


class StalledError(Exception):
    """A round did not continue. The message contains the missing call."""


@dataclass
class Measurement:
    """All rounds, each a run of the chain.

    Attributes:
        undisturbed: seconds from LAUNCH_END of the first wave to StartRecovery of the second.
        disturbed: the same in the rounds with a kill.
        killed_before: seconds from each kill to LAUNCH_END.
        launcher_killed: seconds from the kill of the launcher's worker to the next plan's
            StartRecovery.
        launch_killed: the same if that worker has a StartRecovery without a response.
    """

    undisturbed: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)
    killed_before: list[float] = field(default_factory=list)
    launcher_killed: list[float] = field(default_factory=list)
    launch_killed: list[float] = field(default_factory=list)

    @property
    def delays(self) -> list[float]:
        """The seconds that the kills added to the undisturbed median."""
        median = statistics.median(self.undisturbed)
        return [gap - median for gap in self.disturbed]

    def table(self, speed: float) -> Table:
        """The rounds as a table."""
        title = f"To the StartRecovery of the next wave or plan, speed {speed:g}"
        table = figures_table(title, "", "rounds", "median s", "max s")
        rows = {
            "undisturbed": self.undisturbed,
            "watching worker killed": self.disturbed,
            "  kill to LAUNCH_END": self.killed_before,
            "added delay": self.delays,
            "launcher killed, to the next plan": self.launcher_killed,
            "launch killed, to the next plan": self.launch_killed,
        }
        for name, values in rows.items():
            figures = f"{statistics.median(values):.2f}", f"{max(values):.2f}"
            table.add_row(name, f"{len(values)}", *figures)
        return table


class RoundRunner:
    """Runs the rounds."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._calls = CallLogReader(testbed.aws)
        self._number = 0

    async def undisturbed(self) -> float:
        """Run a round without a kill. Returns the gap."""
        first, second = await self._begin()
        await self._wait_for_call("StartRecovery", second)
        return await self._gap(first, second)

    async def disturbed(self) -> tuple[float, float]:
        """Run a round that kills the watching worker. A standby worker continues.

        Returns:
            The gap, and the seconds from the kill to LAUNCH_END.
        """
        testbed = self._testbed
        first, second = await self._begin()
        await self._wait_for_call("StartRecovery", first)
        launch_end = float((await self._job_of(first))["Servers"][0]["FinalTime"])
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
        return await self._gap(first, second), launch_end - killed

    async def launcher_killed(self, *, during_launch: bool) -> float:
        """Run a round that kills the launcher's worker. A standby worker continues.

        Args:
            during_launch: kill it before it gets the response of a StartRecovery.

        Returns:
            The seconds from the kill to StartRecovery of the next plan.
        """
        testbed = self._testbed
        if during_launch:
            hold = {"Operation": "StartRecovery", "Effect": "hold", "Times": 1}
            await testbed.aws.apply(Faults=[hold])
        first, _ = await self._begin()
        launched = await self._wait_for_call("StartRecovery", first)
        await testbed.workers.add()
        if not await testbed.workers.remove(launched["Caller"]):
            raise StalledError(f"{launched['Caller']} ended before it could be killed")
        killed = time.time()
        await testbed.aws.clear_faults()
        next_first, next_second = await self._begin()
        await self._wait_for_call("StartRecovery", next_first)
        created = float((await self._job_of(next_first))["Created"])
        # The next round begins with one worker and without running plans.
        await self._wait_for_call("StartRecovery", next_second)
        return created - killed

    async def _begin(self) -> tuple[str, str]:
        """Start the chain. Returns the servers of the first and the second wave."""
        self._number += 1
        first, second = (f"s-{0xDEAD0000 + 2 * self._number + place:017x}" for place in (0, 1))
        await self._testbed.aws.apply(
            SourceServers=[{"SourceServerId": i, "Region": REGION} for i in (first, second)]
        )
        database, app = new_wave("database", [first]), new_wave("app", [second], "database")
        plan = new_plan(f"death-{self._number}", database, app)
        await start_execution(self._testbed.client, plan)
        return first, second

    async def _wait_for_call(self, operation: str, subject: str | None) -> dict[str, Any]:
        async for call in self._calls.follow(within=_STALL_TIMEOUT_SECONDS):
            if call["Operation"] == operation and (subject is None or subject in call["Subjects"]):
                return call
        raise StalledError(
            f"no {operation} call for {subject or 'jobs'} in {_STALL_TIMEOUT_SECONDS:g} s"
        )

    async def _job_of(self, server_id: str) -> dict[str, Any]:
        for job in (await self._testbed.aws.ledger())["Jobs"]:
            if any(s["SourceServerId"] == server_id for s in job["Servers"]):
                return job
        raise StalledError(f"no job launches {server_id}")

    async def _gap(self, first: str, second: str) -> float:
        launched = (await self._job_of(first))["Servers"][0]["FinalTime"]
        return float((await self._job_of(second))["Created"] - launched)


async def bench(rounds: int, speed: float) -> Measurement:
    """Measure `rounds` rounds of each kind."""
    found = Measurement()
    async with running_testbed(speed=speed, workers=1, poll_seconds=_POLL_SECONDS) as testbed:
        with progress_bars() as progress:
            task = progress.add_task("rounds", total=4 * rounds)
            runner = RoundRunner(testbed)
            # Not measured: the first round imports modules and opens connections.
            await runner.undisturbed()
            for _ in range(rounds):
                found.undisturbed.append(await runner.undisturbed())
                progress.advance(task)
            for _ in range(rounds):
                gap, killed_before = await runner.disturbed()
                found.disturbed.append(gap)
                found.killed_before.append(killed_before)
                progress.advance(task)
                await asyncio.sleep(_POLL_SECONDS / speed)
            for found_delays in (found.launcher_killed, found.launch_killed):
                for _ in range(rounds):
                    during_launch = found_delays is found.launch_killed
                    found_delays.append(await runner.launcher_killed(during_launch=during_launch))
                    progress.advance(task)
        testbed.keep_logs = any(delay > _bound(speed)[0] for delay in found.delays)
    return found


def _bound(speed: float) -> tuple[float, str]:
    """The maximum delay in wall-clock seconds, and its parts as a text."""
    settings = get_settings()
    heartbeat, sticky = settings.heartbeat_timeout_seconds, settings.sticky_timeout_seconds
    longest_poll = _POLL_SECONDS / speed * 1.2
    seconds = heartbeat + sticky + longest_poll
    return seconds, (
        f"{seconds:.2f} s = heartbeat timeout {heartbeat:g} s "
        f"+ sticky timeout {sticky:g} s + one poll {longest_poll:.2f} s "
        f"({_POLL_SECONDS:g} s / speed {speed:g}, with jitter)"
    )


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds of each kind.")] = 10,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor.")] = 60.0,
) -> None:
    """Measure the delay that a killed worker adds. The exit code is 1 if it exceeds the bound."""
    found = run_bench(bench(rounds, speed))
    bound, parts = _bound(speed)
    Console().print(found.table(speed))
    Console().print(
        f"Bound: {parts}; the speed does not scale the heartbeat and sticky timeouts.",
        markup=False,
    )
    delays = [*found.delays, *found.launcher_killed, *found.launch_killed]
    if over := sum(delay > bound for delay in delays):
        Console(stderr=True).print(f"VIOLATION: {over} of {len(delays)} delays exceed the bound")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
