"""A drill that isolates servers of the local AWS, one activity after another."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.access.verifier import RequestVerifier
from activities.isolation.isolation_activities import IsolationActivities
from activities.isolation.lease_activities import LeaseActivities
from activities.launch.launch_activities import LaunchActivities
from activities.watch.watch_activities import WatchActivities
from aws.ec2.template_leases import TemplateLeases
from aws.targets import TargetClients
from contract.launch import BatchRequest, BatchResult, LaunchRequest
from contract.launch_settings.lease import HoldRequest, Isolation, RestoreRequest
from recovery.launch_settings.lease import RestoreResult
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.plan.model import Server
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from settings import Settings
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal, batch

DRILL_SUBNET = DRILL.subnet_ids[0]
PRODUCTION_SUBNET = PRODUCTION.subnet_ids[0]
# The recorded LAUNCH_START comes 251 s after the call.
BEFORE_LAUNCH_START = 200.0
AFTER_LAUNCH_START = 300.0
# And the end of the job after 533 s.
AFTER_END = 600.0
LEASE_ID = "0123456789ab"


@dataclass
class Worker:
    """The activities of a worker, and what the local AWS has."""

    aws: LocalAws
    settings: Settings
    temporal: Temporal = field(default_factory=Temporal)

    def __post_init__(self) -> None:
        self.prepared_time = time.time()
        clients = TargetClients(self.settings)
        self.leases = TemplateLeases(clients)
        verifier = RequestVerifier(self.settings)
        self.isolation = IsolationActivities(clients, self.leases, self.settings, verifier)
        self.lease = LeaseActivities(clients, self.leases, self.settings)
        self.launches = LaunchActivities(clients, self.settings, verifier, self.leases)
        self.watches = WatchActivities(clients, self.settings, self.leases)

    async def prepare(self, request: BatchRequest) -> BatchRequest:
        """Create the drill's versions."""
        found = await Attempt(self.temporal).run(self.isolation.prepare_isolation, request)
        return request.model_copy(update={"isolation": found})

    async def switch(self, request: BatchRequest) -> BatchRequest:
        """Make them the default."""
        found = await Attempt(self.temporal).run(self.isolation.switch_templates, request)
        return request.model_copy(update={"isolation": found})

    async def launch(self, request: BatchRequest) -> BatchResult:
        """Launch."""
        return await Attempt(self.temporal).run(self.launches.launch_batch, request)

    async def drill(self, servers: Sequence[Server], **fields: Any) -> BatchResult:
        """Launch an isolated drill; its job runs at the end."""
        self.prepared_time = time.time()
        self.prepared = await self.switch(await self.prepare(isolated_batch(servers, **fields)))
        return await self.launch(self.prepared)

    async def hold(self, jobs: dict[str, str], **fields: Any) -> list[str]:
        """Wait until DRS no longer needs templates."""
        request = HoldRequest(target=TARGET, leases=self.own_leases, jobs=jobs, **fields)
        return await asyncio.wait_for(
            Attempt(self.temporal).run(self.lease.hold_templates, request), 30
        )

    async def restore(self, *, restore_drs: bool = True) -> list[RestoreResult]:
        """Restore what the drill has switched."""
        request = self.restore_request(restore_drs=restore_drs)
        return await Attempt(self.temporal).run(self.lease.restore_templates, request)

    def restore_request(self, *, restore_drs: bool = True) -> RestoreRequest:
        """A request to restore what the drill has switched."""
        return RestoreRequest(
            target=TARGET,
            leases=self.own_leases,
            restore_drs=restore_drs,
            held_since=self.prepared_time,
        )

    @property
    def own_leases(self) -> list[Any]:
        """The leases of the drill."""
        return list(isolation_of(self.prepared).leases)

    def versions(self, server: Server) -> list[dict[str, Any]]:
        """The versions of a server's launch template, by number."""
        found = self.aws.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=self.template_of(server)
        )
        return sorted(found["LaunchTemplateVersions"], key=lambda each: each["VersionNumber"])

    def template_of(self, server: Server) -> str:
        """The launch template of a server."""
        return str(self.configuration(server)["ec2LaunchTemplateID"])

    def configuration(self, server: Server) -> Any:
        """DRS's launch configuration of a server."""
        return self.aws.client("drs").get_launch_configuration(
            sourceServerID=server.source_server_id
        )

    def default(self, server: Server) -> int:
        """The default version of a server's template."""
        (number,) = [e["VersionNumber"] for e in self.versions(server) if e["DefaultVersion"]]
        return int(number)

    def make_default(self, server: Server, number: int) -> None:
        """Make a version the default, as anybody with credentials can."""
        self.aws.client("ec2").modify_launch_template(
            LaunchTemplateId=self.template_of(server), DefaultVersion=str(number)
        )

    def launched_in(self) -> dict[str, list[str]]:
        """By server, the subnets that its launches used, by the sandbox's ledger."""
        found: dict[str, list[str]] = {}
        for backend in self.aws.server.control.ledger()["Backends"]:
            for each in backend["Launches"]:
                found.setdefault(each["SourceServerId"], []).append(each["SubnetId"])
        return found


def isolated_launch(servers: Sequence[Server], **fields: Any) -> LaunchRequest:
    """The launch of a drill that isolates all its servers."""
    wanted = fields.pop("wanted", {})
    settings = ServerLaunchSettings(
        subnet_id=DRILL_SUBNET,
        security_group_ids=[DRILL.security_group_id],
        post_launch_enabled=False,
        **wanted,
    )
    by_server = {each.source_server_id: settings for each in servers}
    return launch(servers, drill_settings=by_server, **fields)


def isolated_batch(servers: Sequence[Server], **fields: Any) -> BatchRequest:
    """The batch of one launch of a drill that isolates all its servers."""
    lease_id = fields.pop("lease_id", LEASE_ID)
    request = batch(isolated_launch(servers, **fields))
    return request.model_copy(update={"lease_id": lease_id})


def isolation_of(request: BatchRequest) -> Isolation:
    """How far its servers are isolated."""
    assert request.isolation is not None
    return request.isolation
