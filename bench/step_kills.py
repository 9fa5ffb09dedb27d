"""Kills the worker between the acceptance of a step and its recording, for each step.

A step has its effect, but the worker ends before Temporal knows. If the next worker asks for the
step again, and nothing tells that it is the same, it has its effect twice. `python -m
bench.step_kills` runs a plan for each step, of all kinds that act: each worker that has begun a
step for the first time receives SIGKILL before it reports that.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from bench.customer_workflow import TASK_QUEUE, CustomerWorkflow
from bench.display import figures_table, progress_bars
from bench.killed_worker import VARIABLE
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import Step
from recovery.steps.state import StepStatus
from sandbox.stack import Stack

_SPEED = 600.0
_POINT = "after start_step first"
_TIMEOUT_SECONDS = 300.0 * _SPEED
_DECISION_SECONDS = 1.0 * _SPEED
# Several times as long as Temporal needs to detect the failure of a worker.
_STALL_SECONDS = 120.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Kind:
    """Steps of one kind.

    Attributes:
        spec: of a step of the plan with this number, as in a plan file.
        scenario: what the local AWS must have for it.
        needs_server: whether it runs on an instance.
        is_unknown: it cannot be looked up, and a repeat may do harm.
        sets_state: a repeat sets the same state again.
    """

    name: str
    spec: Callable[[int, Stack], dict[str, Any]]
    scenario: Callable[[int], dict[str, Any]] = lambda _: {}
    needs_server: bool = False
    is_unknown: bool = False
    sets_state: bool = False


def _name(number: int) -> str:
    """What only the effects of one plan have in them."""
    return f"step-kill-{number:04}"


def _document(number: int, kind: str) -> dict[str, Any]:
    return {"Documents": [{"Name": _name(number), "Type": kind}]}


def _lambda(number: int, _: Stack) -> dict[str, Any]:
    return {"Lambda": {"FunctionName": _name(number)}}


def _function(number: int, **more: Any) -> dict[str, Any]:
    here = {"AccountId": ACCOUNT, "Region": REGION}
    return {"Functions": [{"FunctionName": _name(number)} | here | more]}


def _http(number: int, stack: Stack) -> dict[str, Any]:
    return {"Http": {"Url": f"{stack.http_service_url}/{ACCOUNT}/{_name(number)}"}}


def _path(number: int, **more: Any) -> dict[str, Any]:
    return {"HttpPaths": [{"Path": f"/{_name(number)}", "AccountId": ACCOUNT} | more]}


def _record(number: int, _: Stack) -> dict[str, Any]:
    name = f"www.{_name(number)}.example"
    record = {"ZoneId": _zone(number), "Name": name, "Type": "A", "Values": ["192.0.2.1"]}
    return {"Route53Record": record}


def _zone(number: int) -> str:
    return f"ZKILL{number:04}"


def _control(number: int, stack: Stack) -> dict[str, Any]:
    endpoints = {"us-east-1": f"{stack.aws_url}/_recovery-cluster/us-east-1/v1"}
    control = {"RoutingControlArn": _control_arn(number), "State": "On"}
    return {"RoutingControl": control | {"ClusterEndpoints": endpoints}}


def _control_arn(number: int) -> str:
    panel = f"arn:aws:route53-recovery-control::{ACCOUNT}:controlpanel/{'0' * 32}"
    return f"{panel}/routingcontrol/{number:016x}"


def _workflow(number: int, _: Stack) -> dict[str, Any]:
    started = {"Type": "Customer", "TaskQueue": TASK_QUEUE, "Input": _name(number)}
    return {"Workflow": started}


KINDS = (
    Kind(
        "SsmAutomation",
        lambda number, _: {"SsmAutomation": {"Document": _name(number)}},
        lambda number: _document(number, "Automation"),
    ),
    Kind(
        "SsmCommand",
        lambda number, _: {"SsmCommand": {"Document": _name(number)}},
        lambda number: _document(number, "Command"),
        needs_server=True,
    ),
    Kind("Lambda", _lambda, _function, is_unknown=True),
    Kind(
        "Lambda, Idempotent",
        lambda number, stack: _lambda(number, stack) | {"Idempotent": True},
        lambda number: _function(number, IdempotentBy="StepAttemptId"),
    ),
    Kind("Http", _http, _path, is_unknown=True),
    Kind(
        "Http, Idempotent",
        lambda number, stack: _http(number, stack) | {"Idempotent": True},
        lambda number: _path(number, Idempotent=True),
    ),
    Kind(
        "Route53Record",
        _record,
        lambda number: {
            "HostedZones": [{"ZoneId": _zone(number), "Name": f"{_name(number)}.example"}]
        },
        sets_state=True,
    ),
    Kind(
        "RoutingControl",
        _control,
        lambda number: {
            "RoutingControls": [{"RoutingControlArn": _control_arn(number), "Name": _name(number)}]
        },
        sets_state=True,
    ),
    Kind("Workflow", _workflow),
)


@dataclass
class StepKiller:
    """Starts plans of one step each, one after another, and awaits a worker's end for each.

    Attributes:
        executions: by number of the plan.
        violations: what is wrong.
    """

    testbed: Testbed
    executions: dict[int, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many workers have ended."""
        exits = self.testbed.workers.unexpected_exits.values()
        return sum(code == -signal.SIGKILL for code in exits)

    async def run(self, kills: int) -> None:
        """Have so many workers killed, then await the end of all plans."""
        with progress_bars() as progress:
            task = progress.add_task("workers killed", total=kills)
            for number in range(kills):
                self.executions[number] = await self._start(number)
                if not await self._until(partial(self._has_killed, number)):
                    self.violations.append(f"no worker was killed for {_name(number)}")
                    break
                progress.update(task, completed=self.kills)
            task = progress.add_task("plans ended", total=len(self.executions))
            for number in self.executions:
                await self._end(number)
                progress.advance(task)

    def _has_killed(self, number: int) -> bool:
        return self.kills > number

    async def _start(self, number: int) -> str:
        kind = kind_of(number)
        server_id = f"s-{0x57E9 + number:017x}"
        where = {"Region": REGION, "AccountId": ACCOUNT}
        servers = [server_id] if kind.needs_server else []
        await self.testbed.aws.apply(
            SourceServers=[{"SourceServerId": each} | where for each in servers],
            **kind.scenario(number),
        )
        return await start_execution(
            self.testbed.client, _plan(number, servers, self.testbed.stack)
        )

    async def _until(self, condition: Callable[[], bool]) -> bool:
        give_up = time.monotonic() + _STALL_SECONDS
        while not condition():
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def _end(self, number: int) -> None:
        handle = self.testbed.client.get_workflow_handle(plan_workflow_id(_name(number)))
        try:
            async with asyncio.timeout(_STALL_SECONDS):
                with suppress(WorkflowFailureError):
                    await handle.result()
        except TimeoutError:
            self.violations.append(f"{_name(number)} has not ended")


