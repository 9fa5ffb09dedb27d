"""A pool of worker processes in which whoever dies is replaced."""

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from sandbox.http.tcp_proxy import NetworkFault, TcpProxy
from sandbox.stack import Stack

_POLL_INTERVAL_SECONDS = 0.5
_GRACE_SECONDS = 60.0


@dataclass
class WorkerPool:
    """Worker processes, each under a name of its own: in the stack, in its log and to AWS.

    Attributes:
        size: how many serve.
        proxied: whether each reaches Temporal through a link of its own, which can be cut.
        lock: held by whoever changes the stack's parts.
        unexpected_exits: the exit codes of workers that ended without being told to.
    """

    stack: Stack
    size: int
    proxied: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    unexpected_exits: dict[str, int | None] = field(default_factory=dict)
    _processes: dict[str, psutil.Process] = field(default_factory=dict)
    _proxies: dict[str, TcpProxy] = field(default_factory=dict)
    _started: int = 0
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _supervisor: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the pool and keep it at its size from then on."""
        async with self.lock:
            for _ in range(self.size):
                await self._start_one()
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Replace nobody from now on, and cut all links; the processes are the stack's to end."""
        tasks = [*self._tasks, *([self._supervisor] if self._supervisor else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for proxy in self._proxies.values():
            await proxy.stop()

    @property
    def names(self) -> list[str]:
        """The workers that serve, oldest first."""
        return list(self._processes)

    async def kill(self, name: str) -> bool:
        """End a worker with SIGKILL, and start another in its place.

        Returns:
            Whether it was there to be killed.
        """
        if not await self.remove(name):
            return False
        async with self.lock:
            await self._start_one()
        return True

    async def add(self) -> None:
        """Start one worker more."""
        async with self.lock:
            await self._start_one()

    async def remove(self, name: str) -> bool:
        """End a worker with SIGKILL and start no other.

        Returns:
            Whether it was there to be killed.
        """
        process = self._processes.pop(name, None)
        if process is None:
            return False
        # At once: whoever waits for the lock must not keep it alive.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, [process], timeout=_GRACE_SECONDS)
        await self._discard(name)
        return True

    async def terminate(self, name: str) -> bool:
        """Tell a worker to end, with SIGTERM, and start another beside it.

        Returns:
            Whether it was there to be told.
        """
        process = self._processes.pop(name, None)
        if process is None:
            return False
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
        async with self.lock:
            await self._start_one()
        self._run_in_background(self._wait_for_exit(name, process))
        return True

    def interrupt(self, name: str, fault: NetworkFault) -> bool:
        """Cut a worker's link to Temporal; whether there is one."""
        if name not in self._processes or name not in self._proxies:
            return False
        self._proxies[name].interrupt(fault)
        return True

    def restore(self, name: str) -> None:
        """Mend a worker's link, if it is still there."""
        if name in self._proxies:
            self._proxies[name].restore()

    async def _start_one(self) -> None:
        self._started += 1
        name = f"worker-{self._started}"
        variables = {}
        if self.proxied:
            proxy = await TcpProxy(self.stack.temporal_port).start()
            self._proxies[name] = proxy
            variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{proxy.port}"
        self.stack.start_worker(name, variables)
        process = self.stack.parts[name].process()
        if process is not None:
            self._processes[name] = process

    async def _discard(self, name: str) -> None:
        self.stack.parts.pop(name, None)
        if proxy := self._proxies.pop(name, None):
            await proxy.stop()

    async def _wait_for_exit(self, name: str, process: psutil.Process) -> None:
        """Wait for the end of a worker that was told to end."""
        _, left = await asyncio.to_thread(psutil.wait_procs, [process], timeout=_GRACE_SECONDS)
        for each in left:
            self.unexpected_exits[name] = None
            each.kill()
        await self._discard(name)

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
            for name, process in list(self._processes.items()):
                gone, _ = psutil.wait_procs([process], timeout=0)
                if gone and self._processes.pop(name, None) is not None:
                    self.unexpected_exits[name] = process.wait(timeout=0)
                    await self._discard(name)
                    await self.add()

    def _run_in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
