"""Launch settings for tests."""

from typing import Any

from recovery.launch_settings.in_force import DrsFields, SettingsInForce
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave
from tests.recovery.plans import server_id

PRODUCTION, DRILL = "subnet-11111111111111111", "subnet-22222222222222222"
GROUP, DRILL_GROUP = "sg-11111111111111111", "sg-22222222222222222"

IN_FORCE = SettingsInForce(
    template_id="lt-1",
    template_version=3,
    subnet_id=PRODUCTION,
    security_group_ids=[GROUP],
    instance_type="m6i.large",
    instance_profile="arn:aws:iam::111111111111:instance-profile/web",
    tags={"Owner": "web"},
    drs=DrsFields(
        launch_disposition="STARTED",
        recovery_mode="OPTIMAL",
        copy_private_ip=False,
        post_launch_enabled=False,
        right_sizing="NONE",
    ),
)


def wanted(**values: Any) -> ServerLaunchSettings:
    """What a plan wants for a server, by its keys in a file."""
    return ServerLaunchSettings.model_validate(values)


def plan_of_one(
    plan: dict[str, Any] | None = None,
    wave: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
) -> tuple[RecoveryPlan, Wave, Server]:
    """A plan, its only wave and its only server, each with these further keys."""
    found = RecoveryPlan.model_validate(
        {
            "PlanId": "crm",
            "Region": "us-west-2",
            "Waves": [
                {
                    "WaveId": "db",
                    "Region": "us-west-2",
                    "Servers": [{"SourceServerId": server_id(1), **(server or {})}],
                    **(wave or {}),
                }
            ],
            **(plan or {}),
        }
    )
    return found, found.waves[0], found.waves[0].servers[0]
