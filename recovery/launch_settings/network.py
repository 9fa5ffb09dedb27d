"""Where a server may be launched, and where its instance is, once a drill is isolated. No I/O."""

from collections.abc import Iterable, Mapping, Sequence

from recovery.base_model import Model
from recovery.launch_settings.applied import is_applied
from recovery.launch_settings.lease import CurrentVersions
from recovery.launch_settings.model import ServerLaunchSettings


class LaunchNetwork(Model):
    """The network of one launch, and the launch template's versions around it.

    Attributes:
        required_subnet_id: where an isolated drill must launch it.
        drill_subnet_ids: where drills launch servers, and a recovery must not.
        disposition: the launch disposition in force at its launch, where a drill changes it.
        template_id: its launch template.
        version_before: the template's default version before the drill.
        version_during: the drill's version.
        version_after: the default version when its instance was looked at.
        subnet_id: where its instance is.
        vpc_id: the VPC of that subnet.
        note: what could not be read, or was not as expected.
    """

    required_subnet_id: str | None = None
    drill_subnet_ids: list[str] = []
    disposition: str | None = None
    template_id: str | None = None
    version_before: int | None = None
    version_during: int | None = None
    version_after: int | None = None
    subnet_id: str | None = None
    vpc_id: str | None = None
    note: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the network of its instance must be known before it counts as up."""
        return bool(self.required_subnet_id or self.drill_subnet_ids)

    @property
    def text(self) -> str:
        """What is known of it, on one line; empty if nothing is."""
        parts = []
        if self.subnet_id is not None:
            parts.append(f"in {self.subnet_id} ({self.vpc_id or 'VPC unknown'})")
        if self.template_id is not None:
            after = self.version_after or "not known yet"
            parts.append(
                f"launch template {self.template_id}: version {self.version_before} before the "
                f"drill, {self.version_during} during it, {after} after it"
            )
        if self.note is not None:
            parts.append(self.note)
        return "; ".join(parts)

    def contradiction(self, subnet_id: str) -> str | None:
        """Why an instance in this subnet is not up; None if it may be there."""
        required = self.required_subnet_id
        if required is not None and subnet_id != required:
            return f"its instance is in {subnet_id}, not in {required}, where the drill is isolated"
        if subnet_id in self.drill_subnet_ids:
            return f"its instance is in {subnet_id}, the network of drills"
        return None

    def difference(self, found: CurrentVersions | None, server_id: str) -> str | None:
        """How a server's launch template differs from what it was before the drill; None if not.

        Args:
            found: the template's versions now; None if EC2 does not list it.
            server_id: the server.
        """
        if found is None:
            return f"EC2 does not list {self.template_id}, the launch template of {server_id}"
        default = found.default.number
        if default != self.version_before and self.applied(found, server_id) is None:
            return (
                f"the default of {self.template_id}, the launch template of {server_id}, is "
                f"version {default}; before the drill it was {self.version_before}"
            )
        if found.drills:
            return (
                f"{self.template_id}, the launch template of {server_id}, still has a drill's "
                f"version {found.drills[0].number}"
            )
        return None

    def applied(self, found: CurrentVersions | None, server_id: str) -> str | None:
        """That `launch-settings apply` has changed a server's launch template since the drill."""
        during = self.version_during or 0
        if found is None or found.default.number <= during:
            return None
        if not is_applied(found.default.description):
            return None
        return (
            f"version {found.default.number} of {self.template_id}, the launch template of "
            f"{server_id}, is newer than the drill: {found.default.description}"
        )


def networks_of(
    server_ids: Iterable[str],
    drill_settings: Mapping[str, ServerLaunchSettings],
    drill_subnets: Sequence[str],
) -> dict[str, LaunchNetwork]:
    """By server for which a drill's isolation matters, where it must be.

    Args:
        server_ids: the servers.
        drill_settings: of a drill, by server that it isolates: what it changes.
        drill_subnets: of a recovery: where the plan's drills launch.
    """
    if drill_subnets:
        network = LaunchNetwork(drill_subnet_ids=list(drill_subnets))
        return dict.fromkeys(server_ids, network)
    return {
        server_id: LaunchNetwork(required_subnet_id=drill_settings[server_id].subnet_id)
        for server_id in server_ids
        if server_id in drill_settings
    }
