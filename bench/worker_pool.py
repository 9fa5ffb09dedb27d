"""A pool of worker processes that replaces workers that end."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from sandbox.http.tcp_proxy import NetworkFault, TcpProxy
from sandbox.stack import Stack

_POLL_INTERVAL_SECONDS = 0.5
_GRACE_SECONDS = 60.0


@dataclass
class WorkerPool:
    """Worker processes. Each has its own name in the stack, in its log and in AWS calls.

    Attributes:
        size: the number of workers.
        proxied: whether each worker connects to Temporal through its own TCP proxy.
        lock: protects the parts of the stack.
        unexpected_exits: exit codes of workers that ended without a request from the pool; None if
            a worker did not end after a signal.
    """

    stack: Stack
    size: int
    proxied: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    unexpected_exits: dict[str, int | None] = field(default_factory=dict)
    _processes: dict[str, psutil.Process] = field(default_factory=dict)
    _proxies: dict[str, TcpProxy] = field(default_factory=dict)
    _started: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Start the workers, and replace workers that end."""
        for _ in range(self.size):
            await self.add()
        self._run_in_background(self._supervise())

    async def stop(self) -> None:
        """Stop replacing workers, and stop the proxies. The stack stops the processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for proxy in self._proxies.values():
            await proxy.stop()

    @property
    def names(self) -> list[str]:
        """The names of the running workers, oldest first."""
        return list(self._processes)

    async def add(self) -> None:
        """Start one more worker."""
        async with self.lock:
            self._started += 1
            name = f"worker-{self._started}"
            variables = {}
            if self.proxied:
                proxy = await TcpProxy(self.stack.temporal_port).start()
                self._proxies[name] = proxy
                variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{proxy.port}"
            self.stack.start_worker(name, variables)
            if process := self.stack.parts[name].process():
                self._processes[name] = process

    async def kill(self, name: str) -> bool:
        """Stop a worker with SIGKILL, and start another one. Returns whether it was running."""
        was_running = await self.remove(name)
        if was_running:
            await self.add()
        return was_running

    async def remove(self, name: str) -> bool:
        """Stop a worker with SIGKILL without a replacement. Returns whether it was running."""
        process = self._take_and_signal(name, signal.SIGKILL)
        if process is not None:
            await self._wait_for_exit(name, process)
        return process is not None

    async def terminate(self, name: str) -> bool:
        """Send SIGTERM to a worker, and start another one before it ends.

        Returns:
            Whether the worker was running.
        """
        process = self._take_and_signal(name, signal.SIGTERM)
        if process is not None:
            await self.add()
            self._run_in_background(self._wait_for_exit(name, process))
        return process is not None

    def interrupt(self, name: str, fault: NetworkFault, *, seconds: float) -> bool:
        """Start a network fault between a worker and Temporal. Returns whether it has a proxy."""
        if name not in self._processes or name not in self._proxies:
            return False
        proxy = self._proxies[name]
        proxy.interrupt(fault)
        asyncio.get_running_loop().call_later(seconds, proxy.restore)
        return True

    def _take_and_signal(self, name: str, number: signal.Signals) -> psutil.Process | None:
        """Remove a worker from the running ones and send it a signal, without delay."""
        process = self._processes.pop(name, None)
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return process

    async def _wait_for_exit(self, name: str, process: psutil.Process) -> None:
        """Wait until a worker ends after a signal; kill it after a timeout."""
        _, left = await asyncio.to_thread(psutil.wait_procs, [process], timeout=_GRACE_SECONDS)
        if left:
            self.unexpected_exits[name] = None
            process.kill()
        await self._discard(name)

    async def _discard(self, name: str) -> None:
        self.stack.parts.pop(name, None)
        if proxy := self._proxies.pop(name, None):
            await proxy.stop()

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
            for name, process in list(self._processes.items()):
                gone, _ = psutil.wait_procs([process], timeout=0)
                if gone and self._processes.pop(name, None) is not None:
                    self.unexpected_exits[name] = process.wait(timeout=0)
                    await self._discard(name)
                    await self.add()

    def _run_in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
