"""Kills the worker at each point of a decision's way to people: `python -m bench.notify_kills`.

Each round has a recovery that asks; a person acknowledges it, then approves. The only worker gets
SIGKILL at one point, and another one starts. Each channel must hear of the question, of a reminder,
of the acknowledgement and of the answer: at least once, and at most once more than due. At the end
no incident and no decision is open, and the history has a delivery to each channel.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.display import figures_table
from bench.killed_worker import VARIABLE
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from cli.sandbox.received_messages import add_channels, received_messages
from client.connection import connect_to_temporal
from client.decisions.inbox_reader import InboxReader
from client.executions import require_running
from client.health import LaunchHealth
from client.start import start_execution
from client.steering import send
from recovery.execution.state import ExecutionType
from recovery.notify.events import ItemKind
from recovery.notify.reminders import next_slot
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import RecoveryPlan

_SPEED = 100.0
_STALL_SECONDS = 90.0
_SETTLE_SECONDS = 2.0
_CHANNELS = {
    "hook": "web-hook", "pager": "pager-duty", "chat": "slack", "mail": "smtp", "topic": "sns",
    "bus": "event-bridge",
}  # fmt: skip
_ASKED, _REMINDER, _ACKNOWLEDGED, _RESOLVED = (
    ItemKind.ASKED, ItemKind.REMINDER, ItemKind.ACKNOWLEDGED, ItemKind.RESOLVED,
)  # fmt: skip
# By the worker itself, as `bench.killed_worker` reads it.
_OWN_POINTS = {
    "asked, not reported": "before report asked",
    "reported, before the notifier's task": "after report asked",
    "message due, not sent": "before deliver ASKED",
    "received, not recorded": "after deliver ASKED",
    "delivery not written to the history": "before record_deliveries",
    "delivery written, not recorded": "after record_deliveries",
    "reminder due, not sent": "before deliver REMINDER",
    "reminder received, not recorded": "after deliver REMINDER",
    "acknowledgement due, not sent": "before deliver ACKNOWLEDGED",
    "acknowledgement received, not recorded": "after deliver ACKNOWLEDGED",
    "answered, not reported": "before report answered",
    "answer reported, before the notifier's task": "after report answered",
    "answer due, not sent": "before deliver RESOLVED",
    "answer received, not recorded": "after deliver RESOLVED",
}
# From outside, after a stage.
_OUTER_POINTS = {"between reminders": _ASKED, "while acknowledged": _ACKNOWLEDGED}
_PREFIXES = {_ASKED: "", _REMINDER: "Reminder: ", _ACKNOWLEDGED: "Acknowledged: ",
             _RESOLVED: "Closed: "}  # fmt: skip


@dataclass
class Round:
    """A recovery that asks, and the worker that is killed meanwhile.

    Attributes:
        point: where the worker is killed.
        kills: how many workers were.
        received: by channel, how often it got each kind of message about the decision.
        due_reminders: how many times of the schedule passed before the acknowledgement.
        violations: what is wrong.
    """

    testbed: Testbed
    point: str
    plan: RecoveryPlan
    execution_id: str = ""
    kills: int = 0
    received: dict[str, Counter[ItemKind]] = field(default_factory=dict)
    due_reminders: int = 0
    violations: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Let the recovery ask, decide, and judge what the channels got."""
        dying = self._start_worker()
        replacing = asyncio.create_task(self._replace(dying))
        try:
            async with asyncio.timeout(_STALL_SECONDS):
                await self._decide(dying)
        except TimeoutError:
            self.violations.append(f"nothing more happened: {self._counts()}")
        finally:
            replacing.cancel()
        if not self.kills:
            self.violations.append("no worker was killed")
        await asyncio.sleep(_SETTLE_SECONDS)
        await self._judge()
        for name in self.testbed.stack.running():
            if name.startswith("worker"):
                await asyncio.to_thread(self.testbed.stack.stop_part, name, kill=True)

    def _start_worker(self) -> str:
        name = f"worker-{self.plan.plan_id}"
        dying = replace(self.testbed.stack, worker=[sys.executable, "-m", "bench.killed_worker"])
        dying.start_worker(name, {VARIABLE: _OWN_POINTS.get(self.point, "")})
        return name

    async def _replace(self, name: str) -> None:
        """Start another worker as soon as the first one has ended."""
        process = self.testbed.stack.parts[name].process()
        if process is not None:
            await asyncio.to_thread(process.wait)
        self.kills += 1
        self.testbed.stack.start_worker(f"{name}-next")

    async def _decide(self, worker: str) -> None:
        testbed, plan = self.testbed, self.plan
        self.execution_id = await start_execution(
            testbed.client,
            plan,
            execution_type=ExecutionType.RECOVERY,
            confirmation=plan.plan_id,
            started_by="ops",
        )
        await self._until_told(_ASKED, worker)
        await self._until_told(_REMINDER, worker)
        await self._send(MessageName.ACKNOWLEDGE, "")
        acknowledged = time.time()
        await self._until_told(_ACKNOWLEDGED, worker)
        self.due_reminders = await self._slots_until(acknowledged)
        await self._send(MessageName.APPROVE_WAVE, "web")
        await self._until_told(_RESOLVED, worker)
        await self._until(self._is_recorded)

    async def _send(self, name: MessageName, wave_id: str) -> None:
        running = await require_running(self.testbed.client, self.plan.plan_id)
        message = OperatorMessage(name, wave_id) if wave_id else OperatorMessage(name)
        await send(self.testbed.client, running, message, actor="ann")

    async def _until_told(self, kind: ItemKind, worker: str) -> None:
        """Wait until every channel has a kind of message; perhaps end the worker then."""

        async def is_told() -> bool:
            await self._count()
            return all(self.received[each][kind] for each in _CHANNELS)

        await self._until(is_told)
        if _OUTER_POINTS.get(self.point) is kind:
            await asyncio.to_thread(self.testbed.stack.stop_part, worker, kill=True)

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        while True:
            if await condition():
                return
            await asyncio.sleep(0.2)

    async def _count(self) -> None:
        """Count what the channels got about this decision."""
        sent = await asyncio.to_thread(received_messages, self.testbed.stack, None)
        for channel, receiver in _CHANNELS.items():
            own = [each for each in sent if each["Receiver"] == receiver]
            self.received[channel] = sum((self._kinds(each) for each in own), Counter[ItemKind]())

    def _kinds(self, message: dict[str, Any]) -> Counter[ItemKind]:
        """The kinds of what a message says of the decision."""
        key = message["Content"].get("dedup_key") if message["Incident"] else None
        if key is not None and message["Content"]["event_action"] != "trigger":
            is_own = f"{self.plan.plan_id}-" in key and not key.endswith("/again")
            is_closed = message["Content"]["event_action"] == "resolve"
            return Counter({_RESOLVED if is_closed else _ACKNOWLEDGED: 1} if is_own else {})
        lines = f"{message['Title']}\n{message['Text']}".splitlines()
        about = f"RECOVERY {self.plan.plan_id}: approve"
        found = [line.partition(about)[0] for line in lines if about in line]
        # Some channels have the title in the text as well.
        return Counter(
            {next(k for k in reversed(_PREFIXES) if _PREFIXES[k] in before) for before in found}
        )

    async def _slots_until(self, end: float) -> int:
        """How often the decision was to be repeated until a time."""
        hook = await asyncio.to_thread(received_messages, self.testbed.stack, "web-hook")
        since = next(
            item["Item"]["Decision"]["Since"]
            for message in hook
            for item in message["Content"]["Items"]
            if item["Item"]["Kind"] == _ASKED
            and item["Item"]["Execution"]["ExecutionId"] == self.execution_id
        )
        slots, slot = 0, next_slot(since, since, _SPEED)
        while slot < end:
            slots, slot = slots + 1, next_slot(since, slot, _SPEED)
        return slots

    async def _is_recorded(self) -> bool:
        records = await self.testbed.table.deliveries(self.execution_id)
        return {each.channel for each in records if each.error is None} == set(_CHANNELS)

    async def _judge(self) -> None:
        await self._count()
        due = {_ASKED: 1, _REMINDER: self.due_reminders, _ACKNOWLEDGED: 1, _RESOLVED: 1}
        for channel, counts in self.received.items():
            for kind, times in due.items():
                if not 1 <= counts[kind] <= times + self.kills:
                    self.violations.append(
                        f"{channel} got {kind} {counts[kind]} times; due: {times}"
                    )
        if not await self._is_recorded():
            self.violations.append("the history lacks the delivery to a channel")
        pages = await asyncio.to_thread(received_messages, self.testbed.stack, "pager-duty")
        last = {m["Content"]["dedup_key"]: m["Incident"] for m in pages if m["Incident"]}
        self.violations += [
            f"the incident {key} is {state}"
            for key, state in last.items()
            if not state.endswith("resolved") and state != "none"
        ]
        inbox = InboxReader(connect_to_temporal, self.testbed.table, LaunchHealth())
        self.violations += [f"open: {each.asked}" for each in (await inbox.read()).inbox.decisions]

    def _counts(self) -> str:
        return str({name: dict(counts) for name, counts in self.received.items()})

    @property
    def row(self) -> tuple[str, ...]:
        """The most that a channel got of each kind, against what is due."""
        most = [max((c[k] for c in self.received.values()), default=0) for k in _PREFIXES]
        least = [min((c[k] for c in self.received.values()), default=0) for k in _PREFIXES]
        spans = [f"{a}" if a == b else f"{a}-{b}" for a, b in zip(least, most, strict=True)]
        return (self.point, str(self.kills), *spans, str(len(self.violations)))


