"""The stack for a bench: Temporal, the local AWS, the history table and workers."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from bench.sandbox_client import SandboxClient
from bench.worker_pool import WorkerPool
from client.connection import connect_to_temporal
from contract.identifiers import SEARCH_ATTRIBUTES
from sandbox.stack import Stack, free_port
from settings import get_settings
from storage.history import HistoryTable

T = TypeVar("T")

REGION = "us-west-2"
OTHER_REGION = "eu-west-1"
ACCOUNT = "123456789012"
_THREADS = 64
# The exit code that a shell reports after SIGTERM.
_SIGTERM_EXIT_CODE = 143
_CLOUD_VARIABLES = ("AWS_", "TEMPORAL_", "DRS_WAVES_")


@dataclass
class Testbed:
    """A running stack and its clients."""

    stack: Stack
    aws: SandboxClient
    client: Client
    table: HistoryTable
    workers: WorkerPool

    async def restart_temporal(self) -> None:
        """Stop Temporal and start it again with the same database."""
        async with self.workers.lock:
            await asyncio.to_thread(self.stack.stop_part, "temporal")
            await asyncio.to_thread(self.stack.start_temporal)


@asynccontextmanager
async def running_testbed(
    folder: Path,
    *,
    speed: float,
    workers: int,
    proxied: bool = False,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Testbed]:
    """Start a stack for the block, and always stop it after the block.

    Args:
        folder: the folder for logs and Temporal's database. It is not deleted.
        speed: divides the durations of DRS operations, polls and deadlines.
        workers: the number of workers.
        proxied: whether each worker connects to Temporal through a TCP proxy.
        variables: additional environment variables for the workers.
    """
    stack = Stack(
        folder=folder,
        worker=[sys.executable, "-m", "worker"],
        server=[sys.executable, "-m", "starter", "serve"],
        search_attributes=[f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES],
        speed=speed,
        region=REGION,
        variables={"DRS_WAVES_ABSENT_AFTER_SECONDS": "5", **(variables or {})},
        end_with_parent=True,
        temporal_port=free_port(),
        ui_port=free_port(),
        aws_port=free_port(),
        api_port=free_port(),
    )
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    pool = WorkerPool(stack, workers, proxied)
    with _environment():
        try:
            await asyncio.to_thread(stack.start_temporal)
            await asyncio.to_thread(stack.start_aws)
            os.environ.update(stack.env)
            get_settings.cache_clear()
            table = HistoryTable(get_settings())
            await table.create()
            client = await connect_to_temporal()
            await pool.start()
            yield Testbed(stack, SandboxClient(stack.aws_url), client, table, pool)
        finally:
            await pool.stop()
            await asyncio.to_thread(stack.stop)


@contextmanager
def scratch_folder(keep: list[bool]) -> Iterator[Path]:
    """A folder for the block. It is deleted after the block unless `keep` contains True.

    It is also deleted after an interruption.
    """
    folder = Path(tempfile.mkdtemp(prefix="drs-waves-bench-"))
    try:
        yield folder
    except (KeyboardInterrupt, SystemExit):
        keep.clear()
        raise
    finally:
        if not any(keep):
            shutil.rmtree(folder, ignore_errors=True)


def run_bench(work: Coroutine[Any, Any, T]) -> T:
    """Run a bench. SIGTERM stops the bench and its processes, as Ctrl-C does."""

    # A bench stops Temporal on purpose; the retry warnings are not useful.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=quiet))
    Runtime.set_default(Runtime(telemetry=telemetry))

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise SystemExit(_SIGTERM_EXIT_CODE) from None


@contextmanager
def _environment() -> Iterator[None]:
    """Remove the AWS and Temporal variables of this shell for the block."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_CLOUD_VARIABLES):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()
