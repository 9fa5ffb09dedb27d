"""Restores launch templates that an isolated drill has, with AWS credentials only.

It needs neither Temporal nor a worker: EC2 says all that is needed.
"""

import time
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from activities.isolation.hold import in_launch_phase
from aws.ec2.client import Ec2Client
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.base_model import Model
from recovery.launch_settings.lease import DrillVersion, RestoreResult
from recovery.plan.model import RecoveryPlan, Target


class HeldTemplate(Model):
    """A launch template with a drill's version.

    Attributes:
        default_version: the template's default now.
        job_id: the DRS job that has the server; None if none has.
        needed: why the drill's job may still launch with the drill's version; None if it does not.
    """

    target: Target
    template_id: str
    source_server_id: str
    execution_id: str
    default_version: int
    restore_version: int
    job_id: str | None = None
    needed: str | None = None


class StillNeededError(Exception):
    """A drill's job may still launch with the drill's version; the text says which."""


class TemplateRestorer:
    """Finds and restores the launch templates that drills have in targets."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        self._ec2 = Ec2Client(ServiceClient(clients))
        self._leases = TemplateLeases(clients)

    async def held(self, target: Target, server_ids: Iterable[str] = ()) -> list[HeldTemplate]:
        """The templates of which a version is a drill's.

        Args:
            target: where.
            server_ids: read all versions of the templates of these servers; none: the default and
                the latest version of all templates.

        Raises:
            AwsError: DRS or EC2 cannot be read.
        """
        found: dict[str, tuple[int, DrillVersion]] = {}
        ids = list(server_ids)
        for template_id in await self._template_ids(target, ids):
            versions = await self._ec2.template_versions(target, template_id)
            default = next((e.version_number for e in versions if e.default_version), 0)
            drills = [d for e in versions if (d := DrillVersion.of(e.version_description))]
            if drills:
                found[template_id] = default, drills[-1]
        if not ids:
            for template_id, current in (await self._leases.current(target)).items():
                drill = current.drills[0].drill if current.drills else None
                if drill is not None:
                    found[template_id] = current.default.number, drill
        held = [
            HeldTemplate(
                target=target,
                template_id=template_id,
                source_server_id=drill.source_server_id,
                execution_id=drill.execution_id,
                default_version=default,
                restore_version=drill.restore_version,
            )
            for template_id, (default, drill) in found.items()
        ]
        if held:
            await self._add_jobs(target, held)
        return held

    async def restore(self, held: HeldTemplate, *, force: bool = False) -> RestoreResult | None:
        """Restore a template; None if nothing of a drill is there any more.

        Args:
            held: the template.
            force: also where the drill's job would then launch into production.

        Raises:
            StillNeededError: the drill has started its job since; nothing was changed.
            AwsError: DRS or EC2 failed.
        """
        held = held.model_copy(update={"job_id": None, "needed": None})
        await self._add_jobs(held.target, [held])
        if held.needed and not force:
            raise StillNeededError(held.needed)
        return await self._leases.restore(
            held.target, held.template_id, restore_drs=held.job_id is None
        )

    async def _template_ids(self, target: Target, server_ids: Sequence[str]) -> list[str]:
        drs = self._clients.drs(target)
        read = [await drs.launch_configuration(server_id) for server_id in server_ids]
        return [each.launch_template_id for each in read if each.launch_template_id]

    async def _add_jobs(self, target: Target, held: Sequence[HeldTemplate]) -> None:
        """Add the job of each server, and whether it has not begun its launch phase."""
        drs = self._clients.drs(target)
        servers = {each.source_server_id: each for each in held}
        try:
            jobs = [job for job in await drs.jobs_since(time.time()) if not job.is_over]
            for job in jobs:
                own = [servers[i] for i in job.server_ids if i in servers]
                begun = in_launch_phase(await drs.job_log(job.job_id)) if own else set()
                for each in own:
                    each.job_id = job.job_id
                    if each.source_server_id not in begun:
                        each.needed = f"job {job.job_id} has not begun its launch phase"
        except AwsError as error:
            for each in held:
                each.needed = f"DRS's jobs cannot be read: {error}"


def restore_targets(
    plan: RecoveryPlan | None, region: str | None, role_arn: str | None
) -> list[tuple[Target, list[str]]]:
    """Where to look, each with the servers of the plan there.

    Raises:
        ValueError: neither a plan nor a Region is given, or what is given is none.
    """
    if plan is None:
        if region is None:
            raise ValueError("name a plan, or a Region with --region")
        try:
            return [(Target(region=region, role_arn=role_arn), [])]
        except ValidationError as error:
            is_region = "region" in error.errors()[0]["loc"]
            given = f"--region {region!r}" if is_region else f"--role-arn {role_arn!r}"
            example = "us-west-2" if is_region else "arn:aws:iam::123456789012:role/NAME"
            raise ValueError(f"{given} is not valid; write it as {example}") from None
    by_target: dict[Target, list[str]] = {}
    for wave in plan.waves:
        if region in (None, wave.region) and role_arn in (None, wave.role_arn):
            by_target.setdefault(wave.target, []).extend(wave.server_ids)
    return list(by_target.items())
