"""The stack for a bench: Temporal, the local AWS, the history table and workers."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from bench.sandbox_client import SandboxClient
from bench.worker_pool import WorkerPool
from cli.sandbox.local_stack import new_stack, use_stack
from client.connection import connect_to_temporal
from sandbox.launch_event_queue import make_launch_event_queues
from sandbox.stack import Stack, free_port
from settings import get_settings
from storage.history import HistoryTable

T = TypeVar("T")

REGIONS = (
    "us-west-2", "us-east-1", "us-east-2", "us-west-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "eu-central-1", "eu-north-1", "eu-south-1", "ap-south-1", "ap-east-1", "ap-southeast-1",
    "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ca-central-1",
    "sa-east-1", "me-south-1", "af-south-1",
)  # fmt: skip
REGION = "us-west-2"
OTHER_REGION = "eu-west-1"
ACCOUNT = "123456789012"
_THREADS = 64


@dataclass
class Testbed:
    """A running stack and its clients.

    Attributes:
        keep_logs: whether the folder of the stack is kept at the end. It is after a failure.
        event_regions: where DRS's launch results are sent to the workers.
    """

    stack: Stack
    aws: SandboxClient
    client: Client
    table: HistoryTable
    workers: WorkerPool
    keep_logs: bool = False
    event_regions: Sequence[str] = ()

    async def restart_temporal(self) -> None:
        """Stop Temporal and start it again with the same database."""
        async with self.workers.lock:
            await asyncio.to_thread(self.stack.stop_part, "temporal")
            await asyncio.to_thread(self.stack.start_temporal)


@asynccontextmanager
async def running_testbed(
    *,
    speed: float,
    workers: int,
    proxied: bool = False,
    event_regions: Sequence[str] = (),
    **settings: float,
) -> AsyncIterator[Testbed]:
    """Start a stack for the block, connect this process to it, and always stop it at the end.

    Args:
        speed: divides the durations of DRS operations, polls and deadlines.
        workers: the number of workers.
        proxied: whether each worker connects to Temporal through a TCP proxy.
        event_regions: where DRS's launch results are sent to the workers.
        settings: settings of the workers, by their names in `Settings`.
    """
    folder = Path(tempfile.mkdtemp(prefix="drs-waves-bench-"))
    stack = new_stack(folder, speed=speed, end_with_parent=True)
    settings = {"absent_after_seconds": 5.0} | settings
    variables = {f"DRS_WAVES_{name.upper()}": f"{value:g}" for name, value in settings.items()}
    stack.variables = {**stack.variables, **variables}
    stack.temporal_port, stack.ui_port, stack.aws_port, stack.api_port = (
        free_port() for _ in range(4)
    )
    stack.smtp_port, stack.dns_port = free_port(), free_port()
    use_stack(stack)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    pool = WorkerPool(stack, workers, proxied)
    aws = SandboxClient(stack.aws_url)
    keep_logs = True
    try:
        await asyncio.to_thread(stack.start_temporal)
        await asyncio.to_thread(stack.start_aws)
        if event_regions:
            key = stack.env["AWS_ACCESS_KEY_ID"]
            urls = make_launch_event_queues(stack.aws_url, event_regions, access_key=key)
            stack.add_variables({"DRS_WAVES_LAUNCH_EVENT_QUEUES": ",".join(urls)})
        table = HistoryTable(get_settings())
        await table.create()
        client = await connect_to_temporal()
        await pool.start()
        testbed = Testbed(stack, aws, client, table, pool, event_regions=event_regions)
        yield testbed
        keep_logs = testbed.keep_logs
    except asyncio.CancelledError:
        keep_logs = False
        raise
    finally:
        await pool.stop()
        await aws.close()
        await asyncio.to_thread(stack.stop)
        if keep_logs:
            print(f"Logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def run_bench(work: Coroutine[Any, Any, T]) -> T:
    """Run a bench. SIGTERM stops the bench and its processes, as Ctrl-C does."""
    # Each run of a workflow loads its modules, and without compiled ones compiles them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A bench stops Temporal on purpose; the retry warnings are not useful.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=quiet))
    Runtime.set_default(Runtime(telemetry=telemetry))
    # A shell starts a background process with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return asyncio.run(work)
