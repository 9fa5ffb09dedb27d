"""Findings: what is wrong with a plan before anything is launched, and what to do about it."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ConfigDict

from recovery.base_model import Model


class Severity(StrEnum):
    """What a finding makes of a plan's readiness."""

    BLOCKS = "BLOCKS"
    """The plan is NOT_READY."""
    WARNS = "WARNS"
    """The plan may be READY all the same."""
    UNKNOWN = "UNKNOWN"
    """It could not be looked at, and unknown is not ready."""


class FindingCode(StrEnum):
    """What a finding is about; each code has one kind in `finding_kinds.FINDING_KINDS`."""

    # What could not be looked at
    PERMISSION_MISSING = "PERMISSION_MISSING"
    CLOCK_SKEWED = "CLOCK_SKEWED"
    READ_FAILED = "READ_FAILED"
    RESPONSE_ITEMS_UNREADABLE = "RESPONSE_ITEMS_UNREADABLE"
    # replication
    DRS_NOT_INITIALIZED = "DRS_NOT_INITIALIZED"
    SERVER_MISSING = "SERVER_MISSING"
    NOT_LAUNCHABLE = "NOT_LAUNCHABLE"
    REPLICATION_STALLED = "REPLICATION_STALLED"
    REPLICATION_NOT_CONTINUOUS = "REPLICATION_NOT_CONTINUOUS"
    REPLICATION_STATE_UNKNOWN = "REPLICATION_STATE_UNKNOWN"
    REPLICATION_ERROR = "REPLICATION_ERROR"
    REPLICATION_LAG = "REPLICATION_LAG"
    LAG_UNKNOWN = "LAG_UNKNOWN"
    RPO_EXCEEDED = "RPO_EXCEEDED"
    RPO_EXCEEDED_LATELY = "RPO_EXCEEDED_LATELY"
    EXTENSION_FAILED = "EXTENSION_FAILED"
    AGENT_UNSEEN = "AGENT_UNSEEN"
    AGENT_SIGHTING_UNKNOWN = "AGENT_SIGHTING_UNKNOWN"
    # membership
    MEMBERSHIP_UNUSABLE = "MEMBERSHIP_UNUSABLE"
    MEMBERSHIP_SHRUNK = "MEMBERSHIP_SHRUNK"
    # jobs
    NOT_PROTECTED = "NOT_PROTECTED"
    LIVE_RECOVERY_INSTANCE = "LIVE_RECOVERY_INSTANCE"
    RUNNING_JOB = "RUNNING_JOB"
    JOBS_QUOTA_USED = "JOBS_QUOTA_USED"
    SERVERS_QUOTA_SHORT = "SERVERS_QUOTA_SHORT"
    # snapshots
    SNAPSHOT_GONE = "SNAPSHOT_GONE"
    SNAPSHOT_MISSING = "SNAPSHOT_MISSING"
    SNAPSHOT_STALE = "SNAPSHOT_STALE"
    POINT_IN_TIME_UNMET = "POINT_IN_TIME_UNMET"
    # launch template and network
    TEMPLATE_MISSING = "TEMPLATE_MISSING"
    LAUNCH_SETTINGS_DRIFT = "LAUNCH_SETTINGS_DRIFT"
    ISOLATION_IMPOSSIBLE = "ISOLATION_IMPOSSIBLE"
    SUBNET_MISSING = "SUBNET_MISSING"
    SUBNET_NOT_NAMED = "SUBNET_NOT_NAMED"
    ADDRESSES_SHORT = "ADDRESSES_SHORT"
    SECURITY_GROUP_MISSING = "SECURITY_GROUP_MISSING"
    SECURITY_GROUP_OF_OTHER_VPC = "SECURITY_GROUP_OF_OTHER_VPC"
    INSTANCE_PROFILE_MISSING = "INSTANCE_PROFILE_MISSING"
    KEY_UNUSABLE = "KEY_UNUSABLE"
    # capacity and quotas
    INSTANCE_TYPE_NOT_OFFERED = "INSTANCE_TYPE_NOT_OFFERED"
    RECOMMENDED_TYPE_NOT_OFFERED = "RECOMMENDED_TYPE_NOT_OFFERED"
    INSTANCE_TYPE_UNKNOWN = "INSTANCE_TYPE_UNKNOWN"
    VCPU_QUOTA_UNKNOWN = "VCPU_QUOTA_UNKNOWN"
    VCPU_QUOTA_SHORT = "VCPU_QUOTA_SHORT"
    # identity
    TARGET_NOT_ALLOWED = "TARGET_NOT_ALLOWED"
    WRONG_ACCOUNT = "WRONG_ACCOUNT"
    ROLE_NOT_ASSUMED = "ROLE_NOT_ASSUMED"
    # surroundings
    NOBODY_NOTIFIED = "NOBODY_NOTIFIED"
    CHANNEL_MISSING = "CHANNEL_MISSING"
    HISTORY_TABLE_UNFIT = "HISTORY_TABLE_UNFIT"
    STEP_NOT_ALLOWED = "STEP_NOT_ALLOWED"
    NO_ALLOW_LIST = "NO_ALLOW_LIST"
    SESSION_TAGS_REFUSED = "SESSION_TAGS_REFUSED"
    LOST_WITH_THE_REGION = "LOST_WITH_THE_REGION"
    # steps
    STEP_RESOURCE_MISSING = "STEP_RESOURCE_MISSING"
    STEP_RESOURCE_UNUSABLE = "STEP_RESOURCE_UNUSABLE"
    STEP_QUEUE_WITHOUT_WORKER = "STEP_QUEUE_WITHOUT_WORKER"
    CHECK_NEVER_CONCLUDED = "CHECK_NEVER_CONCLUDED"
    # schedule of drills
    DRILLS_NOT_SCHEDULED = "DRILLS_NOT_SCHEDULED"
    # access
    NO_SIGNING_KEY = "NO_SIGNING_KEY"
    ONLY_BREAK_GLASS = "ONLY_BREAK_GLASS"
    NO_BREAK_GLASS_KEY = "NO_BREAK_GLASS_KEY"
    BREAK_GLASS_UNTESTED = "BREAK_GLASS_UNTESTED"


