"""Runs isolated drills under chaos, and judges them by the ledger of the local AWS.

Each drill launches two servers in the drill's subnet, whatever comes in between: killed workers,
cancelled and terminated workflows, an EC2 that hangs or loses answers, a recovery of the same
servers, an edited launch template, a launch in the console. No drill may launch in production's
subnet and no recovery in the drill's, no launch twice, and every launch template must be back. Run
it with `make isolation`.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from bench.display import counts_table, progress_bars
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGIONS, Testbed, run_bench, running_testbed
from client.start import start_execution
from contract.identifiers import launcher_workflow_id, plan_workflow_id, wave_workflow_id
from contract.launch_settings.lease import LeaseState
from recovery.execution.state import ExecutionType
from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from workflows.lease.workflow import LeaseWorkflow

_POLL_SECONDS = 30.0
_KILL_SECONDS = 10.0
_LEASE_SECONDS = 30.0
_DRILL_SECONDS = 150.0
# A wave requests its launches again when the launcher has said nothing for 300 s.
_RECOVERY_SECONDS = 450.0
_LEASES_SECONDS = 300.0
# A killed worker's activity is started again after the heartbeat timeout.
_BACK_WITHIN_SECONDS = 60.0
_SERVERS = 2


class Chaos(StrEnum):
    """What comes in between a drill."""

    NOTHING = "nothing"
    CANCELLED = "plan cancelled"
    PLAN_TERMINATED = "plan terminated"
    WAVE_TERMINATED = "wave terminated"
    LAUNCHER_TERMINATED = "launcher terminated"
    EC2_SLOW = "EC2 answers late"
    EC2_HANGS = "EC2 hangs"
    EC2_LOSES = "EC2 loses an answer"
    DRS_LOSES = "DRS loses the answer"
    RECOVERY = "recovery breaks in"
    EDITED = "launch template edited"
    CONSOLE = "launched in the console"


# Half of the drills have none of their own; workers are killed during all.
_KINDS = [*Chaos, *(3 * [Chaos.NOTHING]), Chaos.RECOVERY, Chaos.RECOVERY]
# What nobody can prevent, and must be reported.
_EXPOSED = (Chaos.EDITED, Chaos.CONSOLE)
_EC2 = ("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DescribeLaunchTemplateVersions")


@dataclass
class Drill:
    """One drill, and what comes in between."""

    plan: RecoveryPlan
    region: str
    chaos: Chaos
    execution_id: str = ""
    has_recovery: bool = False

    @property
    def server_ids(self) -> tuple[str, ...]:
        """Its servers."""
        return self.plan.waves[0].server_ids


@dataclass
class Verdict:
    """What the ledger says.

    Attributes:
        violations: what must never be.
        reported: of drills whose exposure nobody can prevent, those that were reported.
        back: seconds from LAUNCH_START until a template's default was no drill's.
    """

    violations: list[str] = field(default_factory=list)
    launches: Counter[str] = field(default_factory=Counter)
    reported: Counter[str] = field(default_factory=Counter)
    back: list[float] = field(default_factory=list)


class IsolationRun:
    """Runs the drills."""

    def __init__(self, testbed: Testbed, *, seed: int, speed: float) -> None:
        self._testbed = testbed
        self._random = random.Random(seed)
        self._speed = speed
        self._numbers = itertools.count(1)
        self.drills: list[Drill] = []
        self.kills = 0

    async def run(self, count: int, at_once: int) -> None:
        """Run `count` drills, `at_once` side by side, and wait until all leases have ended."""
        slots = asyncio.Semaphore(at_once)
        killing = asyncio.create_task(self._kill_workers())
        with progress_bars() as progress:
            task = progress.add_task("drills", total=count)

            async def one(number: int) -> None:
                async with slots:
                    await self._drill(number)
                progress.advance(task)

            try:
                await asyncio.gather(*map(one, range(count)))
            finally:
                killing.cancel()
            await self._testbed.aws.clear_faults()
            await self._wait_for_leases()

    async def _drill(self, number: int) -> None:
        region = REGIONS[number % 4]
        ids = [f"s-{0x150_0000 + next(self._numbers):017x}" for _ in range(_SERVERS)]
        await self._testbed.aws.apply(
            SourceServers=[
                {"SourceServerId": i, "Region": region, "AccountId": ACCOUNT} for i in ids
            ]
        )
        wave = new_wave("w", ids, region=region)
        settings = LaunchSettings(
            subnet_id=DRILL.subnet_ids[0],
            security_group_ids=[DRILL.security_group_id],
            post_launch_enabled=False,
        )
        plan = new_plan(f"isolation-{number}", wave, drill_launch_settings=settings)
        drill = Drill(plan, region, self._random.choice(_KINDS))
        self.drills.append(drill)
        await self._inject_faults(drill)
        drill.execution_id = await start_execution(self._testbed.client, plan)
        disturbing = asyncio.create_task(self._disturb(drill))
        await self._end(plan, _DRILL_SECONDS)
        await disturbing

    async def _end(self, plan: RecoveryPlan, seconds: float) -> None:
        handle = self._testbed.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
        with suppress(WorkflowFailureError, RPCError):
            try:
                await asyncio.wait_for(handle.result(), seconds)
            except TimeoutError:
                await handle.cancel()

    async def _inject_faults(self, drill: Drill) -> None:
        fault: dict[str, Any]
        match drill.chaos:
            case Chaos.EC2_SLOW:
                fault = {"Service": "ec2", "Effect": "delay", "Seconds": 3, "Times": 4}
            case Chaos.EC2_HANGS:
                fault = {"Service": "ec2", "Effect": "hang", "Times": 1}
            case Chaos.EC2_LOSES:
                fault = {"Service": "ec2", "Effect": "answer-lost", "Times": 2}
            case Chaos.DRS_LOSES:
                fault = {"Operation": "StartRecovery", "Effect": "answer-lost", "Times": 1}
            case _:
                return
        fault = {"Operation": self._random.choice(_EC2)} | fault
        await self._testbed.aws.apply(Faults=[fault | {"Mentions": list(drill.server_ids)}])

    async def _disturb(self, drill: Drill) -> None:
        """Disturb a drill at any time between its start and the end of its job."""
        client = self._testbed.client
        await asyncio.sleep(self._random.uniform(0.0, 400.0 / self._speed))
        plan_id = plan_workflow_id(drill.plan.plan_id)
        terminated = {
            Chaos.PLAN_TERMINATED: plan_id,
            Chaos.WAVE_TERMINATED: wave_workflow_id(drill.execution_id, "w", 1),
            Chaos.LAUNCHER_TERMINATED: launcher_workflow_id(ACCOUNT, drill.region),
        }
        with suppress(RPCError):
            if drill.chaos in terminated:
                await client.get_workflow_handle(terminated[drill.chaos]).terminate()
            elif drill.chaos is Chaos.CANCELLED:
                await client.get_workflow_handle(plan_id).cancel()
            elif drill.chaos is Chaos.RECOVERY:
                await self._recover(drill)
            elif drill.chaos in _EXPOSED:
                key: dict[str, Any] = {"ConsoleLaunch": "DRILL"}
                if drill.chaos is Chaos.EDITED:
                    key = {"LaunchTemplate": {"SubnetId": PRODUCTION.subnet_ids[1]}}
                server = {"SourceServerId": drill.server_ids[0], "Region": drill.region}
                with suppress(ValueError):
                    # A server with a job cannot be launched.
                    await self._testbed.aws.apply(
                        SourceServers=[server | {"AccountId": ACCOUNT} | key]
                    )

    async def _recover(self, drill: Drill) -> None:
        plan = drill.plan.model_copy(update={"plan_id": f"{drill.plan.plan_id}-real"})
        await start_execution(
            self._testbed.client,
            plan,
            execution_type=ExecutionType.RECOVERY,
            confirmation=plan.plan_id,
        )
        drill.has_recovery = True
        await self._end(plan, _RECOVERY_SECONDS)

    async def _kill_workers(self) -> None:
        workers = self._testbed.workers
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * _KILL_SECONDS)
            if workers.names:
                self.kills += await workers.kill(self._random.choice(workers.names))

    async def _wait_for_leases(self) -> None:
        query = "WorkflowType = 'LeaseWorkflow' AND ExecutionStatus = 'Running'"
        until = time.monotonic() + _LEASES_SECONDS
        while time.monotonic() < until:
            # Visibility follows a moment later.
            await asyncio.sleep(3.0)
            if not (await self._testbed.client.count_workflows(query)).count:
                return

    async def judge(self, margin: float) -> Verdict:
        """Judge all drills by the ledger.

        Args:
            margin: how long a lease goes on after LAUNCH_START (wall-clock seconds).
        """
        verdict, ledger = Verdict(), await self._testbed.aws.ledger()
        exposed = {
            i: drill.chaos
            for drill in self.drills
            if drill.chaos in _EXPOSED
            for i in drill.server_ids
        }
        reported = await self._reported()
        for launch in ledger["Launches"]:
            server_id, is_drill = launch["SourceServerId"], launch["IsDrill"]
            in_drill = launch["SubnetId"] in DRILL.subnet_ids
            verdict.launches["drills" if is_drill else "recoveries"] += 1
            if is_drill == in_drill:
                continue
            what = f"{'drill' if is_drill else 'recovery'} of {server_id} in {launch['SubnetId']}"
            if server_id not in exposed:
                verdict.violations.append(what)
            elif server_id in reported:
                verdict.reported[exposed[server_id]] += 1
            elif exposed[server_id] is Chaos.EDITED:
                verdict.violations.append(f"{what}: an edited template was not reported")
        for server_id, defaults in _defaults(ledger["Templates"]):
            _judge_defaults(verdict, server_id, defaults, ledger["Launches"], margin)
        self._judge_console(verdict, ledger, reported)
        verdict.violations += _launched_twice(ledger["Events"])
        recovered = {each["SourceServerId"] for each in ledger["Launches"] if not each["IsDrill"]}
        verdict.violations += [
            f"the recovery of {server_id} was not launched"
            for drill in self.drills
            if drill.has_recovery
            for server_id in drill.server_ids
            if server_id not in recovered
        ]
        return verdict

    def _judge_console(self, verdict: Verdict, ledger: dict[str, Any], reported: set[str]) -> None:
        """Judge that launches in the console are reported, while a drill's version was in force."""
        defaults = dict(_defaults(ledger["Templates"]))
        for event in ledger["Events"]:
            if event["Event"] != "START_RECOVERY_ACCEPTED" or event["Tags"]:
                continue
            for server_id in event["SourceServerIds"]:
                known = [e for e in defaults.get(server_id, []) if e["Since"] <= event["Time"]]
                if not known or not known[-1]["Description"].startswith("DRILL"):
                    continue
                if server_id in reported:
                    verdict.reported[Chaos.CONSOLE] += 1
                else:
                    what = f"{server_id} was launched in the console during a lease"
                    verdict.violations.append(f"{what}: not reported")

    async def _reported(self) -> set[str]:
        """The servers that a lease, or the execution's history, reports."""
        found = set()
        async for each in self._testbed.client.list_workflows("WorkflowType = 'LeaseWorkflow'"):
            handle = self._testbed.client.get_workflow_handle_for(LeaseWorkflow.run, each.id)
            with suppress(WorkflowFailureError, RPCError):
                state: LeaseState = await handle.result()
                found |= {i for i, result in state.restored.items() if result.problems}
        for drill in self.drills:
            recorded = await self._testbed.table.execution(drill.execution_id)
            servers = [s for w in recorded[0].waves for s in w.servers] if recorded else []
            found |= {
                s.source_server_id for s in servers if "its instance is in" in (s.reason or "")
            }
        return found


