"""How plan files are read: targets, positions, spellings, YAML."""

import json

import pytest
import yaml

from recovery.plan.file.reader import PlanError, parse_plan
from recovery.plan.model import Impact, RecoveryPlan
from tests.recovery.plans import ACCOUNTS, role_arn, server_id

S1, S2, S3 = server_id(1), server_id(2), server_id(3)

PLAN = f"""\
PlanId: crm
PlanName: CRM
Region: us-west-2
Waves:
  - WaveId: crm-wave-1
    WaveName: Database
    ServerIds: [{S1}, {S2}]
  - WaveId: crm-wave-2
    WaveName: App
    Servers:
      - SourceServerId: {S3}
        Impact: OPTIONAL
        RecoverySnapshotId: pit-0123456789abcdef0
    Dependencies:
      - DependsOnWaveId: crm-wave-1
"""


def plan_of(text: str, file: str = "crm.yaml") -> RecoveryPlan:
    read = parse_plan(text, file=file)
    assert read.warnings == ()
    return read.plan


def plan_with(plan: dict[str, object], *waves: dict[str, object]) -> RecoveryPlan:
    """Read a plan of these keys; each wave gets an ID and a server."""
    listed = [
        {"WaveId": f"w{n}", "ServerIds": [server_id(n)], **wave} for n, wave in enumerate(waves)
    ]
    return plan_of(json.dumps({"PlanId": "p", **plan, "Waves": listed}), "p.json")


def problems_with(plan: dict[str, object], *waves: dict[str, object]) -> list[str]:
    with pytest.raises(PlanError) as caught:
        plan_with(plan, *waves)
    return [problem.message for problem in caught.value.problems]


def test_the_established_shape_is_read_as_it_is() -> None:
    plan = plan_of(PLAN)
    database, app = plan.waves
    assert (plan.plan_id, plan.plan_name, database.wave_name) == ("crm", "CRM", "Database")
    assert database.server_ids == (S1, S2)
    assert app.depends_on == ("crm-wave-1",)
    assert app.servers[0].impact is Impact.OPTIONAL
    assert app.servers[0].recovery_snapshot_id == "pit-0123456789abcdef0"


def test_json_reads_like_yaml() -> None:
    as_json = json.dumps(yaml.safe_load(PLAN))
    assert plan_of(as_json, "crm.json") == plan_of(as_json, "crm.yaml") == plan_of(PLAN)
    assert plan_of(json.dumps(yaml.safe_load(PLAN), indent="\t"), "crm") == plan_of(PLAN)


def test_problems_in_json_have_lines_too() -> None:
    text = json.dumps(yaml.safe_load(PLAN.replace(S3, "s-3")), indent=2)
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="crm.json")
    (problem,) = caught.value.problems
    assert '"s-3"' in text.splitlines()[(problem.line or 0) - 1]
    assert (problem.wave, problem.value) == ("crm-wave-2", "s-3")


def test_characters_beyond_16_bits_are_the_same_in_json_and_yaml() -> None:
    assert (
        plan_with({"Region": "us-west-2", "PlanName": "\U0001f6df"}, {}).plan_name == "\U0001f6df"
    )
    assert plan_of(PLAN.replace("CRM", "\U0001f6df")).plan_name == "\U0001f6df"


def test_a_byte_order_mark_is_tolerated() -> None:
    assert plan_of(f"\ufeff{PLAN}") == plan_of(PLAN)


def test_windows_line_ends_are_tolerated() -> None:
    assert plan_of(PLAN.replace("\n", "\r\n")) == plan_of(PLAN)


def test_blank_keys_count_as_left_out() -> None:
    assert plan_of(PLAN.replace("Waves:", "Owner:\nRTO: ~\nRoleArn:\nWaves:")) == plan_of(PLAN)


def test_no_dependencies_may_be_written_as_blank_or_empty() -> None:
    plan = plan_with({"Region": "us-west-2"}, {"Dependencies": None}, {"Dependencies": []}, {})
    assert [wave.depends_on for wave in plan.waves] == [(), (), ()]


def test_a_dependency_listed_twice_counts_once() -> None:
    twice = [{"DependsOnWaveId": "w0"}, {"DependsOnWaveId": "w0"}]
    plan = plan_with({"Region": "us-west-2"}, {}, {"Dependencies": twice})
    assert [each.depends_on_wave_id for each in plan.waves[1].dependencies] == ["w0"]


def test_anchors_and_merges_save_repetition() -> None:
    plan = plan_of(
        f"""\
PlanId: crm
Region: us-west-2
Waves:
  - &database
    WaveId: db
    TimeoutSeconds: 7200
    Dependencies: []
    ServerIds: &servers [{S1}]
  - <<: *database
    WaveId: app
    ServerIds: [{S2}]
"""
    )
    assert [wave.timeout_seconds for wave in plan.waves] == [7200, 7200]
    assert plan.waves[1].server_ids == (S2,)


def test_timeouts_may_be_fractions() -> None:
    plan = plan_with({"Region": "us-west-2", "DeadlineSeconds": 0.5}, {"TimeoutSeconds": 2.25})
    assert (plan.deadline_seconds, plan.waves[0].timeout_seconds) == (0.5, 2.25)


