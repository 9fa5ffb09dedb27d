"""The worker: its workflows and activities, its start and its shutdown."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.access.decision_check import DecisionActivities
from activities.access.message_activities import MessageActivities
from activities.access.verifier import RequestVerifier
from activities.cleanup import CleanupActivities
from activities.coverage.coverage_activities import CoverageActivities
from activities.doctor.doctor_activities import DoctorActivities
from activities.executions import ExecutionActivities
from activities.heartbeat import heartbeat_interval, heartbeat_timeout
from activities.history import HistoryActivities
from activities.isolation.isolation_activities import IsolationActivities
from activities.isolation.lease_activities import LeaseActivities
from activities.job_logs import JobLogActivities
from activities.launch.launch_activities import LaunchActivities
from activities.launch_settings.settings_activities import LaunchSettingsActivities
from activities.membership.membership_activities import MembershipActivities
from activities.notify.channel_clients import ChannelClients, configured_channels
from activities.notify.notify_activities import NotifyActivities
from activities.portfolio.portfolio_activities import PortfolioActivities
from activities.readiness.readiness_activities import ReadinessActivities
from activities.readiness.results import ReadinessResultActivities
from activities.readiness.surroundings import SurroundingsActivities
from activities.schedule.schedule_activities import ScheduleActivities
from activities.snapshots import SnapshotActivities
from activities.steps.reverting import RevertActivities
from activities.steps.step_activities import StepActivities
from activities.targets import TargetActivities
from activities.watch.watch_activities import WatchActivities
from aws.cloudwatch_logs import configured_audit_log
from aws.dependencies import installation_regions
from aws.drs.launch_events import LaunchEventQueues
from aws.ec2.template_leases import TemplateLeases
from aws.regions import DependencyRegions
from aws.targets import NO_ALLOW_LIST, TargetClients, configured_allow_list
from client.connection import connect_to_temporal, require_namespace, temporal_place
from client.errors import UnreachableError
from contract.temporal import (
    CHANNELS_TASK_QUEUE,
    HISTORY_TASK_QUEUE,
    NOTIFY_TASK_QUEUE,
    READINESS_TASK_QUEUE,
    STEP_TASK_QUEUE,
    TASK_QUEUE,
    WATCH_TASK_QUEUE,
)
from recovery.access.audit import AuditPlace
from runtime.alive_file import touching
from runtime.deployment import deployment_config, logging_current_version
from runtime.exit import ExitCode
from runtime.garbage import collect_rarely
from runtime.log_config import configure_logging
from runtime.memory import limit_arenas
from runtime.telemetry import metrics_runtime
from runtime.workflow_runner import ReplayableRunner
from security.audit_log import NO_AUDIT_LOG, AuditLog
from settings import Settings, aws_elsewhere, get_settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.readiness import ReadinessTable
from workflows.audit import AuditInterceptor
from workflows.drill_cleanup import DrillCleanupWorkflow
from workflows.history_repair import HistoryRepairWorkflow
from workflows.launch_settings.apply import LaunchSettingsWorkflow
from workflows.launcher.workflow import LauncherWorkflow
from workflows.lease.guard import TemplateGuardWorkflow
from workflows.lease.workflow import LeaseWorkflow
from workflows.notifier import NotifierWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.portfolio.workflow import PortfolioWorkflow
from workflows.readiness.check import ReadinessWorkflow
from workflows.readiness.watch import WatchReadinessWorkflow
from workflows.reads import (
    CoverageWorkflow,
    DoctorWorkflow,
    JobLogWorkflow,
    MembershipWorkflow,
    PingWorkflow,
    ReadLaunchSettingsWorkflow,
    SnapshotsWorkflow,
)
from workflows.schedules.scheduled_drill import ScheduledDrillWorkflow
from workflows.wave.step_revert import RevertStepWorkflow
from workflows.wave.workflow import WaveWorkflow

WORKFLOWS = (
    RecoveryPlanWorkflow,
    WaveWorkflow,
    LauncherWorkflow,
    LeaseWorkflow,
    TemplateGuardWorkflow,
    DrillCleanupWorkflow,
    PingWorkflow,
    DoctorWorkflow,
    ReadinessWorkflow,
    CoverageWorkflow,
    WatchReadinessWorkflow,
    JobLogWorkflow,
    MembershipWorkflow,
    SnapshotsWorkflow,
    HistoryRepairWorkflow,
    NotifierWorkflow,
    RevertStepWorkflow,
    ReadLaunchSettingsWorkflow,
    LaunchSettingsWorkflow,
    PortfolioWorkflow,
    ScheduledDrillWorkflow,
)
# Of a task queue: activities that hang must not keep others from starting.
_ACTIVITIES_AT_ONCE = 5000
_LOOKS_AT_ONCE = 8
# Of plans, waves and launchers; one that is not cached is read from its history again.
_CACHED_WORKFLOWS = 2000
_GRACE_PERIOD = timedelta(seconds=10)
_LAST_EVENTS_SECONDS = 1.0
# Less than the 30 s after which Docker and Kubernetes kill what does not stop.
STOP_TIMEOUT_SECONDS = 25.0


def make_workers(
    client: Client,
    settings: Settings,
    audit: AuditLog | None = None,
    *,
    clients: TargetClients | None = None,
) -> list[Worker]:
    """The workers of the task queues; launches, watches, steps and others have their own slots.

    Args:
        client: Temporal's.
        settings: of the process.
        audit: its audit log; default: events go to its log.
        clients: of AWS; default: of the settings.

    Raises:
        KeyFileError: the keys to verify requests with cannot be used.
        ModelFileError: the allow-list or the file of channels is invalid.
    """
    clients = clients or TargetClients(settings)
    verifier = RequestVerifier(settings, audit)
    templates = TemplateLeases(clients)
    launch = LaunchActivities(clients, settings, verifier, templates)
    isolation = IsolationActivities(clients, templates, settings, verifier)
    leases = LeaseActivities(clients, templates, settings)
    watch = WatchActivities(clients, settings, templates)
    table = HistoryTable(settings)
    history = HistoryActivities(table)
    schedules = ScheduleActivities(clients, settings, table, verifier)
    channels = configured_channels(settings)
    dependencies = replace(
        DependencyRegions.of(settings, client.service_client.config.target_host),
        others=installation_regions(settings, channels),
    )
    targets = TargetActivities(clients, settings, dependencies, table, verifier)
    surroundings = SurroundingsActivities(
        clients, settings, dependencies, table, channels, verifier=verifier
    )
    readiness = ReadinessActivities(clients, ReadinessTable(settings))
    results = ReadinessResultActivities(clients, settings)
    notify = NotifyActivities(channels, ChannelClients(settings))
    job_logs = JobLogActivities(clients)
    snapshots = SnapshotActivities(clients)
    coverage = CoverageActivities(clients, PlanTable(settings), table)
    membership = MembershipActivities(clients, PlanTable(settings))
    steps = StepActivities(clients, settings, verifier)
    reverts = RevertActivities(clients, settings, table, verifier)
    launch_settings = LaunchSettingsActivities(clients, settings, verifier)
    executions = ExecutionActivities()
    portfolios = PortfolioActivities(settings, table, verifier)
    cleanup = CleanupActivities(clients, settings, verifier)
    messages = MessageActivities(verifier)
    decisions = DecisionActivities(verifier)
    doctor = DoctorActivities(clients, settings, channels, verifier)
    runner = ReplayableRunner(is_sandboxed=False)
    common: dict[str, Any] = {
        "max_concurrent_activities": _ACTIVITIES_AT_ONCE,
        "max_heartbeat_throttle_interval": heartbeat_interval(),
        "deployment_config": deployment_config(settings),
    }
    workflow_worker = runner.serve(
        Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=WORKFLOWS,
            workflow_runner=runner,
            interceptors=[AuditInterceptor(messages)],
            activities=[
                launch.queue_launches,
                launch.send_results,
                launch.launch_batch,
                launch.find_launch,
                isolation.prepare_isolation,
                isolation.switch_templates,
                watch.review_launches,
                targets.check_targets,
                readiness.look_at_target,
                surroundings.look_at_surroundings,
                results.find_registered_plan,
                results.record_readiness,
                job_logs.read_job_logs,
                launch_settings.read_launch_settings,
                launch_settings.create_template_versions,
                launch_settings.apply_launch_settings,
                snapshots.read_snapshots,
                portfolios.start_plan,
                coverage.read_coverage,
                membership.read_membership,
                messages.verify_messages,
                decisions.verify_decision,
                doctor.examine_installation,
                doctor.answer_queue,
            ],
            sticky_queue_schedule_to_start_timeout=timedelta(
                seconds=settings.sticky_timeout_seconds
            ),
            max_cached_workflows=_CACHED_WORKFLOWS,
            graceful_shutdown_timeout=_GRACE_PERIOD,
            **common,
        )
    )
    watch_worker = Worker(
        client,
        task_queue=WATCH_TASK_QUEUE,
        activities=[
            watch.watch_servers,
            watch.read_running_jobs,
            leases.find_lease_jobs,
            leases.hold_templates,
            leases.restore_templates,
            leases.compare_templates,
            executions.read_wave,
            executions.await_wave,
            executions.await_execution_end,
            portfolios.read_portfolio_context,
            portfolios.watch_plan,
            portfolios.cancel_plans,
            cleanup.find_instances,
            cleanup.terminate,
            doctor.answer_queue,
        ],
        **common,
    )
    history_worker = Worker(
        client,
        task_queue=HISTORY_TASK_QUEUE,
        activities=[
            history.record,
            history.record_deliveries,
            history.cleanup_scope,
            history.read_taken_over,
            history.repair_history,
            portfolios.record_portfolio,
            schedules.look_at_drill,
            schedules.record_drill,
            schedules.read_outcome,
            schedules.learned_for_drill,
            doctor.answer_queue,
        ],
        graceful_shutdown_timeout=_GRACE_PERIOD,
        **common,
    )
    notify_worker = Worker(
        client,
        task_queue=NOTIFY_TASK_QUEUE,
        activities=[
            notify.report,
            notify.deliver,
            notify.ended_executions,
            doctor.answer_queue,
        ],
        graceful_shutdown_timeout=_GRACE_PERIOD,
        **common,
    )
    step_worker = Worker(
        client,
        task_queue=STEP_TASK_QUEUE,
        activities=[
            steps.start_step,
            steps.watch_step,
            steps.stop_step,
            steps.check_step,
            reverts.revert_step,
            doctor.answer_queue,
        ],
        graceful_shutdown_timeout=_GRACE_PERIOD,
        **common,
    )
    readiness_worker = Worker(
        client,
        task_queue=READINESS_TASK_QUEUE,
        activities=[
            readiness.look_at_target,
            surroundings.look_at_surroundings,
            results.find_registered_plan,
            results.record_readiness,
            doctor.answer_queue,
        ],
        **common | {"max_concurrent_activities": _LOOKS_AT_ONCE},
    )
    workers = [
        workflow_worker,
        watch_worker,
        history_worker,
        notify_worker,
        step_worker,
        readiness_worker,
    ]
    if channels:
        one_poller = common | {"max_concurrent_activity_task_polls": 1}
        workers.append(
            Worker(
                client,
                task_queue=CHANNELS_TASK_QUEUE,
                activities=[doctor.answer_queue],
                **one_poller,
            )
        )
    return workers


async def serve(client: Client, settings: Settings, stop: asyncio.Event, audit: AuditLog) -> None:
    """Serve until `stop` is set, then shut down; other workers continue running work.

    Raises:
        UnreachableError: Temporal no longer accepts this worker.
    """
    clients = TargetClients(settings)
    workers = make_workers(client, settings, audit, clients=clients)
    events = LaunchEventQueues(settings.launch_event_queues or (), clients.hint)
    try:
        async with AsyncExitStack() as stack:
            for worker in workers:
                await stack.enter_async_context(worker)
            structlog.get_logger().info(
                "worker is ready",
                temporal=temporal_place(client),
                task_queue=TASK_QUEUE,
                speed=settings.speed,
            )
            await stack.enter_async_context(touching(settings.alive_file))
            async with logging_current_version(client, settings), events:
                await stop.wait()
            structlog.get_logger().info("worker shuts down; other workers continue its work")
            await _shut_down(workers, audit)
    except (RuntimeError, RPCError) as error:
        reason = str(error).partition(": Status {")[0]
        raise UnreachableError(f"Temporal no longer accepts this worker: {reason}") from error


async def _shut_down(workers: Sequence[Worker], audit: AuditLog) -> None:
    """Shut down all workers; end the process if Temporal takes too long to respond."""
    stopping = asyncio.gather(*(worker.shutdown() for worker in workers))
    try:
        await asyncio.wait_for(stopping, STOP_TIMEOUT_SECONDS)
    except TimeoutError:
        _end_process("Temporal does not respond", audit)


def _end_process(why: str, audit: AuditLog) -> NoReturn:
    """End the process without a call to Temporal, like a kill; this loses nothing."""
    structlog.get_logger().warning(
        f"worker ends at once: {why}; other workers continue its work after "
        f"{heartbeat_timeout().total_seconds():g} s"
    )
    audit.close(_LAST_EVENTS_SECONDS)
    os._exit(ExitCode.COMPLETED)


def _log_allow_list(settings: Settings) -> None:
    """Log what the worker may act in, before it begins."""
    allow_list = configured_allow_list(settings)
    if allow_list is not None:
        structlog.get_logger().info(
            "worker acts only in the targets of its allow-list",
            allow_list=allow_list.source,
            entries=len(allow_list.targets),
        )
    elif aws_elsewhere():
        structlog.get_logger().warning(NO_ALLOW_LIST)


def _opened_audit_log(settings: Settings) -> AuditLog:
    if settings.require_signed_requests and settings.audit_log is None:
        structlog.get_logger().warning(NO_AUDIT_LOG)
    return configured_audit_log(settings, AuditPlace.WORKER)


def _log_channels(settings: Settings) -> None:
    """Log where notifications go, before the worker begins."""
    channels = configured_channels(settings)
    if channels:
        names = ", ".join(each.name for each in channels)
        structlog.get_logger().info("worker sends notifications", channels=names)
    elif aws_elsewhere():
        structlog.get_logger().warning(
            "worker has no channels, so nobody is notified of a decision: set DRS_WAVES_NOTIFY_FILE"
        )


async def run_worker() -> None:
    """Run the worker until SIGTERM or Ctrl-C; a second one ends it at once.

    Raises:
        pydantic.ValidationError: a setting is invalid.
        ModelFileError: the allow-list or the file of channels is invalid.
        AuditLogError: the file of the audit log cannot be opened.
        KeyFileError: the file of the encryption keys cannot be used.
        EncryptionError: KMS makes no data key.
        RefusedError: a setting of Temporal is invalid, or its namespace is missing.
        UnreachableError: Temporal cannot be reached.
    """
    limit_arenas()
    collect_rarely()
    settings = get_settings()
    configure_logging(as_json=settings.log_json)
    _log_allow_list(settings)
    audit = _opened_audit_log(settings)
    _log_channels(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    connecting = asyncio.current_task()

    def request_stop() -> None:
        if stop.is_set():
            _end_process("a second stop signal", audit)
        stop.set()
        if connecting is not None:
            connecting.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request_stop)
    try:
        try:
            client = await connect_to_temporal(metrics_runtime(settings))
            await require_namespace(client)
            # A worker that cannot encrypt what it has done must not begin.
            await client.data_converter.encode(["a key is there"])
        except asyncio.CancelledError:
            return
        connecting = None
        await serve(client, settings, stop, audit)
    finally:
        await asyncio.to_thread(audit.close)
