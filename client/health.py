"""What keeps running executions from launching: no worker, or a launcher that does not proceed."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution

from activities.launch.launcher_problem import LOST, launcher_problem
from client.connection import explained_errors
from client.errors import NoWorkerError
from client.executions import describe_workflow
from client.workers import idle_reason
from contract.temporal import RPC_TIMEOUT

_LAUNCHERS = "WorkflowType = 'LauncherWorkflow'"
# Its waves have requested their launches again by then, and so have started it again.
_LOST_FOR = timedelta(minutes=6)
# With a ping of 2 s, a dead worker is known within 5 s.
_CACHED_SECONDS = 2.0


async def launch_problems(client: Client) -> list[str]:
    """What keeps executions from launching, each with what to do. It needs no worker.

    Raises:
        UnreachableError: Temporal does not answer.
    """
    idle, launchers = await read_launch_problems(client)
    return ([str(idle)] if idle else []) + list(launchers.values())


async def read_launch_problems(client: Client) -> tuple[NoWorkerError | None, dict[str, str]]:
    """Why no worker runs executions, and by workflow ID the problems of launchers.

    Raises:
        UnreachableError: Temporal does not answer.
    """
    since = (datetime.now(UTC) - _LOST_FOR).isoformat(timespec="seconds")
    idle, running, closed = await asyncio.gather(
        idle_reason(client),
        _list(client, f"{_LAUNCHERS} AND ExecutionStatus = 'Running'"),
        _list(client, f"{_LAUNCHERS} AND CloseTime > '{since}'"),
    )
    # The newest run of each, which may have ended or started since.
    lost = [each for each in closed if each.status in LOST]
    ids = dict.fromkeys(each.id for each in (*running, *lost))
    described = await asyncio.gather(*(describe_workflow(client, each) for each in ids))
    problems = {each.id: launcher_problem(each) for each in described}
    return idle, {each: problem for each, problem in problems.items() if problem is not None}


class LaunchHealth:
    """The launch problems, read at most every two seconds for all callers of a process."""

    def __init__(self) -> None:
        self._idle: NoWorkerError | None = None
        self._launchers: dict[str, str] = {}
        self._read_time = -_CACHED_SECONDS
        self._lock = asyncio.Lock()

    async def problems(self, client: Client) -> list[str]:
        """The problems; see `launch_problems`."""
        await self._update(client)
        return ([str(self._idle)] if self._idle else []) + list(self._launchers.values())

    async def idle_reason(self, client: Client) -> NoWorkerError | None:
        """Why no worker runs executions; None if one does."""
        await self._update(client)
        return self._idle

    async def has_worker(self, client: Client) -> bool:
        """Whether a worker runs new executions."""
        await self._update(client)
        return self._idle is None

    async def _update(self, client: Client) -> None:
        async with self._lock:
            if time.monotonic() - self._read_time >= _CACHED_SECONDS:
                self._idle, self._launchers = await read_launch_problems(client)
                self._read_time = time.monotonic()


async def _list(client: Client, query: str) -> list[WorkflowExecution]:
    async with explained_errors():
        return [each async for each in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)]