def _defaults(templates: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(each["SourceServerId"], each["Defaults"]) for each in templates]


def _judge_defaults(
    verdict: Verdict,
    server_id: str,
    defaults: list[dict[str, Any]],
    launches: list[dict[str, Any]],
    margin: float,
) -> None:
    """Judge when a template's default was no drill's any more after each launch, and at the end."""
    if defaults[-1]["Description"].startswith("DRILL"):
        verdict.violations.append(f"the template of {server_id} is still switched")
        return
    for launch in launches:
        if launch["SourceServerId"] != server_id or not launch["IsDrill"]:
            continue
        if not launch["TemplateDescription"].startswith("DRILL"):
            continue
        later = [each["Since"] for each in defaults if each["Since"] > launch["Time"]]
        seconds = min(later) - launch["Time"]
        verdict.back.append(seconds)
        if seconds < margin / 2:
            verdict.violations.append(f"{server_id} was restored {seconds:.2f} s after the launch")
        if seconds > margin + _BACK_WITHIN_SECONDS:
            verdict.violations.append(f"{server_id} was restored after {seconds:.0f} s")


def _launched_twice(events: Iterable[dict[str, Any]]) -> list[str]:
    tags = Counter(tag for event in events for tag in event["Tags"].values())
    return [
        f"{launch_id} was accepted {count} times" for launch_id, count in tags.items() if count > 1
    ]


