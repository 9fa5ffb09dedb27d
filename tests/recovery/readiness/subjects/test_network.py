"""The judgement of what the launches of a plan would use."""

from recovery.launch_settings.in_force import SettingsInForce
from recovery.launch_settings.model import LaunchSettings
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.subjects.network import NetworkEvidence, network_findings

SERVER = f"s-{1:017x}"


def test_networks_of_drills_that_cannot_be_read_are_not_known() -> None:
    wave = Wave(wave_id="db", servers=[Server(source_server_id=SERVER)], region="us-west-2")
    drills = LaunchSettings(subnet_id="subnet-00000001", security_group_ids=["sg-00000001"])
    plan = RecoveryPlan(plan_id="crm", waves=[wave], drill_launch_settings=drills)
    evidence = NetworkEvidence(
        # The launch template names neither.
        settings={SERVER: SettingsInForce(template_id="lt-1", template_version=1)},
        subnets=FailedRead(action="ec2:DescribeSubnets", error="denied", is_denied=True),
        security_groups=FailedRead(action="ec2:DescribeSecurityGroups", error="no answer"),
    )
    found = list(network_findings(PlannedTarget(plan, wave.target), evidence))
    assert [each.code for each in found] == [
        "SUBNET_NOT_NAMED",
        "PERMISSION_MISSING",
        "READ_FAILED",
    ]