async def bench(points: list[str]) -> tuple[Table, list[str]]:
    """Kill a worker at each point. Returns the results and the violations."""
    table = figures_table(
        f"Messages a channel got, {len(_CHANNELS)} channels", "killed when",
        "kills", "asked", "reminders", "acknowledged", "closed", "violations",
    )  # fmt: skip
    violations = []
    async with running_testbed(
        speed=_SPEED, workers=0, heartbeat_timeout_seconds=6.0, sticky_timeout_seconds=2.0
    ) as testbed:
        await asyncio.to_thread(add_channels, testbed.stack)
        for number, point in enumerate(points):
            server_id = f"s-{number + 1:017x}"
            where = {"Region": REGION, "AccountId": ACCOUNT}
            await testbed.aws.apply(SourceServers=[{"SourceServerId": server_id} | where])
            wave = new_wave("web", [server_id], approval_required=True)
            plan = new_plan(f"night{chr(ord('a') + number)}", wave)
            found = Round(testbed, point, plan)
            await found.run()
            table.add_row(*found.row)
            print(*found.row, sep="\t", file=sys.stderr)
            violations += [f"{point}: {each}" for each in found.violations]
        testbed.keep_logs = bool(violations)
    return table, violations


def main(
    only: Annotated[str, typer.Option(help="Only the points that contain this text.")] = "",
) -> None:
    """Kill the worker at each point of a decision's way. The exit code is 1 on a violation."""
    points = [each for each in (*_OWN_POINTS, *_OUTER_POINTS) if only in each]
    table, violations = run_bench(bench(points))
    Console().print(table)
    for violation in violations:
        Console(stderr=True).print(f"VIOLATION: {violation}", markup=False)
    if violations:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
