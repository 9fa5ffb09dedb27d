"""DRS's responses as typed models.

Every field is optional and no enum is validated, because real responses hold values that the
service's model lacks and omit fields that it requires. Timestamps come in two forms.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel, to_snake

from contract.job_logs import Conversion, SourceNetwork
from recovery.execution.server import OperatingSystem

# The tags of further launches of a job start with it.
LAUNCH_ID_TAG = "drs-waves:launch-id"
DAY_SECONDS = 86_400.0


class DrsResponse(BaseModel):
    """Base of all responses of DRS."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class ParticipatingServer(DrsResponse):
    """A server of a job."""

    source_server_id: str | None = Field(default=None, alias="sourceServerID")
    recovery_instance_id: str | None = Field(default=None, alias="recoveryInstanceID")
    launch_status: str | None = None


class Job(DrsResponse):
    """A DRS job; it ends COMPLETED even when its servers FAILED."""

    job_id: str = Field(alias="jobID")
    arn: str | None = None
    type: str | None = None
    status: str | None = None
    initiated_by: str | None = None
    creation_date_time: str | None = None
    end_date_time: str | None = None
    participating_servers: list[ParticipatingServer] = []
    tags: dict[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether DRS has finished with it."""
        return self.status == "COMPLETED"

    @property
    def launch_ids(self) -> tuple[str, ...]:
        """The IDs of its launches; empty for a job that is not ours."""
        return tuple(v for key, v in self.tags.items() if key.startswith(LAUNCH_ID_TAG))

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The source servers it works on."""
        ids = (s.source_server_id for s in self.participating_servers)
        return tuple(i for i in ids if i)


class TagList(DrsResponse):
    """The response of ListTagsForResource."""

    tags: dict[str, str] = {}


def _none_if_invalid(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    try:
        return parse(value)
    except ValidationError:
        return None


def _snake_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {to_snake(key): each for key, each in value.items() if each is not None}


T = TypeVar("T")
# None if it is missing or its form is unknown.
Lenient = Annotated[T | None, BeforeValidator(_snake_keys), WrapValidator(_none_if_invalid)]


def _event_data(*path: str) -> Any:
    return Field(default=None, validation_alias=AliasPath("eventData", *path))


class JobLogItem(DrsResponse):
    """A line of a job's log; what it says about its event has no fixed form."""

    event: str = ""
    log_date_time: str | None = None
    source_server_id: Lenient[str] = _event_data("sourceServerID")
    conversion_server_id: Lenient[str] = _event_data("conversionServerID")
    target_instance_id: Lenient[str] = _event_data("targetInstanceID")
    raw_error: Lenient[str] = _event_data("rawError")
    attempt_count: Lenient[int] = _event_data("attemptCount")
    max_attempts_count: Lenient[int] = _event_data("maxAttemptsCount")
    conversion: Lenient[Conversion] = _event_data("conversionProperties")
    network: Lenient[SourceNetwork] = _event_data("eventResourceData", "sourceNetworkData")


class RecoveryInstance(DrsResponse):
    """An instance that DRS launched for a source server."""

    recovery_instance_id: str | None = Field(default=None, alias="recoveryInstanceID")
    ec2_instance_state: str | None = None
    job_id: str | None = Field(default=None, alias="jobID")
    source_server_id: str | None = Field(default=None, alias="sourceServerID")
    is_drill: bool | None = None


def live_recoveries(instances: Iterable[RecoveryInstance]) -> dict[str, RecoveryInstance]:
    """By server, its live instance of a real recovery, or of an unknown type."""
    not_live = ("TERMINATED", "SHUTTING-DOWN", "NOT_FOUND")
    return {
        i.source_server_id: i
        for i in instances
        if i.source_server_id and not i.is_drill and i.ec2_instance_state not in not_live
    }


class SourceServer(DrsResponse):
    """A source server, with the fields that readiness needs.

    Attributes:
        origin_region: the Region in which a server in AWS runs, and which may be lost.
        system: its operating system's name and version, in no fixed form.
    """

    source_server_id: str = Field(alias="sourceServerID")
    replication_state: str | None = Field(
        default=None, validation_alias=AliasPath("dataReplicationInfo", "dataReplicationState")
    )
    lag_duration: str | None = Field(
        default=None, validation_alias=AliasPath("dataReplicationInfo", "lagDuration")
    )
    name: str | None = Field(default=None, validation_alias=AliasPath("tags", "Name"))
    origin_region: str | None = Field(
        default=None, validation_alias=AliasPath("sourceCloudProperties", "originRegion")
    )
    system: str | None = Field(
        default=None, validation_alias=AliasPath("sourceProperties", "os", "fullString")
    )

    @property
    def operating_system(self) -> OperatingSystem | None:
        """Windows if the name contains it; otherwise Linux, the only other system in DRS."""
        if not self.system:
            return None
        named_windows = "windows" in self.system.lower()
        return OperatingSystem.WINDOWS if named_windows else OperatingSystem.LINUX


def epoch(text: str | None) -> float | None:
    """Epoch seconds of a DRS timestamp, in either of its two forms; None if it is neither."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
