"""Measures how soon a channel hears of decisions: `python -m bench.notify_lag`.

A hundred recoveries wait for an approval at the same moment, at real time; nothing is launched. The
delay is the time from an execution's state until the web hook of the local stack has the message
that asks. The targets are a median of 10 s, and one message a channel and minute.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.display import figures_table
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from bench.worker_pool import WorkerPool
from cli.sandbox.received_messages import add_channels, received_messages
from client.connection import connect_to_temporal
from client.decisions.inbox_reader import InboxReader
from client.health import LaunchHealth
from client.start import start_execution
from recovery.execution.state import ExecutionType
from settings import get_settings

_TARGET_SECONDS = 10.0
_MINUTE = 60.0
_STARTS_AT_ONCE = 20
_GIVE_UP_SECONDS = 180.0
# A bus gets an event for each item, in one call.
_CHANNELS = ("web-hook", "pager-duty", "slack", "smtp", "sns")


async def _start(testbed: Testbed, plans: int) -> None:
    ids = [f"s-{number:017x}" for number in range(1, plans + 1)]
    where = {"Region": REGION, "AccountId": ACCOUNT}
    await testbed.aws.apply(SourceServers=[{"SourceServerId": i} | where for i in ids])
    semaphore = asyncio.Semaphore(_STARTS_AT_ONCE)

    async def start(number: int, server_id: str) -> None:
        plan = new_plan(f"night-{number}", new_wave("web", [server_id], approval_required=True))
        async with semaphore:
            await start_execution(
                testbed.client,
                plan,
                execution_type=ExecutionType.RECOVERY,
                confirmation=plan.plan_id,
            )

    await asyncio.gather(*(start(number, each) for number, each in enumerate(ids)))


def _asked(messages: Sequence[dict[str, Any]]) -> dict[str, float]:
    """By execution, the delay of the first message that asks."""
    delays: dict[str, float] = {}
    for message in messages:
        for item in (each["Item"] for each in message["Content"]["Items"]):
            if item["Kind"] == "ASKED":
                delay = message["Time"] - item["Decision"]["Since"]
                delays.setdefault(item["Execution"]["ExecutionId"], delay)
    return delays


def _most_in_a_minute(times: Sequence[float]) -> int:
    """The most messages that asked within a minute; a second off is still a minute."""
    is_close = [later - earlier < _MINUTE - 1 for earlier, later in pairwise(sorted(times))]
    return 1 + max((len(run) for run in "".join("x" if c else " " for c in is_close).split()),
                   default=0)  # fmt: skip


async def _measure(plans: int) -> tuple[list[float], dict[str, int], int]:
    async with running_testbed(speed=1.0, workers=0) as testbed:
        await asyncio.to_thread(add_channels, testbed.stack)
        pool = WorkerPool(testbed.stack, 1, proxied=False)
        await pool.start()
        try:
            await _start(testbed, plans)
            deadline = time.monotonic() + _GIVE_UP_SECONDS
            delays: dict[str, float] = {}
            while len(delays) < plans and time.monotonic() < deadline:
                await asyncio.sleep(1)
                found = await asyncio.to_thread(received_messages, testbed.stack, "web-hook")
                delays = _asked(found)
            inbox = InboxReader(connect_to_temporal, testbed.table, LaunchHealth())
            listed = len((await inbox.read()).inbox.decisions)
            # What comes after the first message must wait for the next minute.
            await asyncio.sleep(_MINUTE + 10)
            sent = await asyncio.to_thread(received_messages, testbed.stack, None)
        finally:
            await pool.stop()
    asking = [m for m in sent if "approve" in f"{m['Title']} {m['Text']}".lower()]
    times = {name: [m["Time"] for m in asking if m["Receiver"] == name] for name in _CHANNELS}
    most = {name: _most_in_a_minute(each) for name, each in times.items() if each}
    counted = Counter(m["Receiver"] for m in asking)
    print("messages that ask, by receiver:", dict(counted))
    return list(delays.values()), most, listed


def main(plans: Annotated[int, typer.Option(min=1, help="Plans that ask at once.")] = 100) -> None:
    """Measure the delay of messages. The exit code is 1 if a target is missed."""
    get_settings()
    delays, most, listed = run_bench(_measure(plans))
    median = statistics.median(delays) if delays else float("inf")
    table = figures_table("", "seconds or number")
    table.add_row("plans that ask", str(plans))
    table.add_row("reported", str(len(delays)))
    table.add_row("median from state to message", f"{median:.1f}")
    table.add_row("slowest", f"{max(delays, default=float('inf')):.1f}")
    table.add_row("in the list of open decisions", str(listed))
    for name, number in most.items():
        table.add_row(f"most messages a minute, {name}", str(number))
    Console().print(table)
    has_all = len(delays) == plans == listed
    if not has_all or median > _TARGET_SECONDS or max(most.values()) > 1:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
