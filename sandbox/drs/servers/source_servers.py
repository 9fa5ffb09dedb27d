"""Source servers: properties, behavior and API structures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any

from ..jobs.job import Job
from ..jobs.timeline import (
    BOOT_SECONDS,
    CONVERSION_SECONDS,
    CleanUp,
    LaunchBehavior,
    LaunchStatus,
    Outcome,
)
from ..simulation import Durations, iso_duration, simulation
from .addresses import network_interface
from .launch_actions import LaunchAction, in_order
from .launch_settings import History, LaunchSettings, fingerprint, launch_template_id
from .oddities import Oddity, spoiled
from .snapshot_policy import SnapshotPolicy

if TYPE_CHECKING:
    from ..servers.recovery_instances import RecoveryInstance

# A server can be launched after its initial sync (AWS documentation).
NEVER_SYNCED = frozenset({"INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED"})
# No data arrives, so the lag grows with time.
_NOT_REPLICATING = frozenset({"STOPPED", "PAUSED", "STALLED", "DISCONNECTED"})
# DRS does not see the agent.
_AGENT_NOT_SEEN = frozenset({"STALLED", "DISCONNECTED"})

_DAY = 86_400.0
_GIB = 1024**3
_OS = {
    "linux": (
        "Linux version 4.14.299-223.520.amzn2.x86_64 (mockbuild@ip-10-0-61-64) (gcc version 7.3.1 "
        "20180712 (Red Hat 7.3.1-13) (GCC)) #1 SMP Wed Nov 23 23:04:46 UTC 2022"
    ),
    "windows": "Microsoft Windows Server 2019 Datacenter 10.0.17763 (build 17763)",
}
_CPU = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"
_INITIATION_STEPS = (
    ("WAIT", "SUCCEEDED"),
    ("CREATE_SECURITY_GROUP", "SKIPPED"),
    ("LAUNCH_REPLICATION_SERVER", "SKIPPED"),
    ("BOOT_REPLICATION_SERVER", "SKIPPED"),
    ("AUTHENTICATE_WITH_SERVICE", "SKIPPED"),
    ("DOWNLOAD_REPLICATION_SOFTWARE", "SKIPPED"),
    ("CREATE_STAGING_DISKS", "SUCCEEDED"),
    ("ATTACH_STAGING_DISKS", "SUCCEEDED"),
    ("PAIR_REPLICATION_SERVER_WITH_AGENT", "SUCCEEDED"),
    ("CONNECT_AGENT_TO_REPLICATION_SERVER", "SUCCEEDED"),
    ("START_DATA_TRANSFER", "SUCCEEDED"),
)


class DeadSnapshot(StrEnum):
    """How a launch from a snapshot that the server does not have fails."""

    INVALID = "invalid"
    NOT_FOUND = "not-found"
    FAILS_IN_JOB = "fails-in-job"


@dataclass
class SourceServer:
    """A source server of one account and Region.

    Attributes:
        lag_steps: Pairs of epoch seconds and of the lag in seconds from then on.
        last_seen: When DRS last saw its agent (epoch seconds); None: by its replication state.
        outcomes: The outcomes of successive launches. The last outcome repeats.
        behavior: The rest of the behavior of its launches.
        reverse_replication: Whether its recovery instance is replicated back.
        reports_instance_id: Whether jobs name its recovery instance. Recorded jobs do not.
        status_lag: By how many unscaled seconds jobs are late to name its final status.
        clean_up: When a launch cleans up the earlier instance.
        dead_snapshot: How a launch from a snapshot that it does not have fails.
        oddity: What is odd about it and its jobs and instances in listings, or None.
        recommended_instance_type: The type that DRS recommends; empty: none.
        encryption_key_arn: The key that its disks are encrypted with; empty: EBS's default.
        settings: Its launch configuration and its launch template.
        launch_actions: What DRS runs on its recovered servers, if that is enabled.
        launches: The number of launches with an outcome of `outcomes`.
        instances: Its recovery instances, also those that do not exist any more or yet.
    """

    source_server_id: str
    arn: str
    account_id: str
    region: str
    added: float
    os: str = "linux"
    replication_state: str = "CONTINUOUS"
    lag_seconds: float = 0.0
    lag_measured: float = 0.0
    lag_steps: tuple[tuple[float, float], ...] = ()
    last_seen: float | None = None
    outcomes: tuple[Outcome, ...] = (Outcome.LAUNCHED,)
    behavior: LaunchBehavior = field(default_factory=LaunchBehavior)
    reverse_replication: bool = False
    reports_instance_id: bool = False
    status_lag: float = 0.0
    clean_up: CleanUp = CleanUp.BEFORE_LAUNCH
    dead_snapshot: DeadSnapshot = DeadSnapshot.INVALID
    oddity: Oddity | None = None
    tags: dict[str, str] = field(default_factory=dict)
    settings: LaunchSettings = field(init=False)
    recovery_snapshot_ids: tuple[str, ...] = ()
    recommended_instance_type: str = "c5.large"
    encryption_key_arn: str = ""
    snapshots: SnapshotPolicy = field(default_factory=SnapshotPolicy)
    launch_actions: tuple[LaunchAction, ...] = ()
    launches: int = 0
    last_job: Job | None = None
    instances: list[RecoveryInstance] = field(default_factory=list)

    def __post_init__(self) -> None:
        configuration = {
            "sourceServerID": self.source_server_id,
            "name": self.tags.get("Name", ""),
            "ec2LaunchTemplateID": launch_template_id(self.source_server_id),
            "launchDisposition": "STARTED",
            "targetInstanceTypeRightSizingMethod": "BASIC",
            "copyPrivateIp": False,
            "copyTags": True,
            "licensing": {"osByol": False},
            "postLaunchEnabled": False,
            "recoveryMode": "OPTIMAL",
        }
        self.settings = LaunchSettings(History(configuration))

    @property
    def launch_configuration(self) -> dict[str, Any]:
        """Its launch configuration now."""
        return self.settings.configuration.now

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits derived from the server ID."""
        return fingerprint(self.source_server_id)

    @property
    def private_ip(self) -> str:
        """Its private address."""
        return str(network_interface(self.fingerprint)["ips"][0])

    def enabled_launch_actions(self) -> tuple[LaunchAction, ...] | None:
        """Return its launch actions in order, or None if they are not enabled."""
        if not self.launch_configuration["postLaunchEnabled"]:
            return None
        return in_order(self.launch_actions)

    def lag(self, now: float) -> float:
        """Return the replication lag in seconds."""
        if reached := [lag for since, lag in self.lag_steps if since <= now]:
            return reached[-1]
        stopped = self.replication_state in _NOT_REPLICATING
        return self.lag_seconds + (now - self.lag_measured if stopped else 0.0)

    def point_in_time(self, now: float) -> float:
        """Return the time of the newest data in AWS."""
        return now - self.lag(now)

    def replicate(self, state: str, lag_seconds: float | None) -> None:
        """Change the replication state. None keeps the present lag, unless it replicates again."""
        now = simulation.now()
        if lag_seconds is None:
            lag_seconds = 0.0 if state == "CONTINUOUS" else self.lag(now)
        self.replication_state, self.lag_seconds, self.lag_measured = state, lag_seconds, now
        self.lag_steps = ()

    def listed_instances(self, now: float) -> list[RecoveryInstance]:
        """Return its recovery instances that DRS lists, newest first."""
        listed = [instance for instance in self.instances if instance.is_listed(now)]
        return sorted(listed, key=lambda instance: instance.launched_at, reverse=True)

    def next_launch_behavior(self, now: float) -> LaunchBehavior:
        """Return the behavior of the next launch, and count the launch."""
        if self.replication_state in NEVER_SYNCED:
            reason = (
                f"Source server {self.source_server_id} has no consistent recovery point: "
                f"its data replication state is {self.replication_state}."
            )
            return LaunchBehavior(Outcome.SKIPPED, raw_error=self.behavior.raw_error or reason)
        index = min(self.launches, len(self.outcomes) - 1)
        self.launches += 1
        return self.launch_behavior(self.outcomes[index], now)

    def launch_behavior(self, outcome: Outcome, now: float) -> LaunchBehavior:
        """Return the behavior of a launch with the given outcome."""
        conversion, boot = self._drawn_durations()
        return replace(
            self.behavior,
            outcome=outcome,
            conversion_seconds=conversion,
            boot_seconds=boot,
            windows=self.os == "windows",
            fast=self.launch_configuration["recoveryMode"] == "FAST",
            cleans_up=self.clean_up if self.listed_instances(now) else None,
        )

    def _drawn_durations(self) -> tuple[float | None, float | None]:
        if simulation.durations is Durations.RECORDED:
            return None, None
        # Of this launch of this server, so that they do not depend on what else runs.
        dice = Random(f"{simulation.seed}:{self.source_server_id}:{self.launches}")
        return dice.uniform(*CONVERSION_SECONDS), dice.uniform(*BOOT_SECONDS)

    def describe(self, now: float) -> dict[str, Any]:
        """Return the SourceServer structure of the API."""
        instance = next(iter(self.listed_instances(now)), None)
        item: dict[str, Any] = {
            "sourceServerID": self.source_server_id,
            "arn": self.arn,
            "tags": dict(self.tags),
            "lastLaunchResult": self._last_launch_result(now),
            "dataReplicationInfo": self._describe_replication(now),
            "lifeCycle": self._describe_life_cycle(now, is_up=instance is not None),
            "sourceProperties": self.properties(),
            "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": self.account_id},
            "sourceCloudProperties": {
                "originAccountID": self.account_id,
                "originRegion": "us-east-1",
                "originAvailabilityZone": "us-east-1a",
            },
            "replicationDirection": "FAILOVER",
            "agentVersion": "5.0.24",
        }
        if instance is not None:
            item["recoveryInstanceId"] = instance.recovery_instance_id
            if self.reverse_replication:
                back = self.arn.replace(f":{self.region}:", ":us-east-1:")
                item["reversedDirectionSourceServerArn"] = back
        return spoiled(item, self.oddity)

    def _last_launch_result(self, now: float) -> str:
        if self.last_job is None:
            return "NOT_STARTED"
        match self.last_job.launch_status(self.source_server_id, now):
            case LaunchStatus.LAUNCHED:
                return "SUCCEEDED"
            case LaunchStatus.FAILED:
                return "FAILED"
            case _:
                return "PENDING"

    def _describe_life_cycle(self, now: float, *, is_up: bool) -> dict[str, Any]:
        stamp = simulation.timestamp
        seen = self.point_in_time(now) if self.replication_state in _AGENT_NOT_SEEN else now
        seen = seen if self.last_seen is None else self.last_seen
        last_launch: dict[str, Any] = {"initiated": {}}
        if self.last_job is not None:
            last_launch["initiated"] = {
                "apiCallDateTime": stamp(self.last_job.created),
                "jobID": self.last_job.job_id,
                "type": "DRILL" if self.last_job.is_drill else "RECOVERY",
            }
            status = self.last_job.launch_status(self.source_server_id, now)
            if status is LaunchStatus.LAUNCHED and not is_up:
                status = LaunchStatus.TERMINATED
            last_launch["status"] = status.value
        return {
            "addedToServiceDateTime": stamp(self.added - 2 * _DAY),
            "firstByteDateTime": stamp(self.added - 2 * _DAY + 60),
            "elapsedReplicationDuration": iso_duration(now - self.added + 2 * _DAY - 60),
            "lastSeenByServiceDateTime": stamp(seen - 24),
            "lastLaunch": last_launch,
        }

    def _describe_replication(self, now: float) -> dict[str, Any]:
        stamp = simulation.timestamp
        total = 8 * _GIB
        synced = {"INITIATING": 0, "INITIAL_SYNC": total // 2}.get(self.replication_state, total)
        lagging = self.replication_state in {"BACKLOG", "STALLED", "PAUSED"}
        info: dict[str, Any] = {
            "dataReplicationState": self.replication_state,
            "lagDuration": iso_duration(self.lag(now)),
            "replicatedDisks": [
                {
                    "deviceName": self._device,
                    "totalStorageBytes": total,
                    "replicatedStorageBytes": synced,
                    "rescannedStorageBytes": synced,
                    "backloggedStorageBytes": 256 * 1024**2 if lagging else 0,
                }
            ],
            "dataReplicationInitiation": {
                "startDateTime": stamp(self.added - 1260),
                "nextAttemptDateTime": stamp(self.added + 600),
                "steps": [{"name": name, "status": done} for name, done in _INITIATION_STEPS],
            },
            "stagingAvailabilityZone": f"{self.region}a",
        }
        if self.replication_state == "INITIAL_SYNC":
            info["etaDateTime"] = stamp(now + 3600)
        if self.replication_state in _AGENT_NOT_SEEN:
            info["dataReplicationError"] = {"error": "AGENT_NOT_SEEN"}
        return info

    def replication_configuration(self) -> dict[str, Any]:
        """Return the ReplicationConfiguration structure of the API."""
        key = self.encryption_key_arn
        return {
            "sourceServerID": self.source_server_id,
            "name": self.tags.get("Name", ""),
            "ebsEncryption": "CUSTOM" if key else "DEFAULT",
            **({"ebsEncryptionKeyArn": key} if key else {}),
            "dataPlaneRouting": "PRIVATE_IP",
            "pitPolicy": self.snapshots.rules(),
        }

    @property
    def _device(self) -> str:
        return "c:0" if self.os == "windows" else "/dev/nvme0n1"

    def properties(self) -> dict[str, Any]:
        """Return the SourceProperties structure of the API."""
        digits = self.fingerprint
        interface = network_interface(digits)
        host = f"ip-{interface['ips'][0].replace('.', '-')}.ec2.internal"
        recommended = self.recommended_instance_type
        return {
            "lastUpdatedDateTime": simulation.timestamp(self.added - 1240),
            **({"recommendedInstanceType": recommended} if recommended else {}),
            "identificationHints": {
                "awsInstanceID": f"i-0{digits[:16]}",
                "fqdn": host,
                "hostname": host,
            },
            "networkInterfaces": [interface],
            "disks": [{"deviceName": self._device, "bytes": 8 * _GIB}],
            "cpus": [{"cores": 1, "modelName": _CPU}, {"cores": 1, "modelName": _CPU}],
            "ramBytes": 1_002_663_936,
            "os": {"fullString": _OS[self.os]},
            "supportsNitroInstances": True,
            "architecture": "x86_64",
        }
