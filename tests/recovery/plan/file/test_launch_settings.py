"""Launch settings of plan files: read on each level, refused where they cannot be meant."""

from typing import Any

import pytest
import yaml

from recovery.launch_settings.resolve import settings_of
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from tests.recovery.launch_settings.settings import DRILL, DRILL_GROUP, GROUP, PRODUCTION, wanted
from tests.recovery.plan.file.test_problems import only_problem_of, problems_of
from tests.recovery.plan.file.test_steps import read
from tests.recovery.plans import server_id

S1, S2 = server_id(1), server_id(2)
TEXT = f"""\
PlanId: crm
Region: us-west-2
LaunchSettings: {{SubnetId: {PRODUCTION}}}
Waves:
  - WaveId: db
    Servers:
      - SourceServerId: {S1}
        LaunchSettings: {{PrivateIp: 10.0.0.4}}
      - SourceServerId: {S2}
        LaunchSettings: {{PrivateIp: 10.0.0.5}}
"""


def with_line(after: int, line: str) -> str:
    lines = TEXT.splitlines(keepends=True)
    return "".join([*lines[:after], f"{line}\n", *lines[after:]])


def plan_of(**keys: Any) -> RecoveryPlan:
    wave = {"WaveId": "db", "ServerIds": [S1]}
    return read({"PlanId": "crm", "Region": "us-west-2", "Waves": [wave], **keys})


def test_all_settings_are_read_on_all_levels_and_written_again() -> None:
    settings: dict[str, Any] = {
        "SubnetId": PRODUCTION,
        "SecurityGroupIds": [GROUP, DRILL_GROUP],
        "InstanceType": "m6i.large",
        "InstanceProfile": "web",
        "Tags": {"Tier": "1", "Owner": "a b"},
        "LaunchDisposition": "STOPPED",
        "RecoveryMode": "FAST",
        "CopyPrivateIp": False,
        "PostLaunchEnabled": True,
    }
    server = {"SourceServerId": S1, "LaunchSettings": settings | {"PrivateIp": "10.0.0.4"}}
    wave = {"WaveId": "db", "Servers": [server], "LaunchSettings": settings}
    plan = plan_of(LaunchSettings=settings, Waves=[wave])
    found = settings_of(plan, plan.waves[0], plan.waves[0].servers[0], is_drill=False)
    assert found == wanted(**settings, PrivateIp="10.0.0.4")
    assert problems_free(plan_text(plan)) == plan


def problems_free(text: str) -> RecoveryPlan:
    return read(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("SubnetId: subnet-1", 'SubnetId "subnet-1" is not valid'),
        ("SecurityGroupIds: []", "SecurityGroupIds is empty"),
        ("SecurityGroupIds: [web]", 'an entry of SecurityGroupIds "web" is not valid'),
        ("InstanceType: large", "an EC2 instance type such as m6i.large"),
        ("RecoveryMode: QUICK", "one of OPTIMAL, FAST"),
        ("Tags: {aws:x: y}", "Tags"),
        ("Tags: {Tier: 1}", 'quote it: "1"'),
        ("CopyPrivateIp: maybe", "true or false"),
        ("Subnet: subnet-11111111111111111", "did you mean SubnetId?"),
        (
            "PrivateIp: 10.0.0.4",
            "PrivateIp belongs to LaunchSettings of a server, not to LaunchSettings of the plan or "
            "a wave; move it there",
        ),
        ("SecurityGroupIds: sg-1", 'a list; each entry is the ID of a security group: "sg-…"'),
    ],
)
def test_a_setting_that_is_not_valid_is_a_problem_of_its_line(line: str, problem: str) -> None:
    found = only_problem_of(with_line(5, f"    LaunchSettings: {{{line}}}"))
    assert found.line == 6
    assert problem in found.message


def test_an_address_that_is_none_is_refused() -> None:
    assert "an IPv4 address" in only_problem_of(TEXT.replace("10.0.0.4", "10.0.0.400")).message


def test_settings_that_say_nothing_are_refused() -> None:
    found = only_problem_of(with_line(5, "    LaunchSettings: {}"))
    assert (found.line, found.wave) == (6, "db")
    assert "LaunchSettings is empty" in found.message


@pytest.mark.parametrize("nothing", ["", " {}"])
def test_isolation_that_is_turned_into_comments_is_refused(nothing: str) -> None:
    found = only_problem_of(with_line(3, f"DrillLaunchSettings:{nothing}"))
    assert (found.line, found.message) == (
        4,
        "DrillLaunchSettings is empty; name a setting, or remove it",
    )


def test_a_subnet_of_drills_that_is_not_valid_is_one_problem() -> None:
    found = only_problem_of(with_line(3, "DrillLaunchSettings: {SubnetId: drill}"))
    assert 'SubnetId "drill" is not valid' in found.message


def test_two_servers_have_no_address_of_one_subnet() -> None:
    found = only_problem_of(TEXT.replace("10.0.0.5", "10.0.0.4"))
    assert found.line == 10
    assert "10.0.0.4 is already that of the server in line 7" in found.message


def test_an_address_is_not_also_copied_from_the_source() -> None:
    found = problems_of(TEXT.replace("{SubnetId", "{CopyPrivateIp: true, SubnetId"))
    assert [each.line for each in found] == [8, 10]


def test_a_drill_with_a_subnet_of_its_own_is_read() -> None:
    settings = {"SubnetId": DRILL, "SecurityGroupIds": [DRILL_GROUP], "PostLaunchEnabled": False}
    plan = plan_of(LaunchSettings={"SubnetId": PRODUCTION}, DrillLaunchSettings=settings)
    assert plan.drill_launch_settings is not None
    assert plan.drill_launch_settings.subnet_id == DRILL
    assert plan.plan_hash != plan_of(LaunchSettings={"SubnetId": PRODUCTION}).plan_hash


def test_a_drill_without_a_subnet_is_refused_where_it_is_named() -> None:
    found = only_problem_of(with_line(5, "    DrillLaunchSettings: {RecoveryMode: FAST}"))
    assert (found.line, found.wave) == (6, "db")
    assert "names no SubnetId" in found.message
    # The plan's holds for the wave.
    text = with_line(5, "    DrillLaunchSettings: {RecoveryMode: FAST}")
    text = text.replace("Waves:", f"DrillLaunchSettings: {{SubnetId: {DRILL}}}\nWaves:")
    assert problems_free(text)


def test_a_drill_in_the_subnet_of_a_recovery_is_refused() -> None:
    found = only_problem_of(with_line(3, f"DrillLaunchSettings: {{SubnetId: {PRODUCTION}}}"))
    assert "is also one of LaunchSettings" in found.message
