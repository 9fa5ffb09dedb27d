"""A client of EC2 for launch templates, instances and subnets, with typed answers."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from aws.ec2.models import (
    Ec2Instance,
    Ec2Response,
    SecurityGroup,
    Subnet,
    TemplateVersion,
    TemplateVersionHead,
)
from aws.ec2.template_data import NewTemplateData
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from recovery.plan.model import Target

# Source: the API reference of EC2.
_PAGE = 200
_MAX_FILTER_VALUES = 200
_MAX_DELETED = 200
# 200 a page: more than twice DRS's quota of source servers, each with two versions.
_MAX_PAGES = 100
_GONE = (
    "launchTemplateVersionDoesNotExist",
    "launchTemplateIdDoesNotExist",
)
T = TypeVar("T", bound=Ec2Response)


class Ec2Client:
    """EC2 in targets. Every method raises `AwsError` when its call fails.

    What changes something is sent once, and by its error's kind it may have had its effect.
    """

    def __init__(self, services: ServiceClient) -> None:
        self._services = services

    async def template_versions(
        self, target: Target, template_id: str, versions: Sequence[int | str] = ()
    ) -> list[TemplateVersion]:
        """Versions of a launch template.

        Args:
            target: where.
            template_id: the template.
            versions: their numbers, or `$Default` or `$Latest`; none: all.
        """
        named = {"Versions": [str(each) for each in versions]} if versions else {}
        return await self._versions(target, TemplateVersion, LaunchTemplateId=template_id, **named)

    async def default_versions(self, target: Target) -> list[TemplateVersion]:
        """The default version of each launch template in the account and Region."""
        return await self._versions(target, TemplateVersion, Versions=["$Default"])

    async def current_versions(self, target: Target) -> list[TemplateVersionHead]:
        """The default and the latest version of each launch template in the account and Region."""
        return await self._versions(target, TemplateVersionHead, Versions=["$Default", "$Latest"])

    async def create_version(
        self,
        target: Target,
        template_id: str,
        new: NewTemplateData,
        *,
        source: int,
        description: str,
        client_token: str,
        not_after: float = math.inf,
    ) -> int:
        """Create a version of a launch template, which is not the default, and return its number.

        Args:
            target: where.
            template_id: the template.
            new: its data.
            source: the version from which it has all that `new` does not say.
            description: that of the version, at most 255 characters.
            client_token: the same token creates no second version.
            not_after: do not send the call after this time (`time.monotonic`).
        """
        inherited: dict[str, Any] = {"SourceVersion": str(source)} if new.inherits else {}
        answer = await self._services.change(
            target,
            "ec2",
            "create_launch_template_version",
            not_after=not_after,
            LaunchTemplateId=template_id,
            VersionDescription=description,
            ClientToken=client_token,
            LaunchTemplateData=new.data,
            **inherited,
        )
        number = (answer.get("LaunchTemplateVersion") or {}).get("VersionNumber")
        if not isinstance(number, int):
            raise _unclear("CreateLaunchTemplateVersion: the response names no version")
        return number

    async def set_default_version(
        self, target: Target, template_id: str, number: int, *, not_after: float = math.inf
    ) -> None:
        """Make a version of a launch template the default, which the next launch uses."""
        await self._services.change(
            target,
            "ec2",
            "modify_launch_template",
            not_after=not_after,
            LaunchTemplateId=template_id,
            DefaultVersion=str(number),
        )

    async def delete_versions(
        self,
        target: Target,
        template_id: str,
        numbers: Sequence[int],
        *,
        not_after: float = math.inf,
    ) -> dict[int, str]:
        """Delete versions of a launch template; what is gone already is deleted.

        Returns:
            Why each version is not deleted, by its number.
        """
        failed: dict[int, str] = {}
        for start in range(0, len(numbers), _MAX_DELETED):
            some = numbers[start : start + _MAX_DELETED]
            answer = await self._services.change(
                target,
                "ec2",
                "delete_launch_template_versions",
                not_after=not_after,
                LaunchTemplateId=template_id,
                Versions=[str(each) for each in some],
            )
            deleted = answer.get("SuccessfullyDeletedLaunchTemplateVersions") or []
            left = set(some) - {each.get("VersionNumber") for each in deleted}
            failed |= dict.fromkeys(sorted(left), "EC2 does not say that it is deleted")
            for each in answer.get("UnsuccessfullyDeletedLaunchTemplateVersions") or []:
                number, error = each.get("VersionNumber"), each.get("ResponseError") or {}
                if error.get("Code") in _GONE:
                    failed.pop(number, None)
                elif number in left:
                    failed[number] = f"{error.get('Code')}: {error.get('Message')}"
        return failed

    async def instances(self, target: Target, instance_ids: Sequence[str]) -> list[Ec2Instance]:
        """The instances of these IDs that EC2 knows."""
        found: list[Ec2Instance] = []
        for start in range(0, len(instance_ids), _MAX_FILTER_VALUES):
            some = list(instance_ids[start : start + _MAX_FILTER_VALUES])
            filters = [{"Name": "instance-id", "Values": some}]
            reservations = await self._all(
                target, "describe_instances", "Reservations", Filters=filters
            )
            listed = [each for some in reservations for each in some.get("Instances") or []]
            found += parsed("DescribeInstances", Ec2Instance, listed)
        return found

    async def subnets(self, target: Target, subnet_ids: Sequence[str]) -> list[Subnet]:
        """The subnets of these IDs that EC2 knows."""
        found: list[Subnet] = []
        for start in range(0, len(subnet_ids), _MAX_FILTER_VALUES):
            some = list(subnet_ids[start : start + _MAX_FILTER_VALUES])
            filters = [{"Name": "subnet-id", "Values": some}]
            listed = await self._all(target, "describe_subnets", "Subnets", Filters=filters)
            found += parsed("DescribeSubnets", Subnet, listed)
        return found

    async def security_groups(
        self, target: Target, group_ids: Sequence[str]
    ) -> list[SecurityGroup]:
        """The security groups of these IDs that EC2 knows."""
        found: list[SecurityGroup] = []
        for start in range(0, len(group_ids), _MAX_FILTER_VALUES):
            some = list(group_ids[start : start + _MAX_FILTER_VALUES])
            filters = [{"Name": "group-id", "Values": some}]
            listed = await self._all(
                target, "describe_security_groups", "SecurityGroups", Filters=filters
            )
            found += parsed("DescribeSecurityGroups", SecurityGroup, listed)
        return found

    async def _versions(self, target: Target, model: type[T], **request: Any) -> list[T]:
        listed = await self._all(
            target,
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            MaxResults=_PAGE,
            **request,
        )
        return parsed("DescribeLaunchTemplateVersions", model, listed)

    async def _all(self, target: Target, method: str, key: str, **request: Any) -> list[Any]:
        """The items of all pages of a response."""
        found: list[Any] = []
        for _ in range(_MAX_PAGES):
            answer = await self._services.read(target, "ec2", method, **request)
            found += answer.get(key) or []
            token = answer.get("NextToken")
            if not token:
                return found
            request["NextToken"] = token
        raise _unclear(f"{method}: the response has too many pages")


def parsed(operation: str, model: type[T], items: list[Any]) -> list[T]:
    """The items as a model; one of unknown form is no answer, for it may be the one that counts."""
    try:
        return [model.model_validate(each) for each in items]
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        raise _unclear(f"{operation}: an item of unknown form: {place}") from None


def _unclear(text: str) -> AwsError:
    return AwsError(AwsErrorKind.UNCLEAR, text)
