"""Which launch settings hold for a server."""

from recovery.launch_settings.resolve import (
    drill_settings_of,
    drill_subnets,
    isolation_of,
    no_longer_isolated,
    settings_of,
)
from tests.recovery.launch_settings.settings import DRILL, PRODUCTION, plan_of_one, wanted
from tests.recovery.plans import server_id


def test_a_server_has_precedence_over_its_wave_and_that_over_the_plan() -> None:
    found = plan_of_one(
        {"LaunchSettings": {"SubnetId": PRODUCTION, "InstanceType": "m6i.large"}},
        {"LaunchSettings": {"InstanceType": "c6i.large", "RecoveryMode": "FAST"}},
        {"LaunchSettings": {"RecoveryMode": "OPTIMAL", "PrivateIp": "10.0.0.4"}},
    )
    expected = wanted(
        SubnetId=PRODUCTION, InstanceType="c6i.large", RecoveryMode="OPTIMAL", PrivateIp="10.0.0.4"
    )
    assert settings_of(*found, is_drill=False) == expected
    # A plan without drill settings has the same in a drill.
    assert settings_of(*found, is_drill=True) == expected
    assert drill_settings_of(*found) is None


def test_false_is_a_value_that_has_precedence() -> None:
    found = plan_of_one(
        {"LaunchSettings": {"CopyPrivateIp": True}}, {"LaunchSettings": {"CopyPrivateIp": False}}
    )
    assert settings_of(*found, is_drill=False).copy_private_ip is False


def test_tags_of_all_levels_are_joined() -> None:
    found = plan_of_one(
        {"LaunchSettings": {"Tags": {"Plan": "crm", "Tier": "?"}}},
        {"LaunchSettings": {"Tags": {"Tier": "db"}}},
    )
    assert settings_of(*found, is_drill=False).tags == {"Plan": "crm", "Tier": "db"}


def test_a_drill_has_its_settings_on_top_and_no_address_of_production() -> None:
    found = plan_of_one(
        {
            "LaunchSettings": {"SubnetId": PRODUCTION, "InstanceType": "m6i.large"},
            "DrillLaunchSettings": {"SubnetId": DRILL},
        },
        server={"LaunchSettings": {"PrivateIp": "10.0.0.4"}},
    )
    assert settings_of(*found, is_drill=True) == wanted(SubnetId=DRILL, InstanceType="m6i.large")
    # Only `apply` applies the others.
    assert drill_settings_of(*found) == wanted(SubnetId=DRILL)
    assert drill_subnets(found[0]) == {DRILL}
    assert settings_of(*found, is_drill=False).subnet_id == PRODUCTION


def test_a_later_plan_says_which_servers_its_drills_no_longer_isolate() -> None:
    isolated, *_ = plan_of_one(server={"DrillLaunchSettings": {"SubnetId": DRILL}})
    other, *_ = plan_of_one(wave={"DrillLaunchSettings": {"SubnetId": DRILL}})
    plain, *_ = plan_of_one()
    assert no_longer_isolated(isolated, other) == []
    assert no_longer_isolated(isolated, plain) == [server_id(1)]
    assert no_longer_isolated(plain, isolated) == []


def test_a_plan_says_where_its_drills_launch() -> None:
    drill = {"DrillLaunchSettings": {"SubnetId": DRILL}}
    assert isolation_of(plan_of_one({})[0]) == ""
    plan, wave, _ = plan_of_one(drill)
    assert isolation_of(plan) == f"isolated in {DRILL}"
    # A wave that was forgotten launches where recoveries do.
    named = plan_of_one({}, drill)[1].model_copy(update={"wave_id": "named"})
    partly = plan.model_copy(update={"drill_launch_settings": None, "waves": [named, wave]})
    assert isolation_of(partly) == (
        f"isolated: {named.wave_name} in {DRILL}; NOT isolated: {wave.wave_name}"
    )
