"""The worker: one process that serves the task queues, with workflows and activities wired."""

import asyncio
import logging
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.worker import Worker

from activities.aws import AwsSessions
from activities.cleaning import CleanupActivities
from activities.drs import DrsActivities
from activities.executions import ExecutionActivities
from activities.history import HistoryActivities, HistoryTable
from activities.places import Places
from activities.targets import TargetActivities
from settings import TASK_QUEUE, WATCH_TASK_QUEUE, Settings, get_settings
from workflows.client import RecoveryClient, UnreachableError
from workflows.drill_cleanup import DrillCleanupWorkflow
from workflows.readiness import ReadinessWorkflow
from workflows.recovery_plan import RecoveryPlanWorkflow
from workflows.wave import WaveWorkflow

WORKFLOWS = (RecoveryPlanWorkflow, WaveWorkflow, DrillCleanupWorkflow, ReadinessWorkflow)
_AWS_CALLS_AT_ONCE = 64
_WATCHES_AT_ONCE = 5000
# A cancel reaches a heartbeating activity no sooner than its heartbeats go out.
_HEARTBEAT_THROTTLE = timedelta(seconds=4)
_GRACE = timedelta(seconds=10)


def make_workers(client: Client, settings: Settings) -> list[Worker]:
    """The workers of both task queues; long watches have slots of their own."""
    places = Places(AwsSessions())
    drs = DrsActivities(places, settings)
    history = HistoryActivities(HistoryTable(settings))
    targets = TargetActivities(places, settings)
    executions = ExecutionActivities()
    cleanup = CleanupActivities(places, settings)
    return [
        Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=WORKFLOWS,
            activities=[
                drs.launch,
                drs.find_launch,
                drs.review,
                history.record,
                history.cleanup_scope,
                targets.look_at_targets,
                targets.check_readiness,
            ],
            max_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
            graceful_shutdown_timeout=_GRACE,
        ),
        Worker(
            client,
            task_queue=WATCH_TASK_QUEUE,
            activities=[
                drs.watch,
                executions.look_at_wave,
                executions.follow_wave,
                executions.await_end,
                cleanup.find_instances,
                cleanup.terminate,
            ],
            max_concurrent_activities=_WATCHES_AT_ONCE,
            max_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
        ),
    ]


async def serve(client: Client, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then hand running work over."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_AWS_CALLS_AT_ONCE, thread_name_prefix="aws"))
    async with AsyncExitStack() as stack:
        for worker in make_workers(client, settings):
            await stack.enter_async_context(worker)
        structlog.get_logger().info("worker is ready", task_queue=TASK_QUEUE, speed=settings.speed)
        await stop.wait()
        structlog.get_logger().info("worker stops and hands its work over")


def configure_logging(*, as_json: bool) -> None:
    """Log to standard error, by structlog, the SDK's and boto3's lines included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)


async def run_worker() -> int:
    """Run the worker until SIGTERM or Ctrl-C.

    Returns:
        The exit code: 0, 2 for a wrong setting, 5 when Temporal cannot be reached.
    """
    try:
        settings = get_settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(["DRS_WAVES", *(str(part).upper() for part in problem["loc"])])
            print(f"{name}: {problem['msg']}", file=sys.stderr)
        return 2
    configure_logging(as_json=settings.log_json)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        client = await RecoveryClient.connect()
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return 5
    await serve(client.temporal, settings, stop)
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(run_worker()))
