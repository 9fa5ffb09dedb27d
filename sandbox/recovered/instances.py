"""The EC2 instances of recovered servers, in moto's EC2."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import RLock
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceState, Reservation
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.utils import random_reservation_id

from sandbox import effects
from sandbox.drs.jobs.timeline import TERMINATION_SECONDS
from sandbox.drs.servers.launch_settings import TemplateVersion
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.drs.simulation import simulation
from sandbox.ec2.networks import add_networks
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
    add_networks(backend)
    servers = recovered_backends[backend.account_id][backend.region_name]
    for recovered in servers.recovery_instances():
        # The reservation of an instance has its ID, so that it is found without a search.
        key = f"r-{recovered.recovery_instance_id}"
        end = recovered.terminated_at
        listed = recovered.was_launched(now) and (
            end is None or (now - end) * simulation.speed < _LISTED_AFTER_END
        )
        if listed and key not in backend.reservations:
            reservation = Reservation(random_reservation_id(), backend.account_id)
            instance = RecoveredInstance(backend, recovered)  # type: ignore[abstract]  # as Instance
            reservation.instances.append(instance)
            backend.reservations[key] = reservation
        if not recovered.exists(now) and (known := backend.reservations.get(key)):
            for each in known.instances:
                _release_addresses(each)
            if not listed:
                del backend.reservations[key]


class RecoveredInstance(Instance):
    """The EC2 instance of a recovery instance. Its state follows from that and from the clock."""

    def __init__(self, backend: EC2Backend, recovered: RecoveryInstance) -> None:
        self.recovered = recovered
        self.nics: dict[int, NetworkInterface] = {}
        template = recovered.settings.template
        super().__init__(
            backend, f"ami-0{recovered.source_server.fingerprint[:16]}", None, [],
            instance_type=template.data.get("InstanceType") or "c5.large",
            region_name=backend.region_name, placement=f"{backend.region_name}a",
            subnet_id=template.subnet_id,
            iam_instance_profile=_instance_profile(backend, template),
        )  # fmt: skip
        self.id = recovered.recovery_instance_id
        launched = datetime.fromtimestamp(recovered.launched_at, UTC)
        self.launch_time = launched.replace(tzinfo=None)
        source = recovered.source_server
        self.add_tags(
            {
                "Name": source.launch_configuration["name"] or source.source_server_id,
                **recovered.tags,
                **template.tags,
                "AWSElasticDisasterRecoverySourceServerID": source.source_server_id,
                "AWSElasticDisasterRecoveryManaged": "drs.amazonaws.com",
            }
        )

    def prep_nics(self, *_: Any, **__: Any) -> None:
        """Attach the only interface. Moto refuses an address that is not of the subnet."""
        backend = self.ec2_backend
        default = backend.get_default_subnets()
        interface = backend.create_network_interface(
            self._subnet_id or default[self.placement.zone],
            self.recovered.private_ip,
            group_ids=self.recovered.settings.template.security_group_ids,
            delete_on_termination=True,
        )
        self.attach_eni(interface, 0)

    @property
    def security_groups(self) -> list[SecurityGroup]:
        """Those of its interface, which moto leaves out of the instance."""
        return [group for each in self.nics.values() for group in each._group_set]

    @security_groups.setter
    def security_groups(self, groups: list[SecurityGroup]) -> None:
        """Ignore moto's groups."""

    @property
    def network_interfaces(self) -> list[NetworkInterface]:
        return [] if self._is_terminated else super().network_interfaces

    @property
    def subnet_id(self) -> str | None:
        # EC2 shows no network of a terminated instance.
        return None if self._is_terminated else super().subnet_id

    @property
    def vpc_id(self) -> str | None:
        return None if self._is_terminated else super().vpc_id

    @property
    def _is_terminated(self) -> bool:
        # Moto looks up the subnet of the instance before it has an interface.
        return bool(self.nics) and self.recovered.ec2_state(simulation.now()) == "TERMINATED"

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
            self.recovered.stopped_in_ec2, self.recovered.started_at = False, simulation.now()
            self._record("StartInstances")
        return before

    def stop(self) -> InstanceState:
        before = self._state
        if before.name == "running":
            self.recovered.stopped_in_ec2 = True
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


def _release_addresses(instance: Instance) -> None:
    """Give the addresses of a terminated instance back to the subnet. Idempotent."""
    for interface in instance.nics.values():
        instance.ec2_backend.enis.pop(interface.id, None)


def _instance_profile(backend: EC2Backend, template: TemplateVersion) -> dict[str, str] | None:
    name = template.instance_profile
    if name is None:
        return None
    given = template.data["IamInstanceProfile"].get("Arn")
    arn = f"arn:{backend.partition}:iam::{backend.account_id}:instance-profile/{name}"
    return {"Arn": given or arn, "Id": "AIPA0000000000000000"}


def _status(result: str) -> dict[str, Any]:
    details = {"ok": "passed", "impaired": "failed"}.get(result, result)
    return {"Status": result, "Details": [{"Name": "reachability", "Status": details}]}
