"""DRS's responses as typed models.

Every field is optional and no enum is validated, because real responses hold values that the
service's model lacks and omit fields that it requires. Timestamps come in two forms.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake

from contract.job_logs import Conversion, SourceNetwork
from recovery.execution.server import OperatingSystem
from recovery.launch_settings.in_force import DrsFields
from recovery.text_format import shortened

# The names of 500 servers must fit into a wave's item of the history.
_MAX_NAME_BYTES = 64
_MAX_ACTION_NAME_BYTES = 64

# The tags of further launches of a job start with it.
LAUNCH_ID_TAG = "drs-waves:launch-id"
DRILL_JOB = "START_DRILL"
RECOVERY_JOB = "START_RECOVERY"
DAY_SECONDS = 86_400.0
_DURATION = TypeAdapter(timedelta)


class DrsResponse(BaseModel):
    """Base of all responses of DRS.

    A field of an unknown form has its default, and a list or map loses only such entries. The
    names of these fields are added to the validation's context, if that is a list.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    @field_validator("*", mode="wrap")
    @classmethod
    def _ignore_unknown_forms(
        cls, value: Any, parse: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        try:
            return parse(value)
        except ValidationError:
            name = str(info.field_name)
            field = cls.model_fields[name]
            if field.is_required():
                raise
            if isinstance(info.context, list):
                info.context.append(name)
            default = field.get_default(call_default_factory=True)
            if isinstance(default, list) and isinstance(value, list):
                return [parsed for each in value for parsed in _parsed([each], parse) or []]
            if isinstance(default, dict) and isinstance(value, dict):
                entries = (_parsed({key: each}, parse) or {} for key, each in value.items())
                return {key: each for entry in entries for key, each in entry.items()}
            return default


def _parsed(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    try:
        return parse(value)
    except ValidationError:
        return None


class LaunchAction(DrsResponse):
    """A post-launch action: what DRS runs on a recovery instance after its launch."""

    action_id: str | None = None
    action_code: str | None = None
    name: str | None = None
    active: bool | None = None
    optional: bool | None = None

    @property
    def key(self) -> str:
        """What it is known by in the launch configuration and in a job."""
        return self.action_id or self.label

    @property
    def label(self) -> str:
        """Its name, as people read it."""
        found = self.name or self.action_code or self.action_id or "without a name"
        return shortened(found, max_bytes=_MAX_ACTION_NAME_BYTES)

    @property
    def is_required(self) -> bool:
        """Whether it must succeed; only what DRS calls optional need not."""
        return self.optional is not True

    @property
    def is_active(self) -> bool:
        """Whether DRS runs it; only what DRS calls inactive is not run."""
        return self.active is not False


class LaunchActionRun(DrsResponse):
    """A run of a post-launch action for a server of a job."""

    action: LaunchAction = Field(default_factory=LaunchAction)
    status: str | None = None
    failure_reason: str | None = None


class LaunchConfiguration(DrsResponse):
    """How DRS launches a source server."""

    launch_disposition: str | None = None
    post_launch_enabled: bool | None = None
    copy_private_ip: bool | None = None
    recovery_mode: str | None = None
    right_sizing: str | None = Field(default=None, alias="targetInstanceTypeRightSizingMethod")
    launch_template_id: str | None = Field(default=None, alias="ec2LaunchTemplateID")

    @property
    def fields(self) -> DrsFields:
        """The fields that settings change."""
        return DrsFields(
            launch_disposition=self.launch_disposition,
            recovery_mode=self.recovery_mode,
            copy_private_ip=self.copy_private_ip,
            post_launch_enabled=self.post_launch_enabled,
            right_sizing=self.right_sizing,
        )

    @property
    def should_run(self) -> bool | None:
        """Whether it asks for a running instance; None if it does not say."""
        return {"STARTED": True, "STOPPED": False}.get(self.launch_disposition or "")


class SnapshotRule(DrsResponse):
    """A rule of the policy of snapshots: one every so many units."""

    enabled: bool = True
    interval: int = 0
    units: str = ""

    @property
    def seconds(self) -> float | None:
        """How often it takes a snapshot; None if that is not known."""
        unit = {"MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86_400.0}.get(self.units)
        return self.interval * unit if unit and self.interval > 0 else None


class ReplicationConfiguration(DrsResponse):
    """How DRS replicates a source server.

    Attributes:
        key_arn: the key that encrypts its disks; None: EBS's own.
    """

    key_arn: str | None = Field(default=None, alias="ebsEncryptionKeyArn")
    rules: list[SnapshotRule] = Field(default_factory=list, alias="pitPolicy")

    @property
    def snapshot_seconds(self) -> float | None:
        """How often a snapshot is taken; None: never, or not known."""
        found = [each.seconds for each in self.rules if each.enabled and each.seconds]
        return min(found, default=None)


class ParticipatingServer(DrsResponse):
    """A server of a job."""

    source_server_id: str | None = Field(default=None, alias="sourceServerID")
    recovery_instance_id: str | None = Field(default=None, alias="recoveryInstanceID")
    launch_status: str | None = None
    action_runs: list[LaunchActionRun] = Field(
        default_factory=list, validation_alias=AliasPath("launchActionsStatus", "runs")
    )


class Job(DrsResponse):
    """A DRS job; it ends COMPLETED even when its servers FAILED.

    An item that has no ID is still a job, with the servers and launch IDs that it has: its ID
    begins with "no-id-".
    """

    job_id: str = Field(alias="jobID")
    arn: str | None = None
    type: str | None = None
    status: str | None = None
    initiated_by: str | None = None
    creation_date_time: str | None = None
    end_date_time: str | None = None
    participating_servers: list[ParticipatingServer] = Field(default_factory=list)
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        item = value if isinstance(value, dict) else {}
        if any(isinstance(item.get(key), str) for key in ("jobID", "job_id")):
            return item
        if isinstance(info.context, list):
            info.context.append("job_id")
        return item | {"jobID": f"no-id-{zlib.crc32(repr(value).encode(errors='replace')):08x}"}

    @property
    def is_over(self) -> bool:
        """Whether DRS has finished with it."""
        return self.status == "COMPLETED"

    @property
    def is_running(self) -> bool:
        """Whether it certainly runs: a status that we do not know holds nothing up for ever.

        If such a job runs after all, DRS refuses the launch for its quota or its servers.
        """
        return self.status in ("PENDING", "STARTED")

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

    tags: dict[str, str] = Field(default_factory=dict)


def _snake_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {to_snake(key): each for key, each in value.items() if each is not None}


def _event_data(*path: str) -> Any:
    return Field(default=None, validation_alias=AliasPath("eventData", *path))


class JobLogItem(DrsResponse):
    """A line of a job's log; what it says about its event has no fixed form."""

    event: str = ""
    log_date_time: str | None = None
    source_server_id: str | None = _event_data("sourceServerID")
    conversion_server_id: str | None = _event_data("conversionServerID")
    target_instance_id: str | None = _event_data("targetInstanceID")
    raw_error: str | None = _event_data("rawError")
    attempt_count: int | None = _event_data("attemptCount")
    max_attempts_count: int | None = _event_data("maxAttemptsCount")
    conversion: Annotated[Conversion | None, BeforeValidator(_snake_keys)] = _event_data(
        "conversionProperties"
    )
    network: Annotated[SourceNetwork | None, BeforeValidator(_snake_keys)] = _event_data(
        "eventResourceData", "sourceNetworkData"
    )


class RecoveryInstance(DrsResponse):
    """An instance that DRS launched for a source server; an item of no form is one of unknown."""

    recovery_instance_id: str | None = Field(default=None, alias="recoveryInstanceID")
    ec2_instance_state: str | None = None
    job_id: str | None = Field(default=None, alias="jobID")
    source_server_id: str | None = Field(default=None, alias="sourceServerID")
    is_drill: bool | None = None
    point_in_time_snapshot_date_time: str | None = None
    failback_state: str | None = Field(
        default=None, validation_alias=AliasPath("failback", "state")
    )

    @model_validator(mode="before")
    @classmethod
    def _of_any_form(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict):
            return value
        if isinstance(info.context, list):
            info.context.append("item")
        return {}


class RecoverySnapshot(DrsResponse):
    """A point in time that a source server can be recovered to."""

    snapshot_id: str = Field(alias="snapshotID")
    timestamp: str | None = None


class SourceServer(DrsResponse):
    """A source server, with the fields that readiness needs.

    Attributes:
        origin_region: the Region in which a server in AWS runs, and which may be lost.
        system: its operating system's name and version, in no fixed form.
        reversed_server_arn: of the source server that replicates its recovery instance back.
    """

    source_server_id: str = Field(alias="sourceServerID")
    replication_state: str | None = Field(
        default=None, validation_alias=AliasPath("dataReplicationInfo", "dataReplicationState")
    )
    lag_duration: str | None = Field(
        default=None, validation_alias=AliasPath("dataReplicationInfo", "lagDuration")
    )
    name: str | None = Field(default=None, validation_alias=AliasPath("tags", "Name"))
    tags: dict[str, str] = Field(default_factory=dict)
    origin_region: str | None = Field(
        default=None, validation_alias=AliasPath("sourceCloudProperties", "originRegion")
    )
    hostname: str | None = Field(
        default=None,
        validation_alias=AliasPath("sourceProperties", "identificationHints", "hostname"),
    )
    system: str | None = Field(
        default=None, validation_alias=AliasPath("sourceProperties", "os", "fullString")
    )
    recommended_type: str | None = Field(
        default=None, validation_alias=AliasPath("sourceProperties", "recommendedInstanceType")
    )
    replication_error: str | None = Field(
        default=None,
        validation_alias=AliasPath("dataReplicationInfo", "dataReplicationError", "error"),
    )
    staging_status: str | None = Field(
        default=None, validation_alias=AliasPath("stagingArea", "status")
    )
    staging_error: str | None = Field(
        default=None, validation_alias=AliasPath("stagingArea", "errorMessage")
    )
    reversed_server_arn: str | None = Field(
        default=None, validation_alias="reversedDirectionSourceServerArn"
    )
    last_seen: str | None = Field(
        default=None, validation_alias=AliasPath("lifeCycle", "lastSeenByServiceDateTime")
    )

    @property
    def display_name(self) -> str | None:
        """The name that people know it by: its tag Name, or else its host name."""
        names = (self.name, self.hostname)
        found = next((name for name in names if name and name != self.source_server_id), "")
        return shortened(found, max_bytes=_MAX_NAME_BYTES) or None

    @property
    def lag_seconds(self) -> float | None:
        """How far its replication lags; None if DRS does not say it in a form that we know.

        DRS may name no lag where there is none: while the replication is continuous.
        """
        if self.lag_duration is None and self.replication_state == "CONTINUOUS":
            return 0.0
        try:
            return _DURATION.validate_python(self.lag_duration).total_seconds()
        except ValidationError:
            return None

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