def kind_of(number: int) -> Kind:
    """The kind of the step of a plan."""
    return KINDS[number % len(KINDS)]


def _plan(number: int, servers: list[str], stack: Stack) -> RecoveryPlan:
    step = Step.model_validate(
        {
            "StepId": "act",
            "When": "BOTH",
            "TimeoutSeconds": _TIMEOUT_SECONDS,
            "DecisionSeconds": _DECISION_SECONDS,
        }
        | kind_of(number).spec(number, stack)
    )
    where = {"post_launch_steps": [step]} if servers else {"steps": [step]}
    return new_plan(_name(number), new_wave("wave", servers, **where))


async def _evaluate(killer: StepKiller) -> Table:
    """Count effects by the ledger, and add violations."""
    effects = Counter[int]()
    statuses: dict[str, Counter[StepStatus]] = {kind.name: Counter() for kind in KINDS}
    testbed, violations = killer.testbed, killer.violations
    accepted = [json.dumps(each["Details"]) for each in await testbed.aws.effects()]
    accepted += await _customer_workflows(testbed.client)
    for number, execution_id in killer.executions.items():
        kind, name = kind_of(number), _name(number)
        marks = (name, _zone(number), _control_arn(number))
        found_in = [each for each in accepted if any(mark in each for mark in marks)]
        effects[number] = len(found_in)
        if kind.sets_state:
            effects[number] = len(set(map(_state_set, found_in)))
        found = await testbed.table.execution(execution_id)
        status = found[0].waves[0].steps[0].status if found else None
        expected = StepStatus.OUTCOME_UNKNOWN if kind.is_unknown else StepStatus.SUCCEEDED
        if status is None or status is not expected:
            violations.append(f"{kind.name} {name} is {status or 'not recorded'}, not {expected}")
        else:
            statuses[kind.name][status] += 1
        if effects[number] != 1:
            violations.append(f"{kind.name} {name} had its effect {effects[number]} times")
    for worker, code in testbed.workers.unexpected_exits.items():
        if code != -signal.SIGKILL:
            violations.append(f"{worker} exited with code {code}")
    table = figures_table(
        "kill -9 between the acceptance of a step and its recording",
        "kind", "killed", "effects", "SUCCEEDED", "OUTCOME_UNKNOWN",
    )  # fmt: skip
    for kind in KINDS:
        own = [number for number in killer.executions if kind_of(number) is kind]
        counts = [
            statuses[kind.name][s] for s in (StepStatus.SUCCEEDED, StepStatus.OUTCOME_UNKNOWN)
        ]
        row = (len(own), sum(effects[number] for number in own), *counts)
        table.add_row(kind.name, *map(str, row))
    return table


