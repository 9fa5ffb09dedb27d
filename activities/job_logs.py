"""Reads job logs of DRS, which show why a server failed."""

import asyncio

from temporalio import activity

from activities.heartbeat import heartbeating
from aws.drs.client import DrsClient
from aws.drs.models import Job, JobLogItem, epoch
from aws.errors import AwsError
from aws.targets import TargetClients
from contract.job_logs import JobLog, JobLogLine, JobLogs, JobLogsRequest
from recovery.text_format import shortened

_JOBS_AT_ONCE = 4
# Temporal takes 2 MB a payload.
_MAX_CHARACTERS = 1_500_000
_MAX_ERROR_LENGTH = 2000


class JobLogActivities:
    """The activity that reads job logs; it changes nothing."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients

    @activity.defn
    async def read_job_logs(self, request: JobLogsRequest) -> JobLogs:
        """Read the logs of jobs; a job that cannot be read has its error."""
        api = self._clients.drs(request.target)
        async with heartbeating():
            jobs, error = await _known_jobs(api, request.job_ids)
            semaphore = asyncio.Semaphore(_JOBS_AT_ONCE)

            async def read(job_id: str) -> JobLog:
                async with semaphore:
                    return await _read(api, _job_header(job_id, jobs.get(job_id), error))

            logs = await asyncio.gather(*(read(job_id) for job_id in request.job_ids))
        return _within_payload(list(logs))


async def _known_jobs(api: DrsClient, job_ids: list[str]) -> tuple[dict[str, Job], str | None]:
    try:
        return {job.job_id: job for job in await api.jobs(job_ids)}, None
    except AwsError as error:
        return {}, str(error)


def _job_header(job_id: str, job: Job | None, error: str | None) -> JobLog:
    """A job without its log."""
    if job is None:
        return JobLog(job_id=job_id, error=error or "DRS no longer has this job")
    return JobLog(
        job_id=job_id,
        type=job.type,
        status=job.status,
        initiated_by=job.initiated_by,
        creation_time=epoch(job.creation_date_time),
        end_time=epoch(job.end_date_time),
    )


async def _read(api: DrsClient, log: JobLog) -> JobLog:
    try:
        lines = [line_of(item) for item in await api.job_log(log.job_id)]
    except AwsError as error:
        return log.model_copy(update={"error": str(error)})
    return log.model_copy(update={"lines": lines})


def line_of(item: JobLogItem) -> JobLogLine:
    """A line for users."""
    error = item.raw_error and shortened(item.raw_error, max_bytes=_MAX_ERROR_LENGTH)
    known = {"time": epoch(item.log_date_time), "raw_error": error}
    return JobLogLine.model_validate(dict(item) | known)


def _within_payload(logs: list[JobLog]) -> JobLogs:
    """Omit the oldest lines of logs that are too long, because errors come last."""
    max_characters = _MAX_CHARACTERS // max(1, len(logs))
    for log in logs:
        used = 0
        for number, line in enumerate(reversed(log.lines)):
            used += len(line.model_dump_json())
            if used > max_characters:
                log.omitted_lines = len(log.lines) - number
                log.lines = log.lines[log.omitted_lines :]
                break
    return JobLogs(jobs=logs)
