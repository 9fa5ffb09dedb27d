"""Measures launches while DynamoDB, or one of three Regions, hangs.

Each plan has a chain of waves in each of three Regions. A call that hangs gets no response for
longer than any timeout of the worker. The measured time is from the start of a plan to
StartRecovery of each of its waves in the Regions that do not hang, from the ledger of the local
AWS. Run it with `python -m bench.hang`.
"""

import asyncio
import statistics
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.display import figures_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.testbed import REGIONS, Testbed, run_bench, running_testbed
from client.start import start_execution
from recovery.plan.model import RecoveryPlan

_REGIONS = REGIONS[:3]
_WAVES = 3
# Longer than the connections and reads of the worker may take.
_HANG_SECONDS = 120.0
_MAX_RATIO = 1.1
_STALL_TIMEOUT_SECONDS = 600.0
_UNDISTURBED = "undisturbed"
_FAULTS: dict[str, list[dict[str, Any]]] = {
    _UNDISTURBED: [],
    "DynamoDB hangs": [{"Service": "dynamodb"}],
    f"{_REGIONS[-1]} hangs": [
        {"Service": service, "Region": _REGIONS[-1]} for service in ("drs", "sts", "service-quotas")
    ],
}


class StalledError(Exception):
    """Waves were not launched. The message says how many."""


class RoundRunner:
    """Runs the rounds."""

    def __init__(self, testbed: Testbed, plans: int) -> None:
        self._testbed = testbed
        self._plans = plans
        self._number = 0

    async def run(self, faults: list[dict[str, Any]]) -> list[list[float]]:
        """Run the plans with faults.

        Returns:
            The seconds from the start of a plan to each launch, by the wave's place in its chain.
        """
        self._number += 1
        plans = [_plan(self._number, number) for number in range(self._plans)]
        hanging = {region for fault in faults if (region := fault.get("Region"))}
        await self._testbed.aws.apply(
            SourceServers=[
                {"SourceServerId": wave.server_ids[0], "Region": wave.region}
                for plan in plans
                for wave in plan.waves
            ],
            Faults=[
                {"Operation": "*", "Effect": "delay", "Seconds": _HANG_SECONDS} | fault
                for fault in faults
            ],
        )
        started = {}
        for plan in plans:
            started[plan.plan_id] = time.time()
            await start_execution(self._testbed.client, plan)
        healthy = [(p, w) for p in plans for w in p.waves if w.region not in hanging]
        created = await self._wait_for_jobs(w.server_ids[0] for _, w in healthy)
        await self._testbed.aws.clear_faults()
        await self._testbed.aws.close_connections()
        # The next round begins without waves of this one.
        await self._wait_for_jobs(w.server_ids[0] for p in plans for w in p.waves)
        found: list[list[float]] = [[] for _ in range(_WAVES)]
        for plan, wave in healthy:
            delay = created[wave.server_ids[0]] - started[plan.plan_id]
            found[int(wave.wave_id.rpartition("-")[2])].append(delay)
        return found

    async def _wait_for_jobs(self, server_ids: Iterable[str]) -> dict[str, float]:
        """Wait until each server has a job. Returns when each job was created."""
        wanted = set(server_ids)
        created: dict[str, float] = {}
        deadline = time.monotonic() + _STALL_TIMEOUT_SECONDS
        while not wanted <= created.keys():
            if time.monotonic() > deadline:
                raise StalledError(f"{len(wanted - created.keys())} waves were not launched")
            await asyncio.sleep(1.0)
            for job in (await self._testbed.aws.ledger())["Jobs"]:
                created |= {s["SourceServerId"]: job["Created"] for s in job["Servers"]}
        return created


def _plan(round_number: int, number: int) -> RecoveryPlan:
    """A plan with a chain in each Region."""
    waves = []
    for place, region in enumerate(_REGIONS):
        for step in range(_WAVES):
            server = ((round_number * 1000 + number) * len(_REGIONS) + place) * _WAVES + step
            before = [f"{region}-{step - 1}"] if step else []
            ids = [f"s-{0x4A46000000 + server:017x}"]
            waves.append(new_wave(f"{region}-{step}", ids, *before, region=region))
    return new_plan(f"hang-{round_number}-{number}", *waves)


async def bench(rounds: int, plans: int, speed: float) -> dict[str, list[list[float]]]:
    """Measure `rounds` rounds of each kind. Returns the delays of each, by place in the chain."""
    found: dict[str, list[list[float]]] = {name: [[] for _ in range(_WAVES)] for name in _FAULTS}
    # Quotas would hide a delay.
    quota = 10 * plans
    async with running_testbed(speed=speed, workers=1, jobs_quota=quota) as testbed:
        await testbed.aws.apply(Quotas={"JobsInProgress": quota, "ServersInAllJobs": quota})
        runner = RoundRunner(testbed, plans)
        with progress_bars() as progress:
            task = progress.add_task("rounds", total=rounds * len(_FAULTS) + 1)
            # Not measured: the first round imports modules and opens connections.
            await runner.run([])
            progress.advance(task)
            for _ in range(rounds):
                for name, faults in _FAULTS.items():
                    for delays, new in zip(found[name], await runner.run(faults), strict=True):
                        delays.extend(new)
                    progress.advance(task)
    return found


def _ratio(found: dict[str, list[list[float]]], name: str) -> float:
    """The mean delay of a kind of rounds over that of the undisturbed ones."""
    mean, undisturbed = (
        statistics.mean(delay for delays in found[each] for delay in delays)
        for each in (name, _UNDISTURBED)
    )
    return mean / undisturbed


def _table(found: dict[str, list[list[float]]], speed: float) -> Table:
    columns = [f"wave {place + 1}, median s" for place in range(_WAVES)]
    table = figures_table(
        f"From a plan's start to StartRecovery, speed {speed:g}",
        "", "launches", *columns, "max s", "ratio",
    )  # fmt: skip
    for name, places in found.items():
        medians = [f"{statistics.median(delays):.2f}" for delays in places]
        longest = max(max(delays) for delays in places)
        total = sum(len(delays) for delays in places)
        table.add_row(name, f"{total}", *medians, f"{longest:.2f}", f"{_ratio(found, name):.3f}")
    return table


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds of each kind.")] = 1,
    plans: Annotated[int, typer.Option(min=1, help="Number of plans of a round.")] = 20,
    speed: Annotated[float, typer.Option(min=1, help="Speed factor.")] = 10.0,
) -> None:
    """Measure launches beside calls that hang. The exit code is 1 if the ratio exceeds 1.1.

    The speed does not scale the 2 s that a plan waits for a Region at its start, nor CPU time.
    """
    found = run_bench(bench(rounds, plans, speed))
    Console().print(_table(found, speed))
    over = [name for name in found if _ratio(found, name) > _MAX_RATIO]
    if over:
        Console(stderr=True).print(f"VIOLATION: ratio over {_MAX_RATIO:g}: {', '.join(over)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
