"""Measures how long a dead worker stays unnoticed: `python -m bench.no_worker`.

The only worker gets SIGKILL while an execution waits for an approval. The measured time is from the
kill until `status`, a `watch` and a page that were already open, a start of a recovery, a message,
the API and `/api/health` say that no worker answers. The target is 5 s for each.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import typer
from rich.console import Console

from bench.display import figures_table
from bench.plans import new_plan, new_wave
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed
from client.executions import execution_state
from client.start import start_execution

_TARGET_SECONDS = 5.0
_GIVE_UP_SECONDS = 60.0
_OPEN_SECONDS = 2.0
_SERVER_ID = "s-00000000000abcdef"
_PLAN = new_plan("unserved", new_wave("web", [_SERVER_ID], approval_required=True))
_STARTER = Path(__file__).parents[1] / "starter.py"
_SENTENCES = ("No worker answers", "queued until a worker is available")
_COMMANDS = {
    "status": ("status", _PLAN.plan_id),
    "list": ("status",),
    "message": ("pause", _PLAN.plan_id),
    "dry run": ("run", "--dry-run", "{plan}"),
    "recovery": ("run", "{plan}", "--recovery", "--confirm", _PLAN.plan_id),
}


async def _process(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(_STARTER),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def _until_said(process: asyncio.subprocess.Process) -> None:
    """Await the line that says that no worker answers."""
    assert process.stdout is not None
    async for line in process.stdout:
        if any(sentence in line.decode() for sentence in _SENTENCES):
            break
    else:
        raise TimeoutError
    if process.returncode is None:
        process.terminate()


async def _health_says_so(testbed: Testbed) -> None:
    def worker_is_missing() -> bool:
        with urlopen(f"{testbed.stack.pages_url}/api/health") as answer:
            return b'"Worker":false' in answer.read()

    while True:
        if await asyncio.to_thread(worker_is_missing):
            return
        await asyncio.sleep(0.2)


async def _page_says_so(testbed: Testbed, path: str) -> None:
    """Await the sentence in what a page or an endpoint sends, asking again when it ends."""

    def read() -> bool:
        with urlopen(f"{testbed.stack.pages_url}{path}") as answer:
            return any(_SENTENCES[0].encode() in line for line in answer)

    while True:
        if await asyncio.to_thread(read):
            return
        await asyncio.sleep(0.2)


async def _seconds(killed: float, wait: Callable[[], Awaitable[None]]) -> float:
    """The seconds from the kill; infinite if nothing says it."""
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            await wait()
    except TimeoutError:
        return float("inf")
    return time.monotonic() - killed


async def _measure() -> dict[str, float]:
    async with running_testbed(speed=60.0, workers=1) as testbed:
        where = {"SourceServerId": _SERVER_ID, "Region": REGION, "AccountId": ACCOUNT}
        await testbed.aws.apply(SourceServers=[where])
        execution_id = await start_execution(testbed.client, _PLAN)
        await execution_state(testbed.client, _PLAN.plan_id)
        await asyncio.to_thread(testbed.stack.start_server)
        plan = testbed.stack.folder / "plan.json"
        plan.write_text(_PLAN.model_dump_json(exclude_none=True))
        watching = await _process("watch", _PLAN.plan_id)
        assert watching.stdout is not None
        await watching.stdout.readline()
        path = f"/executions/{execution_id}"
        page = asyncio.create_task(_page_says_so(testbed, f"{path}/events"))
        await asyncio.sleep(_OPEN_SECONDS)
        (worker,) = testbed.workers.names
        await testbed.workers.remove(worker)
        killed = time.monotonic()
        waits: dict[str, Callable[[], Awaitable[None]]] = {
            "watch": partial(_until_said, watching),
            "open page": lambda: page,
            "/api/executions": partial(_page_says_so, testbed, f"/api{path}"),
            "/api/health": partial(_health_says_so, testbed),
        }
        times = await asyncio.gather(*(_seconds(killed, wait) for wait in waits.values()))
        found = dict(zip(waits, times, strict=True))
        for name, words in _COMMANDS.items():
            asked = time.monotonic()
            process = await _process(*(word.format(plan=plan) for word in words))
            found[name] = await _seconds(asked, partial(_until_said, process))
        return found


def main() -> None:
    """Measure the time from a worker's death to the sentence. The exit code is 1 above 5 s."""
    found = run_bench(_measure())
    table = figures_table("From a dead worker, or the command after it, to the sentence", "", "s")
    for name, seconds in found.items():
        table.add_row(name, f"{seconds:.1f}")
    Console().print(table)
    if max(found.values()) > _TARGET_SECONDS:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
