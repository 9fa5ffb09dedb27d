"""The EC2 instances of recovered servers, in moto's EC2."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import RLock
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance, InstanceState, Reservation
from moto.ec2.utils import random_reservation_id

from sandbox import effects
from sandbox.drs.jobs.timeline import TERMINATION_SECONDS
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.drs.simulation import simulation
from sandbox.recovered.behavior import RecoveredBehavior, recovered_backends

# EC2 goes on listing a terminated instance for about an hour (documentation).
_LISTED_AFTER_END = 3600.0
_CODES = {"running": 16, "shutting-down": 32, "terminated": 48, "stopped": 80}
_NOT_APPLICABLE = {"Status": "not-applicable"}

_list_reservations = EC2Backend.all_reservations
# Many threads serve requests; an instance must be added once.
_lock = RLock()


def register() -> None:
    """Make moto's EC2 know the recovered servers. Idempotent.

    Every look-up of an instance in moto goes through `all_reservations`.
    """
    EC2Backend.all_reservations = _all_reservations  # type: ignore[assignment]


def _all_reservations(backend: EC2Backend, filters: Any = None) -> list[Reservation]:
    with _lock:
        _synchronize(backend)
        return _list_reservations(backend, filters)


def _synchronize(backend: EC2Backend) -> None:
    now = simulation.now()
    servers = recovered_backends[backend.account_id][backend.region_name]
    for recovered in servers.recovery_instances():
        # The reservation of an instance has its ID, so that it is found without a search.
        key = f"r-{recovered.recovery_instance_id}"
        end = recovered.terminated_at
        listed = recovered.launched_at <= now and (
            end is None or (now - end) * simulation.speed < _LISTED_AFTER_END
        )
        if not listed:
            backend.reservations.pop(key, None)
        elif key not in backend.reservations:
            reservation = Reservation(random_reservation_id(), backend.account_id)
            instance = RecoveredInstance(backend, recovered)  # type: ignore[abstract]  # as Instance
            reservation.instances.append(instance)
            backend.reservations[key] = reservation


class RecoveredInstance(Instance):
    """The EC2 instance of a recovery instance. Its state follows from that and from the clock."""

    def __init__(self, backend: EC2Backend, recovered: RecoveryInstance) -> None:
        self.recovered = recovered
        zone = f"{backend.region_name}a"
        super().__init__(
            backend, f"ami-0{recovered.source_server.fingerprint[:16]}", None, [],
            instance_type="c5.large", region_name=backend.region_name, placement=zone,
            private_ip=recovered.private_ip,
        )  # fmt: skip
        self.id = recovered.recovery_instance_id
        for nic in self.nics.values():
            # Without a subnet, moto gives each instance a public address.
            nic.public_ip_auto_assign, nic.public_ip = False, None
        launched = datetime.fromtimestamp(recovered.launched_at, UTC)
        self.launch_time = launched.replace(tzinfo=None)
        source = recovered.source_server
        self.add_tags(
            {
                "Name": source.launch_configuration["name"] or source.source_server_id,
                **recovered.tags,
                "AWSElasticDisasterRecoverySourceServerID": source.source_server_id,
                "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
            }
        )

    @property
    def instance_id(self) -> str:
        """Its ID, which moto leaves out of DescribeInstanceStatus."""
        return self.id

    @property
    def behavior(self) -> RecoveredBehavior:
        """What the scenario says of it."""
        servers = recovered_backends[self.owner_id][self.region_name]
        return servers.behavior(self.recovered.source_server.source_server_id)

    @property
    def _state(self) -> InstanceState:
        name = self.recovered.ec2_state(simulation.now()).lower()
        return InstanceState(name, _CODES[name])

    @_state.setter
    def _state(self, state: InstanceState) -> None:
        """Ignore moto's state."""

    @property
    def instance_status(self) -> dict[str, Any]:
        if not self.is_running():
            return _NOT_APPLICABLE
        return _status(self._check_result())

    @property
    def system_status(self) -> dict[str, Any]:
        if not self.is_running():
            return _NOT_APPLICABLE
        # That of the host: what is impaired is the instance.
        result = self._check_result()
        return _status(result if result == "initializing" else "ok")

    def _check_result(self) -> str:
        behavior = self.behavior
        seconds = self.recovered.running_seconds(simulation.now())
        return (
            behavior.status_checks if seconds >= behavior.status_check_seconds else "initializing"
        )

    def get_tags(self) -> list[dict[str, str]]:
        # Moto searches the tags of all resources for those of one.
        return [
            {"resource_id": self.id, "resource_type": "instance", "key": key, "value": value}
            for key, value in self.ec2_backend.tags[self.id].items()
        ]

    def start(self) -> InstanceState:
        before = self._state
        if self.recovered.stopped:
            self.recovered.stopped, self.recovered.started_at = False, simulation.now()
            self._record("StartInstances")
        return before

    def stop(self) -> InstanceState:
        before = self._state
        if before.name == "running":
            self.recovered.stopped = True
            self._record("StopInstances")
        return before

    def terminate(self) -> InstanceState:
        before = self._state
        if before.name in ("running", "stopped"):
            now = simulation.now()
            self.recovered.terminate(now, now + TERMINATION_SECONDS / simulation.speed)
            self._record("TerminateInstances")
        return before

    def _record(self, operation: str) -> None:
        effects.record(
            f"ec2.{operation}",
            account_id=self.owner_id,
            region=self.region_name,
            key=self.id,
            details={"SourceServerId": self.recovered.source_server.source_server_id},
        )


def _status(result: str) -> dict[str, Any]:
    details = {"ok": "passed", "impaired": "failed"}.get(result, result)
    return {"Status": result, "Details": [{"Name": "reachability", "Status": details}]}
