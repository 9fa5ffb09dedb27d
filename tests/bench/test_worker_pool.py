"""The worker pool replaces workers that end, and stops all of them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from bench.worker_pool import WorkerPool
from sandbox.http.tcp_proxy import NetworkFault
from sandbox.stack import Stack

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
# Exits only if its name is worker-1.
FIRST_ENDS = [
    sys.executable,
    "-c",
    "import os, time; os.environ['AWS_SDK_UA_APP_ID'] == 'worker-1' and os._exit(7);"
    "time.sleep(600)",
]


@asynccontextmanager
async def pool_of(
    folder: Path, size: int, *, command: list[str] = SLEEPS, proxied: bool = False
) -> AsyncIterator[WorkerPool]:
    """Yield a pool of sleeping processes."""
    pool = WorkerPool(Stack(folder, worker=command, search_attributes=[]), size, proxied)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.stop()
        await asyncio.to_thread(pool.stack.stop)


def pid(pool: WorkerPool, name: str) -> int:
    """The process ID of a worker."""
    return pool.stack.parts[name].pid


async def test_a_killed_worker_is_gone_and_replaced_under_another_name(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 2) as pool:
        victim = pid(pool, "worker-1")
        assert await pool.kill("worker-1")
        assert not psutil.pid_exists(victim)
        assert pool.names == ["worker-2", "worker-3"]
        assert not await pool.kill("worker-1")


async def test_a_terminated_worker_is_replaced_before_it_ends(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 1) as pool:
        assert await pool.terminate("worker-1")
        assert pool.names == ["worker-2"]
        while "worker-1" in pool.stack.parts:
            await asyncio.sleep(0.01)
        assert pool.unexpected_exits == {}


async def test_a_worker_that_ends_by_itself_is_replaced_and_its_exit_code_kept(
    tmp_path: Path,
) -> None:
    async with pool_of(tmp_path, 1, command=FIRST_ENDS) as pool:
        while pool.names != ["worker-2"]:
            await asyncio.sleep(0.01)
        assert pool.unexpected_exits == {"worker-1": 7}


async def test_a_removed_worker_is_not_replaced_and_an_added_one_serves(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 1) as pool:
        await pool.add()
        assert await pool.remove("worker-1")
        assert pool.names == ["worker-2"]


async def test_only_a_proxied_worker_can_be_interrupted(tmp_path: Path) -> None:
    async with pool_of(tmp_path / "proxied", 1, proxied=True) as pool:
        assert pool.interrupt("worker-1", NetworkFault.RESET, seconds=0.0)
        assert not pool.interrupt("worker-9", NetworkFault.RESET, seconds=0.0)
    async with pool_of(tmp_path / "direct", 1) as pool:
        assert not pool.interrupt("worker-1", NetworkFault.RESET, seconds=0.0)


async def test_no_process_remains_after_the_stop(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 2) as pool:
        pids = [pid(pool, name) for name in pool.names]
    assert not any(psutil.pid_exists(each) for each in pids)