async def bench(drills: int, at_once: int, speed: float, seed: int) -> tuple[IsolationRun, Verdict]:
    """Run and judge."""
    async with running_testbed(
        speed=speed, workers=3, poll_seconds=_POLL_SECONDS, drill_lease_seconds=_LEASE_SECONDS
    ) as testbed:
        run = IsolationRun(testbed, seed=seed, speed=speed)
        await run.run(drills, at_once)
        verdict = await run.judge(30.0 / speed)
        testbed.keep_logs = bool(verdict.violations)
        return run, verdict


def main(
    drills: Annotated[int, typer.Option(min=1)] = 200,
    at_once: Annotated[int, typer.Option(min=1)] = 12,
    speed: Annotated[float, typer.Option(min=1)] = 60.0,
    seed: int = 19,
) -> None:
    """Run isolated drills under chaos; exit code 1 if any rule was violated."""
    began = time.monotonic()
    run, verdict = run_bench(bench(drills, at_once, speed, seed))
    console = Console()
    counts = Counter(drill.chaos.value for drill in run.drills)
    console.print(counts_table(f"{drills} drills, seed {seed}", "in between", counts))
    console.print(
        f"{run.kills} workers killed; {dict(verdict.launches)} servers launched; "
        f"{dict(verdict.reported)} of what nobody can prevent reported"
    )
    if verdict.back:
        console.print(
            f"defaults back after LAUNCH_START: median {statistics.median(verdict.back):.1f} s, "
            f"at most {max(verdict.back):.1f} s; {time.monotonic() - began:.0f} s in all"
        )
    for violation in verdict.violations:
        console.print(f"[red]VIOLATION[/] {violation}")
    console.print(f"{len(verdict.violations)} violations")
    raise typer.Exit(bool(verdict.violations))


if __name__ == "__main__":
    typer.run(main)
