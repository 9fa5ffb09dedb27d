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
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from temporalio.client import WorkflowFailureError

from bench.display import counts_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.sandbox_client import CallLogReader
from bench.testbed import REGIONS, Testbed, run_bench, running_testbed
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan

_FAULT = "accepted, not recorded"
_SPEED = 600.0
# Every worker polls every Region.
_POLL_SECONDS = 300.0
_MAX_REGIONS = 10
_LAUNCHES_PER_REGION = 4
# The call of a launch is late if its launcher was on a killed worker. Another launch is started
# meanwhile.
_HELD_CALL_TIMEOUT_SECONDS = 5.0
# Several times as long as Temporal needs to detect the successive worker failures of one launch.
_STALL_TIMEOUT_SECONDS = 180.0
_COMPLETION_TIMEOUT_SECONDS = 300.0
_DISCONNECT_TIMEOUT_SECONDS = 10.0


@dataclass
class LaunchInterrupter:
    """Starts launches one after another, and kills the workers that wait for their responses.

    Attributes:
        executions: the execution ID by plan ID.
        killed: the killed workers.
        violations: what is wrong.
    """

    testbed: Testbed
    calls: CallLogReader
    progress: Progress
    plans: list[RecoveryPlan]
    executions: dict[str, str] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    _interrupted: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Interrupt every launch, then wait for all plans."""
        await self._interrupt_all()
        await self.testbed.aws.clear_faults()
        await self._wait_for_disconnect()
        await self.testbed.aws.release()
        await self._wait_for_plans()

    async def _interrupt_all(self) -> None:
        """Interrupt launches until none remains, or no new call is held."""
        task = self.progress.add_task("launches interrupted", total=len(self.plans))
        waiting = list(reversed(self.plans))
        last_progress = time.monotonic()
        while left := [p.plan_id for p in self.plans if _server_of(p) not in self._interrupted]:
            if waiting:
                plan = waiting.pop()
                self.executions[plan.plan_id] = await start_execution(self.testbed.client, plan)
                last_progress = time.monotonic()
            if await self._interrupt_next():
                last_progress = time.monotonic()
                self.progress.update(task, completed=len(self._interrupted))
            elif time.monotonic() > last_progress + _STALL_TIMEOUT_SECONDS:
                self.violations.append(
                    f"no new StartRecovery was held for {_STALL_TIMEOUT_SECONDS:g} s; "
                    f"{len(left)} launches were not interrupted: {', '.join(left)}"
                )
                return

    async def _interrupt_next(self) -> bool:
        """Kill the worker that waits for the next held StartRecovery.

        Returns:
            Whether the kill interrupted a launch for the first time.
        """
        async for call in self.calls.follow(within=_HELD_CALL_TIMEOUT_SECONDS):
            if call["Fault"] != _FAULT:
                continue
            # The worker may have been killed for another launch meanwhile.
            if await self.testbed.workers.kill(call["Caller"]):
                self.killed.add(call["Caller"])
            if call["Caller"] in self.killed:
                subjects = set(call["Subjects"])
                is_new = not subjects <= self._interrupted
                self._interrupted |= subjects
                return is_new
        return False

    async def _wait_for_disconnect(self) -> None:
        """Wait until the local AWS detects the closed connections of the killed workers."""
        deadline = time.monotonic() + _DISCONNECT_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            log = await self.testbed.aws.log()
            if not any(call["Held"] and call["Caller"] in self.killed for call in log):
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
            self.violations.append(f"not all plans ended in {_COMPLETION_TIMEOUT_SECONDS:g} s")


async def bench(*, launches: int, workers: int) -> tuple[Table, list[str]]:
    """Interrupt `launches` launches. Returns the results and the violations."""
    regions = REGIONS[: min(max(1, launches // _LAUNCHES_PER_REGION), _MAX_REGIONS)]
    plans = [_plan(number, regions[number % len(regions)]) for number in range(launches)]
    # A high quota: with few free jobs, launches share a job.
    quota = 10 * launches
    async with running_testbed(
        speed=_SPEED, workers=workers, poll_seconds=_POLL_SECONDS, jobs_quota=quota
    ) as testbed:
        await testbed.aws.apply(
            Quotas={"JobsInProgress": quota, "ServersInAllJobs": quota},
            SourceServers=[
                {"SourceServerId": _server_of(plan), "Region": plan.waves[0].region}
                for plan in plans
            ],
            Faults=[{"Operation": "StartRecovery", "Effect": "hold", "Name": _FAULT}],
        )
        started = time.monotonic()
        with progress_bars() as progress:
            calls = CallLogReader(testbed.aws)
            interrupter = LaunchInterrupter(testbed, calls, progress, plans)
            await interrupter.run()
        seconds = time.monotonic() - started
        rows = {
            "one-wave launches": launches,
            "launchers": len(regions),
            f"kills (kill -9; {workers} workers, each replaced)": len(interrupter.killed),
            **await _evaluate(interrupter),
            "seconds": round(seconds),
        }
        testbed.keep_logs = bool(interrupter.violations)
    title = "kill -9 between the acceptance of StartRecovery and its recording"
    return counts_table(title, "item", rows), interrupter.violations


def _plan(number: int, region: str) -> RecoveryPlan:
    wave = new_wave("database", [f"s-{0xD1E0000 + number:017x}"], region=region)
    return new_plan(f"kills-{number:04}", wave)


def _server_of(plan: RecoveryPlan) -> str:
    return plan.waves[0].server_ids[0]


async def _evaluate(interrupter: LaunchInterrupter) -> dict[str, int]:
    """Count from the ledger, the call log and the recorded history, and add violations."""
    testbed, violations = interrupter.testbed, interrupter.violations
    events = (await testbed.aws.ledger())["Events"]
    accepted = [event for event in events if event["Event"] == "START_RECOVERY_ACCEPTED"]
    of_server = Counter(server for event in accepted for server in event["SourceServerIds"])
    for server, count in of_server.items():
        if count != 1:
            violations.append(f"{server} was launched {count} times")
    # A worker whose call timed out also closes its connection; count killed workers only.
    disconnected = {
        (call["Caller"], subject)
        for call in await testbed.aws.log()
        if call["Fault"] == _FAULT and call["Result"] == "gone"
        if call["Caller"] in interrupter.killed
        for subject in call["Subjects"]
    }
    for name, code in testbed.workers.unexpected_exits.items():
        violations.append(f"{name} exited with code {code}")
    completed = 0
    for plan_id, execution_id in interrupter.executions.items():
        found = await testbed.table.execution(execution_id)
        status = found[0].waves[0].status if found else "not recorded"
        if status is WaveStatus.COMPLETED:
            completed += 1
        else:
            violations.append(f"the wave of {plan_id} is {status}")
    totals = {
        "interrupted launches": len({subject for _, subject in disconnected}),
        "jobs in the ledger": len(accepted),
        "launch IDs among these jobs": len({i for e in accepted for i in e["Tags"].values()}),
        "waves COMPLETED in the history": completed,
    }
    launches = len(interrupter.plans)
    violations += [
        f"{what}: {count}, not {launches}" for what, count in totals.items() if count != launches
    ]
    per_kill = Counter(caller for caller, _ in disconnected)
    return {**totals, "maximum interrupted per kill": max(per_kill.values(), default=0)}


def main(
    launches: Annotated[int, typer.Option(min=1, help="Number of launches to interrupt.")] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 3,
) -> None:
    """Kill the worker after the acceptance of each launch. The exit code is 1 on a violation."""
    table, violations = run_bench(bench(launches=launches, workers=workers))
    Console().print(table)
    for violation in violations:
        Console(stderr=True).print(f"VIOLATION: {violation}", markup=False)
    if violations:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
