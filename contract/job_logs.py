"""Job logs of DRS, as shown to users."""

from recovery.base_model import Model
from recovery.plan.model import Target


class JobLogsRequest(Model):
    """The jobs whose logs to read, and their target."""

    target: Target
    job_ids: list[str]


class Conversion(Model):
    """The conversion of a server's volumes.

    Attributes:
        data_timestamp: the time of the data, as DRS writes it.
        volume_to_volume_size: bytes by source volume.
        volume_to_conversion_map: by source volume, the kinds of conversion and their results.
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
        event: DRS's name, such as LAUNCH_FAILED; may be missing in DRS's model.
        time: epoch seconds; None if DRS's timestamp cannot be parsed.
        raw_error: AWS's error message.
        attempt_count: the attempt, of `max_attempts_count`.
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


class JobLog(Model):
    """A DRS job with its log.

    Attributes:
        type: DRS's name, such as LAUNCH; None if DRS no longer has the job.
        status: DRS's name; a job ends COMPLETED even if its servers FAILED.
        creation_time: epoch seconds.
        end_time: epoch seconds.
        lines: what was logged, the oldest first.
        omitted_lines: how many of the oldest lines are not shown, because there are too many.
        error: why the job or its log could not be read.
    """

    job_id: str
    type: str | None = None
    status: str | None = None
    initiated_by: str | None = None
    creation_time: float | None = None
    end_time: float | None = None
    lines: list[JobLogLine] = []
    omitted_lines: int = 0
    error: str | None = None


class JobLogs(Model):
    """The logs of several jobs."""

    jobs: list[JobLog]
