"""Recovery instances, from LAUNCH_END until their termination or cleanup."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ..servers.source_servers import SourceServer
from ..simulation import simulation
from .addresses import network_interface
from .oddities import spoiled


@dataclass
class RecoveryInstance:
    """The EC2 instance that a source server is recovered to.

    Attributes:
        launched_at: Epoch seconds of its LAUNCH_END.
        terminating_at: When its termination starts, or None.
        terminated_at: When its termination ends, or None.
        stopped: Whether it is stopped: by its launch disposition, or in EC2.
        private_ip: Its private IP address.
        started_at: When it was last started in EC2, or None for its launch.
        disconnected: Whether it is disconnected from DRS.
        deleted: Whether it is deleted from DRS. The EC2 instance keeps running.
    """

    recovery_instance_id: str
    arn: str
    job_id: str
    source_server: SourceServer
    is_drill: bool
    snapshot_taken: float
    launched_at: float
    private_ip: str
    terminating_at: float | None = None
    terminated_at: float | None = None
    stopped: bool = False
    started_at: float | None = None
    disconnected: bool = False
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    def exists(self, now: float) -> bool:
        """Return whether the EC2 instance exists."""
        return self.launched_at <= now and (self.terminated_at is None or now < self.terminated_at)

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