def test_keys_that_ask_for_nothing_special_may_be_written() -> None:
    plan = plan_with(
        {"Region": "us-west-2", "OnFailure": "SKIP_DEPENDENTS", "Priority": None},
        {"OnFailure": "SKIP_DEPENDENTS", "Retries": 0, "ApprovalRequired": False},
        {"PauseBeforeWave": False, "ApprovalRequired": False},
    )
    assert [wave.approval_required for wave in plan.waves] == [False, False]


ONE, TWO = ACCOUNTS


def test_waves_inherit_the_target_of_the_plan() -> None:
    plan = plan_with({"Region": "us-west-2", "RoleArn": role_arn(ONE)}, {}, {"Region": "us-east-1"})
    assert [(each.region, each.role_arn, each.account_id) for each in plan.targets] == [
        ("us-west-2", role_arn(ONE), ONE),
        ("us-east-1", role_arn(ONE), ONE),
    ]
    assert plan.account_id == ONE


def test_a_wave_with_its_own_role_acts_in_the_account_of_that_role() -> None:
    plan = plan_with({"Region": "us-west-2", "AccountId": ONE}, {}, {"RoleArn": role_arn(TWO)})
    assert [each.account_id for each in plan.targets] == [ONE, TWO]


def test_a_role_of_another_partition_has_its_account() -> None:
    role = role_arn(TWO).replace("arn:aws:", "arn:aws-us-gov:")
    assert plan_with({"Region": "us-gov-west-1", "RoleArn": role}, {}).targets[0].account_id == TWO


def test_a_wave_without_a_role_may_name_its_account() -> None:
    plan = plan_with({"Region": "us-west-2", "AccountId": ONE}, {"AccountId": TWO})
    assert plan.targets[0].account_id == TWO


def test_region_is_needed_from_the_plan_or_from_the_wave() -> None:
    assert plan_with({}, {"Region": "us-west-2"}).region is None


def test_an_account_that_contradicts_the_role_is_refused() -> None:
    target: dict[str, object] = {"Region": "us-west-2", "RoleArn": role_arn(ONE)}
    (message,) = problems_with({**target, "AccountId": TWO}, {}, {})
    assert f"AccountId {TWO} contradicts RoleArn, which acts in {ONE}" in message
    (message,) = problems_with(target, {"AccountId": TWO})
    assert f"contradicts the plan's RoleArn, which acts in {ONE}" in message


@pytest.mark.parametrize("key", ["Region", "RoleArn", "AccountId"])
def test_a_blank_override_is_refused_because_it_could_mean_two_things(key: str) -> None:
    plan: dict[str, object] = {"Region": "us-west-2", "RoleArn": role_arn(ONE), "AccountId": ONE}
    (message,) = problems_with(plan, {key: None})
    assert message.startswith(f"{key} is blank, but the plan has one")


BY_PLACE = f"""\
PlanId: crm
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{S1}]
  - WaveId: cache
    ServerIds: [{S2}]
  - WaveId: app
    ServerIds: [{S3}]
    Dependencies:
      - DependsOnWaveId: plan-wave-2
"""


def test_a_number_names_a_wave_by_its_position_with_a_warning() -> None:
    read = parse_plan(BY_PLACE, file="crm.yaml")
    assert read.plan.wave("app").depends_on == ("cache",)
    (warning,) = read.warnings
    assert (warning.line, warning.wave, warning.value) == (11, "app", "plan-wave-2")
    assert 'wave number 2, cache; write "DependsOnWaveId: cache"' in warning.message


def test_a_plan_frozen_from_positions_reads_back_without_warnings() -> None:
    plan = parse_plan(BY_PLACE, file="crm.yaml").plan
    assert plan_of(plan.model_dump_json(), "crm.json") == plan


@pytest.mark.parametrize("one", ["db", "cache", "app"])
def test_no_number_means_a_position_once_any_wave_id_ends_in_one(one: str) -> None:
    text = BY_PLACE.replace(f"WaveId: {one}", f"WaveId: {one}-7")
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="crm.yaml")
    (problem,) = caught.value.problems
    assert problem.value == "plan-wave-2"
    assert "no WaveId of this plan" in problem.message


def test_a_mistyped_wave_id_never_means_another_wave() -> None:
    with pytest.raises(PlanError, match=r"crm-wave-3.*did you mean crm-wave-"):
        parse_plan(
            PLAN.replace("DependsOnWaveId: crm-wave-1", "DependsOnWaveId: crm-wave-3"), file="p"
        )
    with pytest.raises(PlanError, match="did you mean crm-wave-1"):
        parse_plan(
            PLAN.replace("DependsOnWaveId: crm-wave-1", "DependsOnWaveId: cmr-wave-1"), file="p"
        )


def test_a_cycle_through_positions_is_found() -> None:
    text = BY_PLACE.replace(f"[{S2}]\n", f"[{S2}]\n    Dependencies: [{{DependsOnWaveId: x-3}}]\n")
    with pytest.raises(PlanError, match="cache → app → cache"):
        parse_plan(text, file="crm.yaml")


def test_the_largest_plan_is_read() -> None:
    waves = [
        {
            "WaveId": f"wave-{number}",
            "ServerIds": [server_id(4 * number + each) for each in range(4)],
            "Dependencies": [
                {"DependsOnWaveId": f"wave-{before}"}
                for before in range(max(0, number - 5), number)
            ],
        }
        for number in range(1000)
    ]
    text = yaml.safe_dump({"PlanId": "p", "Region": "us-west-2", "Waves": waves})
    plan = plan_of(text)
    assert (len(plan.waves), plan.server_count) == (1000, 4000)
