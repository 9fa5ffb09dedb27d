"""Kill -9 between StartRecovery's acceptance and its recording, again and again.

DRS has accepted a launch, but the worker that asked for it dies before the answer reaches it.
Asked again, DRS would launch the server twice. `python -m bench.kills` brings that moment about for
every launch: the local AWS holds the answer of each StartRecovery, and the worker that it is held
from is killed by its process ID.

Launches of an account and Region share a launcher. Those that became ready while it lay dead are
asked for at once, each in a job of its own, and one kill may interrupt several of them. Launches
are spread over Regions, a few in each: some share a launcher, and no kill stops all of them.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from temporalio.client import WorkflowFailureError

from bench.local_aws import CallFeed
from bench.testbed import ACCOUNT, Testbed, run_to_its_end, running_testbed, scratch_folder
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import MAX_SECONDS, RecoveryPlan, Server, Wave

_FAULT = "accepted, not recorded"
_SPEED = 600.0
# Every worker looks at every Region by itself.
_POLL_SECONDS = 300.0
_REGIONS = (
    "us-west-2",
    "eu-west-1",
    "us-east-1",
    "eu-central-1",
    "ap-northeast-1",
    "ap-southeast-2",
    "sa-east-1",
    "ca-central-1",
    "us-east-2",
    "eu-north-1",
)
_LAUNCHES_A_REGION = 4
# A launch whose launcher died with an earlier victim comes late; another is begun meanwhile.
_PATIENCE_SECONDS = 5.0
# Several times what Temporal needs to notice one death after another on a launch's way.
_STALL_SECONDS = 180.0
_END_SECONDS = 300.0
_GONE_SECONDS = 10.0


@dataclass
class Figures:
    """What was done, and what the local AWS and the history say came of it.

    Attributes:
        launchers: accounts and Regions that the launches are in.
        interrupted: launches whose answer never came because the worker that waited was killed.
        most_at_once: how many of them one kill interrupted at most.
        jobs: StartRecovery calls that AWS accepted.
        launch_ids: distinct launches among them.
        completed: waves that the history has as COMPLETED.
    """

    launches: int
    launchers: int
    kills: int = 0
    interrupted: int = 0
    most_at_once: int = 0
    jobs: int = 0
    launch_ids: int = 0
    completed: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Add what is not as it must be to the violations."""
        expected = {
            "launches interrupted between acceptance and recording": self.interrupted,
            "jobs in the ledger": self.jobs,
            "launch IDs among these jobs": self.launch_ids,
            "waves COMPLETED": self.completed,
        }
        for what, count in expected.items():
            if count != self.launches:
                self.violations.append(f"{what}: {count}, not {self.launches}")


@dataclass
class Killer:
    """Starts launches one after another, and kills whichever worker waits for the answer of one.

    Attributes:
        executions: by plan, the execution that was started.
        killed: the workers that were killed.
    """

    bed: Testbed
    figures: Figures
    progress: Progress
    plans: list[RecoveryPlan]
    executions: dict[str, str] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    _interrupted: set[str] = field(default_factory=set)

    async def run(self, calls: CallFeed) -> None:
        """Interrupt every launch, then let them all go on to their ends."""
        await self._interrupt_all(calls)
        await self.bed.aws.clear_faults()
        await self._await_gone()
        await self.bed.aws.release()
        await self._await_ends()

    async def _interrupt_all(self, calls: CallFeed) -> None:
        """Interrupt launches until none is left, or none comes any more."""
        task = self.progress.add_task("launches interrupted", total=len(self.plans))
        waiting = list(reversed(self.plans))
        news = time.monotonic()
        while left := [p.plan_id for p in self.plans if _server_of(p) not in self._interrupted]:
            if waiting:
                plan = waiting.pop()
                self.executions[plan.plan_id] = await start_execution(self.bed.client, plan)
                news = time.monotonic()
            if await self._interrupt_next(calls):
                news = time.monotonic()
                self.progress.update(task, completed=len(self._interrupted))
            elif time.monotonic() > news + _STALL_SECONDS:
                self.figures.violations.append(
                    f"no StartRecovery that could be interrupted came for {_STALL_SECONDS:g} s; "
                    f"{len(left)} launches were not interrupted: {', '.join(left)}"
                )
                return

    async def _interrupt_next(self, calls: CallFeed) -> bool:
        """Kill the worker that the next StartRecovery is held from.

        Returns:
            Whether that interrupted a launch which nothing had interrupted before.
        """
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while (left := give_up - time.monotonic()) > 0:
            entry = await calls.next(within=left)
            if entry is None:
                break
            if entry["Fault"] != _FAULT:
                continue
            # It is no longer held if the worker has been killed for another launch meanwhile.
            if await self.bed.workers.kill(entry["Caller"]):
                self.figures.kills += 1
                self.killed.add(entry["Caller"])
            if entry["Caller"] in self.killed:
                subjects = set(entry["Subjects"])
                is_new = not subjects <= self._interrupted
                self._interrupted |= subjects
                return is_new
        return False

    async def _await_gone(self) -> None:
        """Have the local AWS notice that the last victim is gone, before answers are given."""
        give_up = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < give_up:
            log = await self.bed.aws.log()
            if not any(e["Held"] and e["Caller"] in self.killed for e in log):
                return
            await asyncio.sleep(0.1)

    async def _await_ends(self) -> None:
        task = self.progress.add_task("plans ended", total=len(self.plans))

        async def end_of(plan: RecoveryPlan) -> None:
            handle = self.bed.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
            with suppress(WorkflowFailureError):
                await handle.result()
            self.progress.advance(task)

        try:
            async with asyncio.timeout(_END_SECONDS), asyncio.TaskGroup() as group:
                for plan in self.plans:
                    group.create_task(end_of(plan))
        except TimeoutError:
            self.figures.violations.append(f"not all plans ended within {_END_SECONDS:g} s")


