"""Reads what DRS and EC2 have for the launches of servers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aws.drs.models import LaunchConfiguration
from aws.ec2.client import Ec2Client
from aws.ec2.models import TemplateVersion, settings_in_force
from aws.errors import AwsError, TargetRefusedError
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.launch_settings.in_force import SettingsInForce
from recovery.plan.model import Target

# GetLaunchConfiguration takes one server a call.
_AT_ONCE = 8
# Of more servers, the default versions of all templates are read together.
_FEW = 20


@dataclass(frozen=True)
class ReadSettings:
    """What a server's next launch has.

    Attributes:
        default: the default version of its launch template; None if it has none.
    """

    settings: SettingsInForce
    default: TemplateVersion | None


class SettingsReader:
    """Reads the launch configurations and the default versions of launch templates."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        self.ec2 = Ec2Client(ServiceClient(clients))

    async def read(
        self, target: Target, server_ids: Sequence[str]
    ) -> dict[str, ReadSettings | AwsError]:
        """What each server's next launch has, or why that could not be read.

        Raises:
            AwsError: nothing can be read in the target.
        """
        await self._clients.drs(target).check()
        slots = asyncio.Semaphore(_AT_ONCE)

        async def configuration(server_id: str) -> LaunchConfiguration | AwsError:
            async with slots:
                try:
                    return await self._clients.drs(target).launch_configuration(server_id)
                except TargetRefusedError:
                    raise
                except AwsError as error:
                    return error

        found = dict(
            zip(server_ids, await asyncio.gather(*map(configuration, server_ids)), strict=True)
        )
        read = [each for each in found.values() if isinstance(each, LaunchConfiguration)]
        template_ids = [each.launch_template_id for each in read if each.launch_template_id]
        defaults = await self._defaults(target, template_ids) if template_ids else {}
        return {
            server_id: each if isinstance(each, AwsError) else _joined(each, defaults)
            for server_id, each in found.items()
        }

    async def _defaults(
        self, target: Target, template_ids: Sequence[str]
    ) -> dict[str, TemplateVersion | AwsError]:
        if len(template_ids) > _FEW:
            listed = await self.ec2.default_versions(target)
            return {each.launch_template_id: each for each in listed}
        slots = asyncio.Semaphore(_AT_ONCE)

        async def default(template_id: str) -> TemplateVersion | AwsError | None:
            async with slots:
                try:
                    listed = await self.ec2.template_versions(target, template_id, ["$Default"])
                except AwsError as error:
                    return error
                return listed[0] if listed else None

        found = zip(template_ids, await asyncio.gather(*map(default, template_ids)), strict=True)
        return {template_id: each for template_id, each in found if each is not None}


def _joined(
    configuration: LaunchConfiguration, defaults: dict[str, TemplateVersion | AwsError]
) -> ReadSettings | AwsError:
    default = defaults.get(configuration.launch_template_id or "")
    if isinstance(default, AwsError):
        return default
    return ReadSettings(
        settings_in_force(configuration.launch_template_id, configuration.fields, default), default
    )
