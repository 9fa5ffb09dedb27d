"""Reads job logs of DRS on the worker, which has the credentials."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.job_logs import JobLogActivities
    from contract.job_logs import JobLogs, JobLogsRequest
    from recovery.text_format import count


@workflow.defn
class JobLogWorkflow:
    """Reads the logs of DRS jobs; changes nothing."""

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