def _state_set(details: str) -> str:
    """What an effect has set, without the ID of the call."""
    known = json.loads(details)
    return json.dumps({key: value for key, value in known.items() if key != "ChangeId"})


async def _customer_workflows(client: Client) -> list[str]:
    """What each run of the customer's workflow was asked for."""
    found = []
    async for run in client.list_workflows("WorkflowType = 'Customer'"):
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        first = await anext(handle.fetch_history_events())
        started = first.workflow_execution_started_event_attributes
        found.append(started.input.payloads[0].data.decode())
    return found


async def bench(*, kills: int, workers: int) -> tuple[Table, list[str]]:
    """Have workers killed. Returns the results and the violations."""
    async with running_testbed(
        speed=_SPEED,
        workers=0,
        poll_seconds=_SPEED / 5,
        heartbeat_timeout_seconds=6.0,
        sticky_timeout_seconds=2.0,
    ) as testbed:
        testbed.stack.worker = [sys.executable, "-m", "bench.killed_worker"]
        testbed.stack.variables = {**testbed.stack.variables, VARIABLE: _POINT}
        for _ in range(workers):
            await testbed.workers.add()
        killer = StepKiller(testbed)
        customer = await Client.connect(testbed.stack.env["TEMPORAL_ADDRESS"])
        async with Worker(customer, task_queue=TASK_QUEUE, workflows=[CustomerWorkflow]):
            await killer.run(kills)
        table = await _evaluate(killer)
        testbed.keep_logs = bool(killer.violations)
    return table, killer.violations


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many kills.")] = 100,
    workers: Annotated[int, typer.Option(min=1, help="Workers at a time.")] = 2,
) -> None:
    """Kill workers that have begun a step. The exit code is 1 on a violation."""
    table, violations = run_bench(bench(kills=kills, workers=workers))
    Console().print(table)
    for violation in violations:
        Console(stderr=True).print(f"VIOLATION: {violation}", markup=False)
    if violations:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
