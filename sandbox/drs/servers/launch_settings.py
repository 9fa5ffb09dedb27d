"""What a launch of a source server uses, and since when: its launch template and configuration.

Requests ask for it later than the launch reads it, so the history is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


def fingerprint(source_server_id: str) -> str:
    """Return hexadecimal digits made from a source server ID."""
    return hashlib.sha256(source_server_id.encode()).hexdigest()


def launch_template_id(source_server_id: str) -> str:
    """Return the ID of the EC2 launch template of a source server."""
    return f"lt-0{fingerprint(source_server_id)[:16]}"


@dataclass(frozen=True)
class TemplateVersion:
    """A version of a launch template that was the default.

    Attributes:
        data: Its LaunchTemplateData structure.
    """

    number: int
    data: dict[str, Any]
    description: str = ""

    @property
    def interface(self) -> dict[str, Any]:
        """The primary network interface, or nothing."""
        interfaces = self.data.get("NetworkInterfaces") or [{}]
        return dict(
            next((each for each in interfaces if int(each.get("DeviceIndex") or 0) == 0), {})
        )

    @property
    def subnet_id(self) -> str | None:
        """The subnet of the primary network interface."""
        return self.interface.get("SubnetId")

    @property
    def security_group_ids(self) -> list[str]:
        """The security groups of the primary network interface, or those of the instance."""
        return list(self.interface.get("Groups") or self.data.get("SecurityGroupIds") or [])

    @property
    def instance_profile(self) -> str | None:
        """The name of the instance profile."""
        profile = self.data.get("IamInstanceProfile") or {}
        return profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2] or None

    @property
    def private_ip(self) -> str | None:
        """The private address of the primary network interface."""
        return self.interface.get("PrivateIpAddress")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the instance."""
        return {
            tag["Key"]: tag.get("Value", "")
            for each in self.data.get("TagSpecifications") or ()
            if each.get("ResourceType") == "instance"
            for tag in each.get("Tags") or ()
        }


def _nothing_refused(*_: object) -> None:
    return None


@dataclass
class Ec2:
    """What DRS asks EC2.

    Attributes:
        refusal: Returns why EC2 refuses to launch what a template says, in an account and Region.
    """

    refusal: Callable[[str, str, TemplateVersion], str | None] = _nothing_refused


# The module of EC2 sets it when it is loaded.
ec2 = Ec2()


class History(Generic[Value]):
    """A value and the earlier ones, each with the time since when it holds."""

    def __init__(self, first: Value) -> None:
        self._changes: list[tuple[float, Value]] = [(0.0, first)]

    @property
    def now(self) -> Value:
        """The value that holds now."""
        return self._changes[-1][1]

    def change(self, at: float, value: Value) -> None:
        """Set the value that holds from now on."""
        self._changes.append((at, value))

    def replace(self, value: Value) -> None:
        """Set the value, as if it had always been so."""
        self._changes = [(0.0, value)]

    def at(self, time: float) -> Value:
        """Return the value that held at a time."""
        changes = self._changes
        return next((value for since, value in reversed(changes) if since <= time), changes[0][1])

    def changes(self) -> list[tuple[float, Value]]:
        """Return the values in order, with the time of the change in epoch seconds; first 0."""
        return list(self._changes)


@dataclass(frozen=True)
class SettingsInForce:
    """What one launch uses."""

    template: TemplateVersion
    configuration: dict[str, Any]


@dataclass
class LaunchSettings:
    """The launch settings of one source server.

    Attributes:
        configuration: DRS's launch configuration.
        template: The default version of its EC2 launch template.
    """

    configuration: History[dict[str, Any]]
    template: History[TemplateVersion] = field(
        default_factory=lambda: History(TemplateVersion(1, {}))
    )

    def of_launch(self, launch_start: float) -> SettingsInForce:
        """Return what a launch uses whose LAUNCH_START is at this time.

        An assumption: DRS reads the template in the launch phase, not at the call. The recovery
        mode, the copied tags and the post-launch actions are those at the call.
        """
        return SettingsInForce(self.template.at(launch_start), self.configuration.at(launch_start))
