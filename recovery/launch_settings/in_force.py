"""What DRS and EC2 have for a server, and how it differs from what a plan wants. No I/O."""

from pydantic import Field

from recovery.base_model import Model
from recovery.launch_settings.model import ServerLaunchSettings

NO_RIGHT_SIZING = "NONE"


class DrsFields(Model):
    """The fields of a server's launch configuration that settings change; None: unknown, or kept.

    Attributes:
        right_sizing: DRS's choice of the instance type, which overrides that of the template
            unless it is NONE.
    """

    launch_disposition: str | None = None
    recovery_mode: str | None = None
    copy_private_ip: bool | None = None
    post_launch_enabled: bool | None = None
    right_sizing: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self == DrsFields()


class SettingsInForce(Model):
    """What the next launch of a server has: its launch template's default version, and DRS.

    Attributes:
        template_id: None if DRS names none.
        template_version: the number of the default version.
        description: that of the default version.
        other_interfaces: how many network interfaces it has besides the first.
    """

    template_id: str | None = None
    template_version: int | None = None
    description: str = ""
    subnet_id: str | None = None
    security_group_ids: list[str] = []
    instance_type: str | None = None
    private_ip: str | None = None
    instance_profile: str | None = None
    tags: dict[str, str] = {}
    other_interfaces: int = 0
    drs: DrsFields = Field(default_factory=DrsFields)


class SettingDifference(Model):
    """A setting that DRS or EC2 has otherwise than the plan wants it.

    Attributes:
        setting: its key in a plan.
        wanted: the plan's value, as text.
        found: the value in force, as text; "" if there is none.
    """

    setting: str
    wanted: str
    found: str


def differences_in(wanted: ServerLaunchSettings, found: SettingsInForce) -> list[SettingDifference]:
    """List what would have to change for a server; a setting that the plan leaves out never does.

    Args:
        wanted: what the plan wants, of all levels.
        found: what is in force.
    """
    compared = [*_template_values(wanted, found), *_drs_values(wanted, found.drs)]
    return [
        SettingDifference(setting=setting, wanted=want, found=have or "")
        for setting, want, have in compared
        if want is not None and want != have
    ]


def drs_fields_to_change(wanted: ServerLaunchSettings, found: DrsFields) -> DrsFields:
    """The fields to give UpdateLaunchConfiguration, so that DRS has what the plan wants."""
    target = {
        name: value
        for name in ("launch_disposition", "recovery_mode", "copy_private_ip")
        if (value := getattr(wanted, name)) is not None
    }
    if wanted.post_launch_enabled is not None:
        target["post_launch_enabled"] = wanted.post_launch_enabled
    if wanted.instance_type is not None:
        target["right_sizing"] = NO_RIGHT_SIZING
    return DrsFields.model_validate(
        {name: value for name, value in target.items() if value != getattr(found, name)}
    )


def template_differs(wanted: ServerLaunchSettings, found: SettingsInForce) -> bool:
    """Whether the launch template needs another version."""
    return any(want not in (None, have) for _, want, have in _template_values(wanted, found))


def isolation_problems(drill: ServerLaunchSettings, found: SettingsInForce) -> list[str]:
    """Why a drill cannot isolate a server as its plan asks; empty if it can.

    Args:
        drill: what the plan wants for drills only.
        found: what is in force, before the drill changes it.
    """
    problems = []
    if found.template_id is None or found.template_version is None:
        problems.append("DRS or EC2 names no launch template for it")
    if drill.subnet_id is None:
        problems.append("its DrillLaunchSettings name no SubnetId")
    elif drill.subnet_id == found.subnet_id:
        problems.append(f"its launch template already has the drill's subnet {drill.subnet_id}")
    if found.other_interfaces:
        problems.append("its launch template has more than one network interface")
    if found.drs.post_launch_enabled is not False and drill.post_launch_enabled is None:
        what = "its post-launch actions are active"
        problems.append(f"{what}, and DrillLaunchSettings do not state PostLaunchEnabled")
    if drill.instance_type is not None and found.drs.right_sizing not in (None, NO_RIGHT_SIZING):
        problems.append(
            f"DRS's right sizing ({found.drs.right_sizing}) overrides the drill's InstanceType; "
            "set it to None in DRS, or leave InstanceType out"
        )
    return problems


def _template_values(
    wanted: ServerLaunchSettings, found: SettingsInForce
) -> list[tuple[str, str | None, str | None]]:
    """Each setting of the launch template: its key, the plan's value and the one in force."""
    profile = wanted.instance_profile
    has_profile = profile is not None and _is_profile(profile, found.instance_profile or "")
    tags = [
        (f"Tags.{name}", value, found.tags.get(name)) for name, value in (wanted.tags or {}).items()
    ]
    return [
        ("SubnetId", wanted.subnet_id, found.subnet_id),
        ("SecurityGroupIds", _groups(wanted.security_group_ids), _groups(found.security_group_ids)),
        ("InstanceType", wanted.instance_type, found.instance_type),
        ("PrivateIp", wanted.private_ip, found.private_ip),
        ("InstanceProfile", profile, profile if has_profile else found.instance_profile),
        *tags,
    ]


def _drs_values(
    wanted: ServerLaunchSettings, found: DrsFields
) -> list[tuple[str, str | None, str | None]]:
    sized = wanted.instance_type is not None and found.right_sizing is not None
    return [
        ("LaunchDisposition", wanted.launch_disposition, found.launch_disposition),
        ("RecoveryMode", wanted.recovery_mode, found.recovery_mode),
        ("CopyPrivateIp", _yes_or_no(wanted.copy_private_ip), _yes_or_no(found.copy_private_ip)),
        (
            "PostLaunchEnabled",
            _yes_or_no(wanted.post_launch_enabled),
            _yes_or_no(found.post_launch_enabled),
        ),
        ("right sizing", NO_RIGHT_SIZING if sized else None, found.right_sizing),
    ]


def _groups(ids: list[str] | None) -> str | None:
    return None if ids is None else ", ".join(sorted(set(ids)))


def _yes_or_no(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _is_profile(wanted: str, found: str) -> bool:
    """Whether both name the same profile, of which EC2 may have the name or the ARN."""
    if wanted.startswith("arn:") and found.startswith("arn:"):
        return wanted == found
    return wanted.rpartition("/")[2] == found.rpartition("/")[2]
