"""A drill's lease of a server's launch template, as EC2 has it. Decisions are pure.

EC2 is the truth: the description of a drill's template version says what must be restored, so that
any worker, and a person with AWS credentials only, can restore it. docs/isolation.md has the
protocol.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from pydantic import ConfigDict

from recovery.base_model import Model
from recovery.launch_settings.in_force import DrsFields

# Source: the API reference of CreateLaunchTemplateVersion.
MAX_DESCRIPTION = 255
_PREFIX = "DRILL "
_DESCRIPTION = re.compile(
    r"DRILL (?P<execution_id>[A-Za-z0-9._-]{1,77}): restore version (?P<restore_version>[0-9]{1,7})"
    r"; (?P<source_server_id>s-[0-9a-f]{17}); lease (?P<lease_id>[0-9a-f]{12})"
    r"(; (?P<fields>[A-Za-z]+=[A-Za-z]+>[A-Za-z]+( [A-Za-z]+=[A-Za-z]+>[A-Za-z]+)*))?"
)


# As the description names them.
_NAMES = {
    "launch_disposition": "disposition",
    "copy_private_ip": "copyIp",
    "post_launch_enabled": "postLaunch",
    "recovery_mode": "mode",
}
_FIELDS = {name: field for field, name in _NAMES.items()}


class DrillVersion(Model):
    """What the description of a drill's template version says.

    Attributes:
        execution_id: the drill.
        restore_version: the template's default before the drill.
        source_server_id: the server of the template.
        lease_id: the lease that the version belongs to.
        before: DRS's own settings before the drill, those that the drill changes.
        during: the same settings during the drill.
    """

    model_config = ConfigDict(frozen=True)

    execution_id: str
    restore_version: int
    source_server_id: str
    lease_id: str
    before: DrsFields = DrsFields()
    during: DrsFields = DrsFields()

    @property
    def changes_drs(self) -> bool:
        """Whether the drill changes DRS's own settings, which are restored after its job."""
        return self.before != self.during

    @property
    def description(self) -> str:
        """The description of the version in EC2."""
        text = (
            f"{_PREFIX}{self.execution_id}: restore version {self.restore_version}; "
            f"{self.source_server_id}; lease {self.lease_id}"
        )
        fields = [
            f"{name}={_as_text(before)}>{_as_text(during)}"
            for field, name in _NAMES.items()
            if (during := getattr(self.during, field)) is not None
            and (before := getattr(self.before, field)) is not None
        ]
        return "; ".join([text, " ".join(fields)]) if fields else text

    @classmethod
    def of(cls, description: str) -> "DrillVersion | None":
        """What a description says; None if it is not a drill's, or cannot be read."""
        found = _DESCRIPTION.fullmatch(description)
        if found is None:
            return None
        values = found.groupdict()
        before, during = {}, {}
        for each in (values.pop("fields") or "").split():
            name, _, change = each.partition("=")
            field, (old, _, new) = _FIELDS.get(name), change.partition(">")
            if field is None:
                return None
            before[field], during[field] = old, new
        try:
            return cls(
                **values,
                before=DrsFields.model_validate(before),
                during=DrsFields.model_validate(during),
            )
        except ValueError:
            return None


def is_drills(description: str) -> bool:
    """Whether a version's description says that it is a drill's, readable or not."""
    return description.startswith(_PREFIX)


class TemplateVersion(Model):
    """A version of a launch template.

    Attributes:
        subnet_id: where it launches; None if it does not say.
    """

    template_id: str
    number: int
    is_default: bool = False
    description: str = ""
    subnet_id: str | None = None

    @property
    def drill(self) -> DrillVersion | None:
        """The drill that it belongs to."""
        return DrillVersion.of(self.description)


class Lease(Model):
    """A drill's lease of one server's launch template.

    Attributes:
        template_id: the server's launch template.
        drill_version: the number of the version that the drill launches with.
        drill: what the description of that version says.
        subnet_id: where the drill launches the server.
    """

    template_id: str
    drill_version: int
    drill: DrillVersion
    subnet_id: str

    @property
    def source_server_id(self) -> str:
        """The server."""
        return self.drill.source_server_id


def lease_of(version: TemplateVersion) -> Lease | None:
    """The lease that a version shows, of a drill that may be lost; None if it is no drill's."""
    drill = version.drill
    if drill is None:
        return None
    return Lease(
        template_id=version.template_id,
        drill_version=version.number,
        drill=drill,
        subnet_id=version.subnet_id or "",
    )


class RestoreResult(Model):
    """What became of the launch template of one server.

    Attributes:
        default_version: the template's default now.
        is_over: nothing of the drill is left in EC2 and DRS.
        problems: what somebody must look at, for it was left as it is.
    """

    source_server_id: str
    template_id: str
    default_version: int
    is_over: bool = False
    problems: list[str] = []