async def bench(folder: Path, console: Console, *, launches: int, workers: int) -> Figures:
    """Interrupt so many launches and say what came of it."""
    regions = _REGIONS[: max(1, launches // _LAUNCHES_A_REGION)]
    figures = Figures(launches, len(regions))
    # Where jobs are scarce, launches would share them.
    quota = 10 * launches
    variables = {
        "DRS_WAVES_POLL_SECONDS": f"{_POLL_SECONDS:g}",
        "DRS_WAVES_JOBS_QUOTA": f"{quota}",
    }
    async with running_testbed(folder, speed=_SPEED, workers=workers, variables=variables) as bed:
        plans = [_plan(number, regions[number % len(regions)]) for number in range(launches)]
        await bed.aws.apply(
            Quotas={"JobsInProgress": quota, "ServersInAllJobs": quota},
            SourceServers=[
                {"SourceServerId": _server_of(plan), "Region": plan.waves[0].region}
                for plan in plans
            ],
            Faults=[{"Operation": "StartRecovery", "Effect": "hold", "Name": _FAULT}],
        )
        began = time.monotonic()
        with _progress(console) as progress:
            async with CallFeed(bed.aws) as calls:
                killer = Killer(bed, figures, progress, plans)
                await killer.run(calls)
        figures.seconds = time.monotonic() - began
        await _look(bed, figures, killer)
    figures.judge()
    return figures


def _plan(number: int, region: str) -> RecoveryPlan:
    wave = Wave(
        wave_id="database",
        servers=[Server(source_server_id=f"s-{0xD1E0000 + number:017x}")],
        region=region,
        account_id=ACCOUNT,
        timeout_seconds=MAX_SECONDS,
    )
    return RecoveryPlan(plan_id=f"kills-{number:04}", deadline_seconds=MAX_SECONDS, waves=[wave])


def _server_of(plan: RecoveryPlan) -> str:
    return plan.waves[0].server_ids[0]


async def _look(bed: Testbed, figures: Figures, killer: Killer) -> None:
    """Count from outside: the ledger, the log of calls, the recorded history."""
    ledger = await bed.aws.ledger()
    accepted = [
        event
        for backend in ledger["Backends"]
        for event in backend["Events"]
        if event["Event"] == "START_RECOVERY_ACCEPTED"
    ]
    figures.jobs = len(accepted)
    figures.launch_ids = len({i for event in accepted for i in event["Tags"].values()})
    of_server = Counter(server for event in accepted for server in event["SourceServerIds"])
    for server, count in of_server.items():
        if count != 1:
            figures.violations.append(f"{server} was launched {count} times")
    # A worker that gave up waiting would leave without its answer, too.
    gone = {
        (entry["Caller"], subject)
        for entry in await bed.aws.log()
        if entry["Fault"] == _FAULT and entry["Result"] == "gone"
        if entry["Caller"] in killer.killed
        for subject in entry["Subjects"]
    }
    figures.interrupted = len({subject for _, subject in gone})
    figures.most_at_once = max(Counter(caller for caller, _ in gone).values(), default=0)
    for name, code in bed.workers.deaths.items():
        figures.violations.append(f"{name} ended by itself with exit code {code}")
    for plan_id, execution_id in killer.executions.items():
        found = await bed.table.execution(execution_id)
        status = found[0].waves[0].status if found else "not recorded"
        if status is WaveStatus.COMPLETED:
            figures.completed += 1
        else:
            figures.violations.append(f"the wave of {plan_id} is {status}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:22}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)


def _table(figures: Figures, *, workers: int) -> Table:
    table = Table(title="Kill -9 between StartRecovery's acceptance and its recording")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_row("one-wave launches", f"{figures.launches}")
    table.add_row("launchers that they share", f"{figures.launchers}")
    table.add_row(f"kills (kill -9; {workers} workers, each replaced)", f"{figures.kills}")
    table.add_row("launches interrupted so", f"{figures.interrupted}")
    table.add_row("  by one kill at most", f"{figures.most_at_once}")
    table.add_row("jobs in the ledger", f"{figures.jobs}")
    table.add_row("waves COMPLETED in the history", f"{figures.completed}")
    table.add_row("seconds", f"{figures.seconds:.0f}")
    return table


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    launches: Annotated[int, typer.Option(min=1, help="How many launches to interrupt.")] = 100,
    workers: Annotated[int, typer.Option(min=1, help="How many workers serve.")] = 3,
) -> None:
    """Kill the worker after the acceptance of each launch; exit code 1 if one went wrong."""
    console = Console(stderr=True)
    keep = [True]
    with scratch_folder(keep) as folder:
        figures = run_to_its_end(bench(folder, console, launches=launches, workers=workers))
        keep[:] = [bool(figures.violations)]
        Console().print(_table(figures, workers=workers))
        for violation in figures.violations:
            console.print(f"VIOLATION: {violation}", markup=False)
        if figures.violations:
            console.print(f"Logs are in {folder}", markup=False)
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