class FindingKind(Model):
    """What is the same for all findings of a code.

    Attributes:
        title: a few words, as a heading.
        meaning: what it means for a recovery.
        action: what to do about it.
        prevents_launch: DRS or our guard would refuse to launch the server it names, now.
        refuses_drill: a drill is not started at all, also if somebody accepts it.
    """

    model_config = ConfigDict(frozen=True)

    code: FindingCode
    severity: Severity
    title: str
    meaning: str
    action: str
    prevents_launch: bool = False
    refuses_drill: bool = False


class Finding(Model):
    """Something that was found about a plan.

    Attributes:
        server_name: the server's name in DRS.
        region: where; None: it concerns no target.
        job_id: the DRS job it is about.
        message: one sentence, as screens show it.
        evidence: the few values it was judged by. Where something could not be read, `Permission`
            is what is missing, or `Error` is what happened.
        prevents_launch: as in its kind.
        refuses_drill: as in its kind.
        read_time: when the evidence was read (epoch seconds), if that is not the time of the look.
    """

    code: FindingCode
    severity: Severity
    wave_id: str | None = None
    source_server_id: str | None = None
    server_name: str | None = None
    region: str | None = None
    account_id: str | None = None
    job_id: str | None = None
    message: str
    evidence: dict[str, str] = {}
    prevents_launch: bool = False
    refuses_drill: bool = False
    read_time: float | None = None

    @property
    def rank(self) -> int:
        """The worst first."""
        return _RANKS[self.severity]


_RANKS: Mapping[Severity, int] = {Severity.BLOCKS: 0, Severity.UNKNOWN: 1, Severity.WARNS: 2}
