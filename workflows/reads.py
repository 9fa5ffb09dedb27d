"""Workflows of one activity, which only reads: the worker has the credentials for it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.job_logs import JobLogActivities
    from activities.launch_settings.settings_activities import LaunchSettingsActivities
    from activities.targets import TargetActivities
    from contract.job_logs import JobLogs, JobLogsRequest
    from contract.launch_settings.apply import SettingsRequest
    from contract.readiness import Readiness
    from recovery.launch_settings.report import ServerSettings
    from recovery.plan.model import RecoveryPlan
    from recovery.text_format import count


@workflow.defn
class PingWorkflow:
    """Ends at once; that it ends shows that a worker runs workflows."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


@workflow.defn
class ReadinessWorkflow:
    """Checks whether a plan could be launched now; launches nothing."""

    @workflow.run
    async def run(self, plan: RecoveryPlan) -> Readiness:
        """All findings about its servers, quotas and targets."""
        return await workflow.execute_activity_method(
            TargetActivities.check_readiness,
            plan,
            summary=f"Check {plan.server_count} servers; nothing is launched",
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )


@workflow.defn
class JobLogWorkflow:
    """Reads the logs of DRS jobs."""

    @workflow.run
    async def run(self, request: JobLogsRequest) -> JobLogs:
        """The logs."""
        return await workflow.execute_activity_method(
            JobLogActivities.read_job_logs,
            request,
            summary=f"Read the log of {count(len(request.job_ids), 'job')}",
            start_to_close_timeout=timedelta(seconds=45),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


@workflow.defn
class ReadLaunchSettingsWorkflow:
    """Reads the launch settings of servers; changes nothing."""

    @workflow.run
    async def run(self, request: SettingsRequest) -> list[ServerSettings]:
        """What DRS and EC2 have for each server, and how it differs from what is wanted."""
        return await workflow.execute_activity_method(
            LaunchSettingsActivities.read_launch_settings,
            request,
            summary=f"Read the launch settings of {count(len(request.servers), 'server')}",
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
