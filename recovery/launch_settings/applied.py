"""Versions of launch templates that `launch-settings apply` made, known by their description."""

# Source: the API reference of CreateLaunchTemplateVersion.
_MAX_DESCRIPTION = 255
_PREFIX = "LaunchSettings of "


def applied_description(plan_id: str, actor: str) -> str:
    """The description of a version with the launch settings of a plan."""
    return f"{_PREFIX}{plan_id}, applied by {actor}"[:_MAX_DESCRIPTION]


def is_applied(description: str) -> bool:
    """Whether a version's description says that `launch-settings apply` made it."""
    return description.startswith(_PREFIX)
