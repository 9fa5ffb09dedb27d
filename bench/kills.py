"""Kills the worker between the acceptance of StartRecovery and its recording, for every launch.

DRS accepts a launch, but the worker ends before it receives the response. If the next worker calls
StartRecovery again, the server is launched twice. `python -m bench.kills` tests this for every
launch: the local AWS holds the response of each StartRecovery, and the worker that waits for it
receives SIGKILL.

Launches of an account and Region share a launcher. Launches that become ready while the launcher is
down are started together, each in its own job, so one kill can interrupt several launches. The
launches are distributed over Regions: a few share a launcher, and no kill interrupts all of them.
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

from bench.sandbox_client import CallLogPoller
from bench.testbed import ACCOUNT, Testbed, run_bench, running_testbed, scratch_folder
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import MAX_SECONDS, RecoveryPlan, Server, Wave

_FAULT = "accepted, not recorded"
_SPEED = 600.0
# Every worker polls every Region.
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
_LAUNCHES_PER_REGION = 4
# The call of a launch is late if its launcher was on a killed worker. Another launch is started
# meanwhile.
_HELD_CALL_TIMEOUT_SECONDS = 5.0
# Several times as long as Temporal needs to detect the successive worker failures of one launch.
_STALL_TIMEOUT_SECONDS = 180.0
_COMPLETION_TIMEOUT_SECONDS = 300.0
_DISCONNECT_TIMEOUT_SECONDS = 10.0


@dataclass
class KillsResult:
    """The result, from the call log, the ledger and the history.

    Attributes:
        launchers: the number of accounts and Regions with launches.
        interrupted: launches whose worker was killed before it received the response.
        max_per_kill: the maximum number of launches that one kill interrupted.
        jobs: StartRecovery calls that AWS accepted.
        launch_ids: distinct launch IDs of these calls.
        completed: waves that are COMPLETED in the history.
    """

    launches: int
    launchers: int
    kills: int = 0
    interrupted: int = 0
    max_per_kill: int = 0
    jobs: int = 0
    launch_ids: int = 0
    completed: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def check_totals(self) -> None:
        """Add wrong totals to the violations."""
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
class LaunchInterrupter:
    """Starts launches one after another, and kills the workers that wait for their responses.

    Attributes:
        executions: the execution ID by plan ID.
        killed: the killed workers.
    """

    testbed: Testbed
    result: KillsResult
    progress: Progress
    plans: list[RecoveryPlan]
    executions: dict[str, str] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    _interrupted: set[str] = field(default_factory=set)

    async def run(self, calls: CallLogPoller) -> None:
        """Interrupt every launch, then wait for all plans."""
        await self._interrupt_all(calls)
        await self.testbed.aws.clear_faults()
        await self._wait_for_disconnect()
        await self.testbed.aws.release()
        await self._wait_for_plans()

    async def _interrupt_all(self, calls: CallLogPoller) -> None:
        """Interrupt launches until none remains, or no new call is held."""
        task = self.progress.add_task("launches interrupted", total=len(self.plans))
        waiting = list(reversed(self.plans))
        last_progress = time.monotonic()
        while left := [p.plan_id for p in self.plans if _server_of(p) not in self._interrupted]:
            if waiting:
                plan = waiting.pop()
                self.executions[plan.plan_id] = await start_execution(self.testbed.client, plan)
                last_progress = time.monotonic()
            if await self._interrupt_next(calls):
                last_progress = time.monotonic()
                self.progress.update(task, completed=len(self._interrupted))
            elif time.monotonic() > last_progress + _STALL_TIMEOUT_SECONDS:
                self.result.violations.append(
                    f"no new StartRecovery was held for {_STALL_TIMEOUT_SECONDS:g} s; "
                    f"{len(left)} launches were not interrupted: {', '.join(left)}"
                )
                return

    async def _interrupt_next(self, calls: CallLogPoller) -> bool:
        """Kill the worker that waits for the next held StartRecovery.

        Returns:
            Whether the kill interrupted a launch for the first time.
        """
        deadline = time.monotonic() + _HELD_CALL_TIMEOUT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            entry = await calls.next(within=left)
            if entry is None:
                break
            if entry["Fault"] != _FAULT:
                continue
            # The worker may have been killed for another launch meanwhile.
            if await self.testbed.workers.kill(entry["Caller"]):
                self.result.kills += 1
                self.killed.add(entry["Caller"])
            if entry["Caller"] in self.killed:
                subjects = set(entry["Subjects"])
                is_new = not subjects <= self._interrupted
                self._interrupted |= subjects
                return is_new
        return False

    async def _wait_for_disconnect(self) -> None:
        """Wait until the local AWS detects the closed connections of the killed workers."""
        deadline = time.monotonic() + _DISCONNECT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            log = await self.testbed.aws.log()
            if not any(e["Held"] and e["Caller"] in self.killed for e in log):
                return
            await asyncio.sleep(0.1)

    async def _wait_for_plans(self) -> None:
        task = self.progress.add_task("plans ended", total=len(self.plans))

        async def end_of(plan: RecoveryPlan) -> None:
            handle = self.testbed.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
            with suppress(WorkflowFailureError):
                await handle.result()
            self.progress.advance(task)

        try:
            async with asyncio.timeout(_COMPLETION_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
                for plan in self.plans:
                    group.create_task(end_of(plan))
        except TimeoutError:
            self.result.violations.append(
                f"not all plans ended in {_COMPLETION_TIMEOUT_SECONDS:g} s"
            )


async def bench(folder: Path, console: Console, *, launches: int, workers: int) -> KillsResult:
    """Interrupt `launches` launches and return the result."""
    regions = _REGIONS[: max(1, launches // _LAUNCHES_PER_REGION)]
    result = KillsResult(launches, len(regions))
    # A high quota: with few free jobs, launches share a job.
    quota = 10 * launches
    variables = {
        "DRS_WAVES_POLL_SECONDS": f"{_POLL_SECONDS:g}",
        "DRS_WAVES_JOBS_QUOTA": f"{quota}",
    }
    async with running_testbed(
        folder, speed=_SPEED, workers=workers, variables=variables
    ) as testbed:
        plans = [_plan(number, regions[number % len(regions)]) for number in range(launches)]
        await testbed.aws.apply(
            Quotas={"JobsInProgress": quota, "ServersInAllJobs": quota},
            SourceServers=[
                {"SourceServerId": _server_of(plan), "Region": plan.waves[0].region}
                for plan in plans
            ],
            Faults=[{"Operation": "StartRecovery", "Effect": "hold", "Name": _FAULT}],
        )
        started = time.monotonic()
        with _progress(console) as progress:
            async with CallLogPoller(testbed.aws) as calls:
                interrupter = LaunchInterrupter(testbed, result, progress, plans)
                await interrupter.run(calls)
        result.seconds = time.monotonic() - started
        await _collect_results(testbed, result, interrupter)
    result.check_totals()
    return result


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


async def _collect_results(
    testbed: Testbed, result: KillsResult, interrupter: LaunchInterrupter
) -> None:
    """Count from the ledger, the call log and the recorded history."""
    ledger = await testbed.aws.ledger()
    accepted = [
        event
        for backend in ledger["Backends"]
        for event in backend["Events"]
        if event["Event"] == "START_RECOVERY_ACCEPTED"
    ]
    result.jobs = len(accepted)
    result.launch_ids = len({i for event in accepted for i in event["Tags"].values()})
    of_server = Counter(server for event in accepted for server in event["SourceServerIds"])
    for server, count in of_server.items():
        if count != 1:
            result.violations.append(f"{server} was launched {count} times")
    # A worker whose call timed out also closes its connection; count killed workers only.
    disconnected = {
        (entry["Caller"], subject)
        for entry in await testbed.aws.log()
        if entry["Fault"] == _FAULT and entry["Result"] == "gone"
        if entry["Caller"] in interrupter.killed
        for subject in entry["Subjects"]
    }
    result.interrupted = len({subject for _, subject in disconnected})
    result.max_per_kill = max(Counter(caller for caller, _ in disconnected).values(), default=0)
    for name, code in testbed.workers.unexpected_exits.items():
        result.violations.append(f"{name} exited with code {code}")
    for plan_id, execution_id in interrupter.executions.items():
        found = await testbed.table.execution(execution_id)
        status = found[0].waves[0].status if found else "not recorded"
        if status is WaveStatus.COMPLETED:
            result.completed += 1
        else:
            result.violations.append(f"the wave of {plan_id} is {status}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:22}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)


def _table(result: KillsResult, *, workers: int) -> Table:
    table = Table(title="kill -9 between the acceptance of StartRecovery and its recording")
    table.add_column("item")
    table.add_column("count", justify="right")
    table.add_row("one-wave launches", f"{result.launches}")
    table.add_row("launchers", f"{result.launchers}")
    table.add_row(f"kills (kill -9; {workers} workers, each replaced)", f"{result.kills}")
    table.add_row("interrupted launches", f"{result.interrupted}")
    table.add_row("  maximum per kill", f"{result.max_per_kill}")
    table.add_row("jobs in the ledger", f"{result.jobs}")
    table.add_row("waves COMPLETED in the history", f"{result.completed}")
    table.add_row("seconds", f"{result.seconds:.0f}")
    return table


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    launches: Annotated[int, typer.Option(min=1, help="Number of launches to interrupt.")] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 3,
) -> None:
    """Kill the worker after the acceptance of each launch. The exit code is 1 on a violation."""
    console = Console(stderr=True)
    keep = [True]
    with scratch_folder(keep) as folder:
        result = run_bench(bench(folder, console, launches=launches, workers=workers))
        keep[:] = [bool(result.violations)]
        Console().print(_table(result, workers=workers))
        for violation in result.violations:
            console.print(f"VIOLATION: {violation}", markup=False)
        if result.violations:
            console.print(f"Logs are in {folder}", markup=False)
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