class TemplateAction(StrEnum):
    """What to do with a template's default version."""

    NOTHING = "NOTHING"
    """It is as it must be."""
    SWITCH = "SWITCH"
    """Make the drill's version the default."""
    RESTORE = "RESTORE"
    """Make the earlier version the default."""
    REPORT = "REPORT"
    """Report it and leave it: somebody else made it the default."""
    WAIT = "WAIT"
    """Do not launch yet."""


class CurrentVersions(NamedTuple):
    """The default and the latest version of one launch template."""

    default: TemplateVersion
    latest: TemplateVersion

    @property
    def drills(self) -> list[TemplateVersion]:
        """Those of the two that are a drill's."""
        both = {each.number: each for each in (self.default, self.latest)}
        return [each for each in both.values() if each.drill is not None]


class Decision(NamedTuple):
    """What to do, and why."""

    action: TemplateAction
    reason: str = ""


def before_switch(lease: Lease, default: TemplateVersion) -> Decision:
    """What to do before a drill's launch, or while DRS has not read the template for its job."""
    drill = lease.drill
    if default.number == lease.drill_version:
        return Decision(TemplateAction.NOTHING)
    if default.number == drill.restore_version:
        return Decision(TemplateAction.SWITCH)
    held = held_by(default)
    if held is not None:
        return Decision(TemplateAction.WAIT, held)
    return Decision(
        TemplateAction.WAIT,
        f"somebody made version {default.number} the default of {default.template_id}, the launch "
        f"template of {drill.source_server_id}, instead of version {drill.restore_version}",
    )


def when_restoring(
    drill: DrillVersion,
    default: TemplateVersion,
    *,
    drill_subnets: frozenset[str] = frozenset(),
) -> Decision:
    """What to do when a drill no longer needs a template.

    Args:
        drill: the drill.
        default: the template's default version.
        drill_subnets: ahead of a recovery, the subnets of drills: a default that launches there is
            not left; who made it does not matter.
    """
    if default.number == drill.restore_version:
        return Decision(TemplateAction.NOTHING)
    other = default.drill
    is_own = other is not None and other.lease_id == drill.lease_id
    if is_own or default.subnet_id in drill_subnets:
        return Decision(TemplateAction.RESTORE)
    if other is not None:
        return Decision(TemplateAction.NOTHING, f"drill {other.execution_id} has the template now")
    return Decision(
        TemplateAction.REPORT,
        f"the default of {default.template_id}, the launch template of {drill.source_server_id}, "
        f"is version {default.number}, neither the drill's nor version {drill.restore_version}, "
        "which was the default before it. Compare both versions, and make the right one the "
        "default",
    )


def held_by(default: TemplateVersion) -> str | None:
    """Which drill has made its version the default, as a reason to wait; None if none has."""
    if not is_drills(default.description):
        return None
    drill = default.drill
    if drill is None:
        return (
            f"the default of {default.template_id} is version {default.number}, a drill's whose "
            f"description cannot be read: {default.description!r}. Make the earlier version the "
            "default, and delete this one"
        )
    return (
        f"drill {drill.execution_id} has the launch template of {drill.source_server_id} "
        f"({default.template_id} version {default.number})"
    )


def fields_to_restore(drill: DrillVersion, found: DrsFields) -> tuple[DrsFields, list[str]]:
    """DRS's own settings to restore after a drill's job; what somebody else changed is left.

    Returns:
        What to give DRS, and what was left as it is.
    """
    restored: dict[str, object] = {}
    left = []
    for field, name in _NAMES.items():
        before, during, now = (getattr(e, field) for e in (drill.before, drill.during, found))
        if during is None or now == before:
            continue
        if now == during:
            restored[field] = before
        else:
            left.append(
                f"DRS's {name} of {drill.source_server_id} is {_as_text(now)}, neither the drill's "
                f"({_as_text(during)}) nor the earlier one ({_as_text(before)})"
            )
    return DrsFields.model_validate(restored), left


def versions_to_delete(
    versions: list[TemplateVersion], lease_id: str | None, *, drs_is_restored: bool
) -> list[int]:
    """The drill's versions that are no longer needed, so that no late call can switch to one.

    While DRS's own settings are not restored, the newest version of a lease that changes them
    stays: nothing ever makes it the default, and its description says what to restore.

    Args:
        versions: all versions of a template.
        lease_id: the lease; None: all.
        drs_is_restored: whether DRS's own settings are restored.
    """
    drills = [(each.number, each.drill) for each in versions if each.drill is not None]
    ours = [(number, d) for number, d in drills if d and lease_id in (None, d.lease_id)]
    newest = {d.lease_id: number for number, d in sorted(ours, key=lambda each: each[0])}
    kept = {newest[d.lease_id] for _, d in ours if d.changes_drs and not drs_is_restored}
    return [number for number, _ in ours if number not in kept]


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
