"""What would have to change so that DRS and EC2 have what a plan wants."""

import pytest

from recovery.launch_settings.in_force import (
    DrsFields,
    SettingsInForce,
    differences_in,
    drs_fields_to_change,
    isolation_problems,
    template_differs,
)
from tests.recovery.launch_settings.settings import (
    DRILL,
    DRILL_GROUP,
    GROUP,
    IN_FORCE,
    PRODUCTION,
    wanted,
)


def test_what_the_plan_leaves_out_never_differs() -> None:
    assert differences_in(wanted(), IN_FORCE) == []
    assert drs_fields_to_change(wanted(), IN_FORCE.drs).is_empty
    assert not template_differs(wanted(), IN_FORCE)


def test_the_same_settings_do_not_differ() -> None:
    same = wanted(
        SubnetId=PRODUCTION, SecurityGroupIds=[GROUP], InstanceType="m6i.large",
        InstanceProfile="web", Tags={"Owner": "web"}, LaunchDisposition="STARTED",
        RecoveryMode="OPTIMAL", CopyPrivateIp=False, PostLaunchEnabled=False,
    )  # fmt: skip
    assert differences_in(same, IN_FORCE) == []
    assert drs_fields_to_change(same, IN_FORCE.drs).is_empty
    assert not template_differs(same, IN_FORCE)


def test_each_setting_that_differs_is_named_with_both_values() -> None:
    other = wanted(
        SubnetId=DRILL, SecurityGroupIds=[DRILL_GROUP, GROUP], PrivateIp="10.0.0.4",
        InstanceType="c6i.large", InstanceProfile="db", Tags={"Owner": "db", "Tier": "1"},
        LaunchDisposition="STOPPED", RecoveryMode="FAST", CopyPrivateIp=True,
        PostLaunchEnabled=True,
    )  # fmt: skip
    found = {each.setting: (each.found, each.wanted) for each in differences_in(other, IN_FORCE)}
    assert found == {
        "SubnetId": (PRODUCTION, DRILL),
        "SecurityGroupIds": (GROUP, f"{GROUP}, {DRILL_GROUP}"),
        "InstanceType": ("m6i.large", "c6i.large"),
        "PrivateIp": ("", "10.0.0.4"),
        "InstanceProfile": ("arn:aws:iam::111111111111:instance-profile/web", "db"),
        "Tags.Owner": ("web", "db"),
        "Tags.Tier": ("", "1"),
        "LaunchDisposition": ("STARTED", "STOPPED"),
        "RecoveryMode": ("OPTIMAL", "FAST"),
        "CopyPrivateIp": ("false", "true"),
        "PostLaunchEnabled": ("false", "true"),
    }
    assert drs_fields_to_change(other, IN_FORCE.drs) == DrsFields(
        launch_disposition="STOPPED", recovery_mode="FAST", copy_private_ip=True,
        post_launch_enabled=True,
    )  # fmt: skip


def test_right_sizing_that_overrides_an_instance_type_is_a_difference() -> None:
    sized = IN_FORCE.model_copy(
        update={"drs": IN_FORCE.drs.model_copy(update={"right_sizing": "BASIC"})}
    )
    (found,) = differences_in(wanted(InstanceType="m6i.large"), sized)
    assert (found.setting, found.found, found.wanted) == ("right sizing", "BASIC", "NONE")
    change = drs_fields_to_change(wanted(InstanceType="m6i.large"), sized.drs)
    assert change == DrsFields(right_sizing="NONE")
    assert differences_in(wanted(SubnetId=PRODUCTION), sized) == []


def test_what_drs_does_not_say_differs() -> None:
    unknown = SettingsInForce(template_id="lt-1", template_version=1)
    assert differences_in(wanted(RecoveryMode="FAST", SubnetId=DRILL), unknown)
    assert not drs_fields_to_change(wanted(CopyPrivateIp=False), unknown.drs).is_empty


@pytest.mark.parametrize(
    ("drill", "change", "problem"),
    [
        ({"SubnetId": DRILL}, {}, None),
        ({"SubnetId": DRILL}, {"template_version": None}, "names no launch template"),
        ({"RecoveryMode": "FAST"}, {}, "name no SubnetId"),
        ({"SubnetId": PRODUCTION}, {}, "already has the drill's subnet"),
        ({"SubnetId": DRILL}, {"other_interfaces": 1}, "more than one network interface"),
    ],
)
def test_a_drill_that_does_not_isolate_a_server_says_why(
    drill: dict[str, object], change: dict[str, object], problem: str | None
) -> None:
    found = isolation_problems(wanted(**drill), IN_FORCE.model_copy(update=change))
    assert len(found) == (problem is not None)
    assert (problem or "") in "".join(found)


@pytest.mark.parametrize("enabled", [True, None])
def test_a_drill_states_post_launch_actions_that_may_be_active(enabled: bool | None) -> None:
    drs = IN_FORCE.drs.model_copy(update={"post_launch_enabled": enabled})
    active = IN_FORCE.model_copy(update={"drs": drs})
    (problem,) = isolation_problems(wanted(SubnetId=DRILL), active)
    assert "PostLaunchEnabled" in problem
    for stated in (True, False):
        assert not isolation_problems(wanted(SubnetId=DRILL, PostLaunchEnabled=stated), active)


def test_a_drill_does_not_turn_right_sizing_off() -> None:
    drs = IN_FORCE.drs.model_copy(update={"right_sizing": "IN_AWS"})
    sized = IN_FORCE.model_copy(update={"drs": drs})
    (problem,) = isolation_problems(wanted(SubnetId=DRILL, InstanceType="t3.small"), sized)
    assert "right sizing (IN_AWS)" in problem
