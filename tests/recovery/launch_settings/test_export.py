"""What is in force, as the launch settings of a plan."""

from recovery.launch_settings.export import exported, exported_waves, with_notes
from recovery.launch_settings.in_force import differences_in
from recovery.launch_settings.report import ServerSettings
from tests.recovery.launch_settings.settings import IN_FORCE, PRODUCTION
from tests.recovery.plans import server_id


def server(number: int, wave_id: str = "db", **update: object) -> ServerSettings:
    return ServerSettings(
        wave_id=wave_id,
        source_server_id=server_id(number),
        region="us-west-2",
        found=IN_FORCE.model_copy(update=update),
    )


def test_what_is_exported_does_not_differ_from_what_is_in_force() -> None:
    settings, left_out = exported(IN_FORCE)
    assert left_out == []
    assert settings.subnet_id == PRODUCTION
    assert differences_in(settings, IN_FORCE) == []


def test_what_drs_sets_itself_is_not_exported() -> None:
    drs = IN_FORCE.drs.model_copy(update={"right_sizing": "BASIC", "copy_private_ip": True})
    tags = {"aws:x": "1", "AWSElasticDisasterRecoveryManaged": "drs", "Owner": "web"}
    found = IN_FORCE.model_copy(update={"drs": drs, "tags": tags, "private_ip": "10.0.0.4"})
    settings, _ = exported(found)
    assert (settings.instance_type, settings.private_ip) == (None, None)
    assert settings.tags == {"Owner": "web"}


def test_what_a_plan_cannot_name_is_said() -> None:
    settings, left_out = exported(IN_FORCE.model_copy(update={"subnet_id": "resolve:ssm:x"}))
    assert settings.subnet_id is None
    assert left_out == ["SubnetId resolve:ssm:x"]


def test_waves_have_their_servers_without_those_that_a_drill_launches() -> None:
    waves = exported_waves(
        [server(1), server(2, description="DRILL crm-1: restore version 1"), server(3, "web")]
    )
    assert [(w["WaveId"], [s["SourceServerId"] for s in w["Servers"]]) for w in waves] == [
        ("db", [server_id(1)]),
        ("web", [server_id(3)]),
    ]
    assert waves[0]["Servers"][0]["LaunchSettings"]["SubnetId"] == PRODUCTION


def test_what_is_left_out_is_a_comment_above_its_server() -> None:
    sized = IN_FORCE.drs.model_copy(update={"right_sizing": "BASIC"})
    lines = [
        "  Servers:",
        f"  - SourceServerId: {server_id(1)}",
        f"  - SourceServerId: {server_id(2)}",
    ]
    assert with_notes(lines, [server(1), server(2, drs=sized, subnet_id="resolve:ssm:x")]) == [
        *lines[:2],
        "    # a plan cannot name SubnetId resolve:ssm:x",
        f"    # InstanceType {IN_FORCE.instance_type} is left out: DRS's right sizing (BASIC) "
        "chooses it, and a plan that names one would end that",
        lines[2],
    ]
