"""Recovery instances, from LAUNCH_END until their termination or cleanup."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..servers.source_servers import SourceServer
from ..simulation import simulation
from .addresses import network_interface
from .launch_settings import SettingsInForce
from .oddities import spoiled


@dataclass
class RecoveryInstance:
    """The EC2 instance that a source server is recovered to.

    Attributes:
        launch_start: Epoch seconds of its LAUNCH_START.
        launched_at: Epoch seconds of its LAUNCH_END.
        own_address: Its private IP address, unless its launch settings say another.
        terminating_at: When its termination starts, or None.
        terminated_at: When its termination ends, or None.
        stopped_in_ec2: Whether it was last stopped or started in EC2; None for neither.
        started_at: When it was last started in EC2, or None for its launch.
        disconnected: Whether it is disconnected from DRS.
        deleted: Whether it is deleted from DRS. The EC2 instance keeps running.
        is_refused: Whether EC2 refused its launch at LAUNCH_START, so that it never exists.
    """

    recovery_instance_id: str
    arn: str
    job_id: str
    source_server: SourceServer
    is_drill: bool
    snapshot_taken: float
    launch_start: float
    launched_at: float
    own_address: str
    terminating_at: float | None = None
    terminated_at: float | None = None
    stopped_in_ec2: bool | None = None
    started_at: float | None = None
    disconnected: bool = False
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    is_refused: Callable[[], bool] = lambda: False

    @property
    def settings(self) -> SettingsInForce:
        """What it was launched with."""
        return self.source_server.settings.of_launch(self.launch_start)

    @property
    def private_ip(self) -> str:
        """Its private IP address."""
        settings = self.settings
        if settings.template.private_ip:
            return settings.template.private_ip
        copied = settings.configuration["copyPrivateIp"]
        return self.source_server.private_ip if copied else self.own_address

    @property
    def stopped(self) -> bool:
        """Whether it is stopped: by its launch disposition, or in EC2."""
        if self.stopped_in_ec2 is not None:
            return self.stopped_in_ec2
        return bool(self.settings.configuration["launchDisposition"] == "STOPPED")

    def exists(self, now: float) -> bool:
        """Return whether the EC2 instance exists."""
        return self.was_launched(now) and (self.terminated_at is None or now < self.terminated_at)

    def was_launched(self, now: float) -> bool:
        """Return whether the EC2 instance exists or existed."""
        return self.launched_at <= now and not self.is_refused()

    def is_listed(self, now: float) -> bool:
        """Return whether DRS lists it."""
        return self.exists(now) and not self.deleted

    def terminate(self, begin: float, end: float) -> None:
        """Terminate the EC2 instance from `begin` to `end`, unless that happens earlier already."""
        if self.terminated_at is None or end < self.terminated_at:
            self.terminating_at, self.terminated_at = begin, end

    def is_running(self, now: float) -> bool:
        """Return whether the EC2 instance exists and runs."""
        return self.exists(now) and self.ec2_state(now) == "RUNNING"

    def running_seconds(self, now: float) -> float:
        """Return for how many unscaled seconds it runs since its launch or last start."""
        return (now - (self.started_at or self.launched_at)) * simulation.speed

    @property
    def interface(self) -> dict[str, Any]:
        """Its NetworkInterface structure."""
        digits = hashlib.sha256(self.arn.encode()).hexdigest()
        return network_interface(digits) | {"ips": [self.private_ip]}

    def ec2_state(self, now: float) -> str:
        """Return the value of `ec2InstanceState`."""
        if self.terminated_at is not None and now >= self.terminated_at:
            return "TERMINATED"
        if self.terminating_at is not None and now >= self.terminating_at:
            return "SHUTTING-DOWN"
        return "STOPPED" if self.stopped else "RUNNING"

    def describe(self, now: float) -> dict[str, Any]:
        """Return the RecoveryInstance structure of the API."""
        stamp = simulation.timestamp
        server = self.source_server.properties()
        digits = self.source_server.fingerprint
        replication = "DISCONNECTED" if self.disconnected else "NOT_STARTED"
        item = {
            "recoveryInstanceID": self.recovery_instance_id,
            "ec2InstanceID": self.recovery_instance_id,
            "ec2InstanceState": self.ec2_state(now),
            "jobID": self.job_id,
            "sourceServerID": self.source_server.source_server_id,
            "arn": self.arn,
            "tags": dict(self.tags),
            "failback": {"state": "FAILBACK_NOT_STARTED"},
            "dataReplicationInfo": {"dataReplicationState": replication},
            "recoveryInstanceProperties": {
                "lastUpdatedDateTime": stamp(self.launched_at),
                "identificationHints": {
                    **server["identificationHints"],
                    "awsInstanceID": self.recovery_instance_id,
                },
                "networkInterfaces": [self.interface],
                "disks": [
                    {
                        "internalDeviceName": disk["deviceName"],
                        "bytes": disk["bytes"],
                        "ebsVolumeID": f"vol-0{digits[16:32]}",
                    }
                    for disk in server["disks"]
                ],
                "cpus": server["cpus"],
                "ramBytes": server["ramBytes"],
                "os": server["os"],
            },
            "pointInTimeSnapshotDateTime": stamp(self.snapshot_taken),
            "isDrill": self.is_drill,
            "originEnvironment": "AWS",
            "originAvailabilityZone": "us-east-1a",
            "agentVersion": "5.0.24",
        }
        return spoiled(item, self.source_server.oddity)
