"""What DRS logged of jobs, for people who ask why a server did not come up."""

import asyncio
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.alias_generators import to_snake
from temporalio import activity

from activities.aws import AwsTrouble
from activities.drs_api import DrsApi, Job, JobLogEvent, epoch
from activities.heartbeat import heartbeating
from activities.places import Places
from recovery.execution import shortened
from recovery.model import Model
from recovery.plan import Target

M = TypeVar("M", bound=Model)

_JOBS_AT_ONCE = 4
# Temporal takes 2 MB a payload.
_MOST_CHARACTERS = 1_500_000
_LONGEST_ERROR = 2000


class ReadJobLogs(Model):
    """Which jobs' logs to read, and where they are."""

    target: Target
    job_ids: list[str]


class Conversion(Model):
    """What DRS made a server's volumes into.

    Attributes:
        data_timestamp: the moment that the data is of, as DRS writes it.
        volume_to_volume_size: bytes by source volume.
        volume_to_conversion_map: by source volume, the kinds of conversion and what came of them.
    """

    root_volume_name: str | None = None
    force_uefi: bool | None = None
    data_timestamp: str | None = None
    volume_to_volume_size: dict[str, int] = {}
    volume_to_conversion_map: dict[str, dict[str, str]] = {}


class SourceNetwork(Model):
    """The source network that an event is about."""

    source_network_id: str | None = None
    source_vpc: str | None = None
    target_vpc: str | None = None
    stack_name: str | None = None


class JobLogLine(Model):
    """An event of a job.

    Attributes:
        event: DRS's own word, such as LAUNCH_FAILED; also one that its model lacks.
        time: epoch seconds; None where DRS's timestamp is not understood.
        raw_error: why it failed, in AWS's own words.
        attempt_count: which attempt of `max_attempts_count` it is of.
    """

    event: str
    time: float | None = None
    source_server_id: str | None = None
    conversion_server_id: str | None = None
    target_instance_id: str | None = None
    raw_error: str | None = None
    attempt_count: int | None = None
    max_attempts_count: int | None = None
    conversion: Conversion | None = None
    network: SourceNetwork | None = None

    @classmethod
    def of(cls, item: JobLogEvent) -> "JobLogLine":
        """What DRS logged."""
        data = item.event_data or {}
        resource = data.get("eventResourceData")
        network = resource.get("sourceNetworkData") if isinstance(resource, dict) else None
        error = _text(data.get("rawError"))
        return cls(
            event=item.event,
            time=epoch(item.log_date_time),
            source_server_id=_text(data.get("sourceServerID")),
            conversion_server_id=_text(data.get("conversionServerID")),
            target_instance_id=_text(data.get("targetInstanceID")),
            raw_error=None if error is None else shortened(error, most=_LONGEST_ERROR),
            attempt_count=_whole(data.get("attemptCount")),
            max_attempts_count=_whole(data.get("maxAttemptsCount")),
            conversion=_understood(Conversion, data.get("conversionProperties")),
            network=_understood(SourceNetwork, network),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _understood(model: type[M], told: Any) -> M | None:
    """A part of DRS's answer, as far as it has the form that we know."""
    if not isinstance(told, dict):
        return None
    known = {to_snake(key): value for key, value in told.items()}
    try:
        return model.model_validate({key: v for key, v in known.items() if v is not None})
    except ValidationError:
        return None


class JobLog(Model):
    """A DRS job with its log.

    Attributes:
        type: DRS's own word, such as LAUNCH; None where the job is not known any more.
        status: DRS's own word; a job ends COMPLETED even when its servers FAILED.
        creation_time: epoch seconds.
        end_time: epoch seconds.
        lines: what was logged, the oldest first.
        left_out: how many of the oldest lines are not told, because there are too many.
        trouble: why the job or its log could not be read.
    """

    job_id: str
    type: str | None = None
    status: str | None = None
    initiated_by: str | None = None
    creation_time: float | None = None
    end_time: float | None = None
    lines: list[JobLogLine] = []
    left_out: int = 0
    trouble: str | None = None


class JobLogs(Model):
    """The logs of several jobs."""

    jobs: list[JobLog]


class JobLogActivities:
    """The activity that reads job logs; it never touches anything."""

    def __init__(self, places: Places) -> None:
        self._places = places

    @activity.defn
    async def read_job_logs(self, asked: ReadJobLogs) -> JobLogs:
        """Read what DRS logged of jobs; a job that cannot be read says so itself."""
        api = self._places.api(asked.target)
        async with heartbeating():
            known, trouble = await _known_jobs(api, asked.job_ids)
            gate = asyncio.Semaphore(_JOBS_AT_ONCE)

            async def read(job_id: str) -> JobLog:
                async with gate:
                    return await _read(api, _begun(job_id, known.get(job_id), trouble))

            logs = await asyncio.gather(*(read(job_id) for job_id in asked.job_ids))
        return _within_payload(list(logs))


async def _known_jobs(api: DrsApi, job_ids: list[str]) -> tuple[dict[str, Job], str | None]:
    try:
        return {job.job_id: job for job in await api.jobs(job_ids)}, None
    except AwsTrouble as trouble:
        return {}, str(trouble)


def _begun(job_id: str, job: Job | None, trouble: str | None) -> JobLog:
    """A job without its log."""
    if job is None:
        return JobLog(job_id=job_id, trouble=trouble or "DRS does not know this job any more")
    return JobLog(
        job_id=job_id,
        type=job.type,
        status=job.status,
        initiated_by=job.initiated_by,
        creation_time=epoch(job.creation_date_time),
        end_time=epoch(job.end_date_time),
    )


async def _read(api: DrsApi, log: JobLog) -> JobLog:
    try:
        lines = [JobLogLine.of(item) for item in await api.job_log_events(log.job_id)]
    except AwsTrouble as trouble:
        return log.model_copy(update={"trouble": str(trouble)})
    return log.model_copy(update={"lines": lines})


def _within_payload(logs: list[JobLog]) -> JobLogs:
    """Leave out the oldest lines of what would be too much; errors come last in a log."""
    most = _MOST_CHARACTERS // max(1, len(logs))
    for log in logs:
        taken = 0
        for number, line in enumerate(reversed(log.lines)):
            taken += len(line.model_dump_json())
            if taken > most:
                log.left_out = len(log.lines) - number
                log.lines = log.lines[log.left_out :]
                break
    return JobLogs(jobs=logs)
