"""What a launch must know of drills' launch settings before it is sent, and after."""

import asyncio
import math
import time
from collections.abc import Collection, Mapping, Sequence

from activities.isolation.orphans import restore_if_lost
from activities.launch.launch import Launch
from activities.launch.restore_ahead import Current, RestoreAhead
from activities.watch.steady_clock import SteadyClock
from aws.drs.client import DrsClient
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError, AwsErrorKind
from contract.launch import BatchRequest, LaunchResult
from contract.launch_settings.lease import GuardInput, Isolation
from recovery.execution.wave import WaitingFor
from recovery.launch_settings.lease import Lease, TemplateVersion, before_switch, held_by
from recovery.launch_settings.network import LaunchNetwork

# No launch waits longer for EC2.
READ_SECONDS = 10.0
# From the read of a drill's templates until StartRecovery is sent.
_FRESH_SECONDS = 20.0


class LaunchIsolation:
    """The isolation of one batch: which servers may be launched, by what EC2 has now.

    Attributes:
        unread: why EC2 could not be read; a recovery is launched all the same.
    """

    def __init__(
        self, leases: TemplateLeases, api: DrsClient, request: BatchRequest, clock: SteadyClock
    ) -> None:
        """Prepare for a batch; `api` is DRS in its target."""
        self._leases = leases
        self._api = api
        self._target = request.requests[0].target
        self._is_drill = request.requests[0].is_drill
        self._isolation = request.isolation or Isolation()
        self._own = {e.source_server_id: e for e in self._isolation.leases}
        self._clock = clock
        self._drill_subnets = {i for each in request.requests for i in each.drill_subnets}
        self._ahead = RestoreAhead(leases, api, self._target)
        self.unread = ""

    def begin(self, launches: Sequence[Launch]) -> None:
        """Note for the servers of launches where they must be, with the versions of templates."""
        for launch in launches:
            for server_id, lease in self._own.items():
                if (network := launch.networks.get(server_id)) is not None:
                    launch.networks[server_id] = _with_lease(network, lease)

    async def check(self, launches: Sequence[Launch]) -> float:
        """Refuse or postpone the servers that must not be launched now.

        Returns:
            The time (`time.monotonic`) after which the launches must not be sent.

        Raises:
            AwsError: no launch can be sent now.
        """
        if not any(launch.launchable for launch in launches):
            return math.inf
        not_after = time.monotonic() + _FRESH_SECONDS
        is_isolated = any(launch.request.drill_settings for launch in launches)
        left = self._isolation.expires_time - self._clock.now()
        if is_isolated and left <= 0:
            for launch in launches:
                launch.postpone(WaitingFor.ISOLATION, self._reason(launch))
            return math.inf
        try:
            current = await self._read(None if self._is_any_unisolated(launches) else self._own_ids)
        except AwsError as error:
            if is_isolated:
                raise
            self.unread = "" if self._is_drill else str(error)
            return math.inf
        if not self._is_drill:
            await self._ahead.run(launches, current, self._read)
            return math.inf
        held = _held(current)
        for launch in launches:
            await self._require_isolated(launch, current, held)
        return min(not_after, time.monotonic() + left) if is_isolated else math.inf

    def finish(self, launches: Sequence[Launch]) -> None:
        """Note what was found for the servers of a recovery that is launched."""
        note = None
        if unread := self.unread or self._ahead.unread:
            note = (
                "launched although it could not be read whether a drill has its launch "
                f"template: {unread}"
            )
        for launch in launches:
            if launch.request.is_drill:
                continue
            for server_id in launch.request.server_ids:
                subnets = sorted(self._ahead.subnets_of(launch, server_id))
                text = note or self._ahead.left.get(server_id)
                if subnets or text:
                    network = LaunchNetwork(drill_subnet_ids=subnets, note=text)
                    launch.networks[server_id] = network

    def guard(self, results: Sequence[LaunchResult]) -> GuardInput | None:
        """What keeps drills' versions away from the jobs of a recovery; None if none is near."""
        jobs = {
            server.source_server_id: server.recovery_job_id
            for result in results
            for server in result.servers
            if server.recovery_job_id and not server.taken_over
        }
        subnets = self._drill_subnets | self._ahead.found_subnets
        if self._is_drill or not jobs or not (subnets or self.unread or self._ahead.unread):
            return None
        return GuardInput(target=self._target, jobs=jobs, drill_subnets=sorted(subnets))

    @property
    def _own_ids(self) -> list[str]:
        return [lease.template_id for lease in self._own.values()]

    def _is_any_unisolated(self, launches: Sequence[Launch]) -> bool:
        """Whether there are servers whose templates no lease names, and other drills may have."""
        return any(
            server.source_server_id not in launch.request.drill_settings
            for launch in launches
            for server in launch.launchable
        )

    async def _read(self, template_ids: Collection[str] | None = None) -> Current:
        """The templates of these IDs; None: all."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                if template_ids is not None:
                    return await self._leases.current_of(self._target, template_ids)
                return await self._leases.current(self._target)
        except TimeoutError:
            text = f"EC2 did not list the launch templates within {READ_SECONDS:g} s"
            raise AwsError(AwsErrorKind.UNREACHABLE, text) from None

    async def _require_isolated(
        self, launch: Launch, current: Current, held: Mapping[str, TemplateVersion]
    ) -> None:
        """Postpone a drill's launch unless each server has the template version that it must."""
        for server in launch.launchable:
            server_id = server.source_server_id
            reason = ""
            if server_id not in launch.request.drill_settings:
                if version := held.get(server_id):
                    reason = held_by(version) or ""
                    await restore_if_lost(self._target, [version])
            elif refusal := self._isolation.refused.get(server_id):
                launch.refuse(server_id, refusal)
            else:
                reason = self._not_isolated(launch, server_id, current)
            if reason:
                launch.postpone(WaitingFor.ISOLATION, WaitingFor.ISOLATION.text(reason))
                return

    def _not_isolated(self, launch: Launch, server_id: str, current: Current) -> str:
        """Why the default of a server's template is not the one of this drill; empty if it is."""
        lease = self._own.get(server_id)
        if lease is None:
            return self._isolation.held.get(server_id, f"{server_id} is not isolated yet")
        found = current.get(lease.template_id)
        if found is None:
            return f"EC2 does not list {lease.template_id}"
        default, wanted = found.default, launch.request.drill_settings[server_id]
        if default.number != lease.drill_version:
            version = f"version {default.number} of {lease.template_id} is the default"
            return before_switch(lease, default).reason or version
        if default.drill != lease.drill or default.subnet_id != wanted.subnet_id:
            return f"version {default.number} of {lease.template_id} is not what the plan asks for"
        return ""

    def _reason(self, launch: Launch) -> str:
        reasons = [r for i in launch.request.server_ids if (r := self._isolation.held.get(i))]
        return WaitingFor.ISOLATION.text("; ".join(reasons[:3]) or "its time was over")


def _held(current: Current) -> dict[str, TemplateVersion]:
    """By server, the drill's version that is the default of its template."""
    defaults = (each.default for each in current.values())
    return {v.drill.source_server_id: v for v in defaults if v.drill is not None}


def _with_lease(network: LaunchNetwork, lease: Lease) -> LaunchNetwork:
    during = lease.drill.during.launch_disposition
    return network.model_copy(
        update={
            "disposition": during,
            "template_id": lease.template_id,
            "version_before": lease.drill.restore_version,
            "version_during": lease.drill_version,
        }
    )
