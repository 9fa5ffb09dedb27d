"""Creates, switches to and deletes a drill's versions of launch templates.

Every method may be called again after it failed, and by anyone at the same time: what EC2 and DRS
have decides what is done. docs/isolation.md has the protocol.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from aws.ec2 import models
from aws.ec2.client import Ec2Client
from aws.ec2.existing_reader import ExistingReader
from aws.ec2.models import settings_in_force
from aws.ec2.template_data import new_template_data
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.launch_settings.existing import Named
from recovery.launch_settings.in_force import DrsFields, drs_fields_to_change, isolation_problems
from recovery.launch_settings.lease import (
    CurrentVersions,
    DrillVersion,
    Lease,
    RestoreResult,
    TemplateAction,
    TemplateVersion,
    before_switch,
    fields_to_restore,
    held_by,
    versions_to_delete,
    when_restoring,
)
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.plan.model import Target

# EC2's reads may be older than its last change.
_ROUNDS = 8
_PAUSE_SECONDS = 0.5
# EC2 takes some hundred calls at once and then a few a second.
_AT_ONCE = 8
# A read of thousands of templates takes much of a worker's time: between two it rests for so many
# times as long as the one before took, at most for so long.
_REST = 2.0
_MOST_REST_SECONDS = 1.0


class CannotIsolateError(Exception):
    """A drill cannot isolate a server as its plan asks; the text says why."""


class TemplateHeldError(Exception):
    """Another drill has the server's launch template; the text says which.

    Attributes:
        version: its version.
    """

    def __init__(self, reason: str, version: TemplateVersion) -> None:
        super().__init__(reason)
        self.version = version


class CreatedVersion(NamedTuple):
    """What a drill's lease of a template begins with.

    Attributes:
        leftovers: versions of other drills, which nothing uses; a drill that was lost left them.
    """

    lease: Lease
    leftovers: list[TemplateVersion]


class TemplateLeases:
    """The launch templates of targets, and the leases that drills have of them."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        services = ServiceClient(clients)
        self._ec2 = Ec2Client(services)
        self._existing = ExistingReader(services)
        # The read that begins next in each target, for all who asked before it.
        self._next: dict[Target, asyncio.Task[dict[str, CurrentVersions]]] = {}
        self._reading: dict[Target, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rests_until: dict[Target, float] = defaultdict(float)

    async def current(self, target: Target) -> dict[str, CurrentVersions]:
        """The default and latest version of each launch template, read after this call began.

        Calls that come while a read runs share the next one.

        Raises:
            AwsError: EC2 cannot be read.
        """
        if target not in self._next:
            self._next[target] = asyncio.create_task(self._read(target))
        return await asyncio.shield(self._next[target])

    async def current_of(
        self, target: Target, template_ids: Collection[str]
    ) -> dict[str, CurrentVersions]:
        """As `current`, of these launch templates alone: an account may have thousands.

        Raises:
            AwsError: EC2 cannot be read.
        """
        slots = asyncio.Semaphore(_AT_ONCE)

        async def read(template_id: str) -> list[models.TemplateVersion]:
            async with slots:
                return await self._ec2.template_versions(
                    target, template_id, ["$Default", "$Latest"]
                )

        found = await asyncio.gather(*map(read, template_ids))
        return _current([_version(each) for some in found for each in some])

    async def _read(self, target: Target) -> dict[str, CurrentVersions]:
        async with self._reading[target]:
            await asyncio.sleep(self._rests_until[target] - time.monotonic())
            del self._next[target]
            began = time.monotonic()
            try:
                found = await self._ec2.current_versions(target)
                return _current([_of_head(each) for each in found])
            finally:
                ended = time.monotonic()
                rest = min(_REST * (ended - began), _MOST_REST_SECONDS)
                self._rests_until[target] = ended + rest

    async def create(
        self,
        target: Target,
        server_id: str,
        wanted: ServerLaunchSettings,
        *,
        execution_id: str,
        lease_id: str,
        not_after: float = math.inf,
    ) -> CreatedVersion:
        """Create a drill's version of a server's launch template, which is not the default yet.

        Args:
            target: where.
            server_id: the server.
            wanted: what the plan wants for drills.
            execution_id: the drill.
            lease_id: its lease; the same one creates no second version.
            not_after: do not send a call after this time (`time.monotonic`).

        Raises:
            CannotIsolateError: it cannot be isolated as the plan asks.
            TemplateHeldError: another drill has the template.
            AwsError: EC2 or DRS failed.
        """
        configuration = await self._clients.drs(target).launch_configuration(server_id)
        template_id = configuration.launch_template_id
        default, leftovers = None, list[TemplateVersion]()
        if template_id is not None:
            listed = await self._ec2.template_versions(target, template_id, ["$Default", "$Latest"])
            default = next((each for each in listed if each.default_version), None)
            for each in map(_version, listed):
                _require_not_held(each, lease_id)
                if each.drill is not None and each.drill.lease_id != lease_id:
                    leftovers.append(each)
        found = settings_in_force(configuration.launch_template_id, configuration.fields, default)
        if wanted.copy_private_ip is None:
            # With it, the drill would take the address of the source server.
            wanted = wanted.model_copy(update={"copy_private_ip": False})
        problems = isolation_problems(wanted, found)
        if problems or default is None or template_id is None or wanted.subnet_id is None:
            raise CannotIsolateError("; ".join(problems))
        named = Named.by(wanted, found).model_copy(update={"instance_profile": None})
        if problems := (await self._existing.read_known(target, named)).problems(named):
            raise CannotIsolateError("; ".join(problems))
        during = drs_fields_to_change(wanted, found.drs)
        before = {name: getattr(found.drs, name) for name, value in during if value is not None}
        drill = DrillVersion(
            execution_id=execution_id,
            restore_version=default.version_number,
            source_server_id=server_id,
            lease_id=lease_id,
            before=DrsFields.model_validate(before),
            during=during,
        )
        if drill != DrillVersion.of(drill.description):
            raise CannotIsolateError("DRS does not say all settings that the drill changes")
        data = new_template_data(default.raw_data, wanted)
        numbers = [
            await self._ec2.create_version(
                target,
                template_id,
                data,
                source=default.version_number,
                description=drill.description,
                client_token=str(uuid5(NAMESPACE_URL, f"drs-waves:{lease_id}/{server_id}/{each}")),
                not_after=not_after,
            )
            # The second one stays until DRS's own settings are restored.
            for each in range(2 if drill.changes_drs else 1)
        ]
        lease = Lease(
            template_id=template_id,
            drill_version=min(numbers),
            drill=drill,
            subnet_id=wanted.subnet_id,
        )
        return CreatedVersion(lease, leftovers)

    async def switch(self, target: Target, lease: Lease, *, not_after: float = math.inf) -> str:
        """Make a drill's version the default, and DRS's own settings those of the drill.

        Args:
            target: where.
            lease: the lease.
            not_after: do not send a call after this time (`time.monotonic`).

        Returns:
            Why it is not done; empty if it is, as EC2 confirms.

        Raises:
            AwsError: EC2 or DRS failed.
        """
        drs = self._clients.drs(target)
        during = lease.drill.during
        # What is asked for may be forged; what EC2 has was verified when it was created.
        try:
            listed = await self._ec2.template_versions(
                target, lease.template_id, [lease.drill_version]
            )
        except AwsError as error:
            if error.kind is not AwsErrorKind.INVALID:
                raise
            # EC2 refuses the number of a version that was deleted.
            listed = []
        if [_version(each).drill for each in listed] != [lease.drill]:
            return f"{lease.template_id} has no version {lease.drill_version} of this drill"
        if not during.is_empty:
            changed = await drs.update_launch_configuration(
                lease.source_server_id, during, not_after=not_after
            )
            wanted = {name: value for name, value in during if value is not None}
            if any(getattr(changed.fields, name) != value for name, value in wanted.items()):
                return f"DRS did not change the launch settings of {lease.source_server_id}"
        for number in range(_ROUNDS):
            default = await self._default(target, lease.template_id)
            action, reason = before_switch(lease, default)
            if action is TemplateAction.NOTHING:
                return ""
            if action is not TemplateAction.SWITCH:
                return reason
            if number:
                await asyncio.sleep(_PAUSE_SECONDS)
            await self._ec2.set_default_version(
                target, lease.template_id, lease.drill_version, not_after=not_after
            )
        raise _undecided(lease.template_id)

    async def restore(
        self,
        target: Target,
        template_id: str,
        *,
        lease_id: str | None = None,
        restore_drs: bool = True,
        drill_subnets: Collection[str] = (),
        not_after: float = math.inf,
    ) -> RestoreResult | None:
        """Make a template's earlier version the default again, then delete the drill's versions.

        Args:
            target: where.
            template_id: the template.
            lease_id: the lease; None: whichever drill's.
            restore_drs: whether the drill's job is over, so that DRS's own settings are restored.
            drill_subnets: ahead of a recovery, the subnets of drills: a default that launches
                there is not left; who made it does not matter.
            not_after: do not send a call after this time (`time.monotonic`).

        Returns:
            What became of it; None if nothing of a drill is there.

        Raises:
            AwsError: EC2 or DRS failed.
        """
        for _ in range(_ROUNDS):
            versions = [_version(e) for e in await self._ec2.template_versions(target, template_id)]
            default = next((each for each in versions if each.is_default), None)
            drills = [e for e in versions if e.drill and lease_id in (None, e.drill.lease_id)]
            if default is None or not drills:
                return None
            held = default if default in drills else max(drills, key=lambda each: each.number)
            assert held.drill is not None
            subnets = frozenset(drill_subnets)
            action, reason = when_restoring(held.drill, default, drill_subnets=subnets)
            result = RestoreResult(
                source_server_id=held.drill.source_server_id,
                template_id=template_id,
                default_version=default.number,
            )
            if action is TemplateAction.RESTORE:
                number = held.drill.restore_version
                if number not in [each.number for each in versions]:
                    result.problems = [_gone(held.drill, default)]
                    return result
                await self._ec2.set_default_version(
                    target, template_id, number, not_after=not_after
                )
                await asyncio.sleep(0 if default in drills else _PAUSE_SECONDS)
                continue
            if action is TemplateAction.REPORT:
                result.problems.append(reason)
            if restore_drs:
                result.problems += await self._restore_drs(target, held.drill, not_after=not_after)
            unneeded = versions_to_delete(versions, lease_id, drs_is_restored=restore_drs)
            # What a late call has made the default meanwhile is not deleted, and restored again.
            if not await self._ec2.delete_versions(
                target, template_id, unneeded, not_after=not_after
            ):
                result.is_over = len(unneeded) == len(drills)
                return result
            await asyncio.sleep(_PAUSE_SECONDS)
        raise _undecided(template_id)

    async def _restore_drs(
        self, target: Target, drill: DrillVersion, *, not_after: float
    ) -> list[str]:
        """Restore DRS's own settings; returns what was left."""
        if not drill.changes_drs:
            return []
        drs, server_id = self._clients.drs(target), drill.source_server_id
        found = (await drs.launch_configuration(server_id)).fields
        restored, left = fields_to_restore(drill, found)
        if not restored.is_empty:
            await drs.update_launch_configuration(server_id, restored, not_after=not_after)
        return left

    async def _default(self, target: Target, template_id: str) -> TemplateVersion:
        listed = await self._ec2.template_versions(target, template_id, ["$Default"])
        if len(listed) != 1:
            raise AwsError(AwsErrorKind.UNCLEAR, f"{template_id} has no default version")
        return _version(listed[0])


def _current(found: Iterable[TemplateVersion]) -> dict[str, CurrentVersions]:
    """By template, its default and its latest version."""
    by_template: dict[str, list[TemplateVersion]] = defaultdict(list)
    for each in found:
        by_template[each.template_id].append(each)
    current = {}
    for template_id, versions in by_template.items():
        default = next((each for each in versions if each.is_default), None)
        if default is None:
            raise AwsError(AwsErrorKind.UNCLEAR, f"{template_id} has no default version")
        latest = max(versions, key=lambda each: each.number)
        current[template_id] = CurrentVersions(default, latest)
    return current


def _of_head(found: models.TemplateVersionHead) -> TemplateVersion:
    # Thousands of them: what is checked already is not checked again.
    return TemplateVersion.model_construct(
        template_id=found.launch_template_id,
        number=found.version_number,
        is_default=found.default_version,
        description=found.version_description,
        subnet_id=found.subnet_id,
    )


def _version(found: models.TemplateVersion) -> TemplateVersion:
    interfaces = found.data.network_interfaces
    return TemplateVersion(
        template_id=found.launch_template_id,
        number=found.version_number,
        is_default=found.default_version,
        description=found.version_description,
        subnet_id=interfaces[0].subnet_id if interfaces else None,
    )


def _require_not_held(version: TemplateVersion, lease_id: str) -> None:
    """Refuse a template that is another drill's, or whose DRS settings are not restored yet.

    Raises:
        CannotIsolateError: the description of a version cannot be read.
        TemplateHeldError: another drill has it.
    """
    drill = version.drill
    if drill is not None and drill.lease_id == lease_id:
        return
    reason = held_by(version)
    if reason is not None and drill is None and version.is_default:
        raise CannotIsolateError(reason)
    if reason is not None and drill is not None and (version.is_default or drill.changes_drs):
        raise TemplateHeldError(reason, version)


def _gone(drill: DrillVersion, default: TemplateVersion) -> str:
    return (
        f"the launch template of {drill.source_server_id} ({default.template_id}) has no version "
        f"{drill.restore_version}, which was the default before drill {drill.execution_id}: make "
        "the right version the default"
    )


def _undecided(template_id: str) -> AwsError:
    return AwsError(AwsErrorKind.THROTTLED, f"EC2 does not confirm the default of {template_id}")
