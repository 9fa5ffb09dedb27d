"""Recovery instances, from LAUNCH_END until their termination or cleanup."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ..servers.source_servers import SourceServer, network_interface
from ..simulation import simulation
from .oddities import spoiled


@dataclass
class RecoveryInstance:
    """The EC2 instance that a source server is recovered to.

    Attributes:
        launched_at: Epoch seconds of its LAUNCH_END.
        terminating_at: When its termination starts, or None.
        terminated_at: When its termination ends, or None.
        stopped: Whether its launch disposition is STOPPED.
        copies_private_ip: Whether it has the private IP address of its source.
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
    terminating_at: float | None = None
    terminated_at: float | None = None
    stopped: bool = False
    copies_private_ip: bool = False
    disconnected: bool = False
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    def exists(self, now: float) -> bool:
        """Return whether the EC2 instance exists."""
        return self.launched_at <= now and (self.terminated_at is None or now < self.terminated_at)

    def is_listed(self, now: float) -> bool:
        """Return whether DRS lists it."""
        return self.exists(now) and not self.deleted

    def ec2_state(self, now: float) -> str:
        """Return the value of `ec2InstanceState`."""
        if self.terminating_at is not None and now >= self.terminating_at:
            return "SHUTTING-DOWN"
        return "STOPPED" if self.stopped else "RUNNING"

    def describe(self, now: float) -> dict[str, Any]:
        """Return the RecoveryInstance structure of the API."""
        stamp = simulation.timestamp
        server = self.source_server.properties()
        digits = self.source_server.fingerprint
        replication = "DISCONNECTED" if self.disconnected else "NOT_STARTED"
        interface = network_interface(hashlib.sha256(self.arn.encode()).hexdigest())
        if self.copies_private_ip:
            interface["ips"] = server["networkInterfaces"][0]["ips"]
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
                "networkInterfaces": [interface],
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
