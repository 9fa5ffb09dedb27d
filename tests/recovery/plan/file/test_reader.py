"""How plan files are read: targets, positions, spellings, YAML."""

import json
import re
from collections.abc import Callable

import pytest
import yaml

from recovery.plan.fields import Impact
from recovery.plan.file.reader import PlanError, Problem, parse_plan
from recovery.plan.model import RecoveryPlan
from tests.recovery.plans import ACCOUNTS, KNOWN_REGIONS, role_arn, server_id

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
    read = parse_plan(text, file=file, regions=KNOWN_REGIONS)
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
        parse_plan(text, file="crm.json", regions=KNOWN_REGIONS)
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
    read = parse_plan(BY_PLACE, file="crm.yaml", regions=KNOWN_REGIONS)
    assert read.plan.wave("app").depends_on == ("cache",)
    (warning,) = read.warnings
    assert (warning.line, warning.wave, warning.value) == (11, "app", "plan-wave-2")
    assert 'wave number 2, cache; write "DependsOnWaveId: cache"' in warning.message


def test_a_plan_frozen_from_positions_reads_back_without_warnings() -> None:
    plan = parse_plan(BY_PLACE, file="crm.yaml", regions=KNOWN_REGIONS).plan
    assert plan_of(plan.model_dump_json(), "crm.json") == plan


@pytest.mark.parametrize("one", ["db", "cache", "app"])
def test_no_number_means_a_position_once_any_wave_id_ends_in_one(one: str) -> None:
    text = BY_PLACE.replace(f"WaveId: {one}", f"WaveId: {one}-7")
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS)
    (problem,) = caught.value.problems
    assert problem.value == "plan-wave-2"
    assert "no WaveId of this plan" in problem.message


def test_a_mistyped_wave_id_never_means_another_wave() -> None:
    with pytest.raises(PlanError, match=r"crm-wave-3.*did you mean crm-wave-"):
        parse_plan(
            PLAN.replace("DependsOnWaveId: crm-wave-1", "DependsOnWaveId: crm-wave-3"),
            file="p",
            regions=KNOWN_REGIONS,
        )
    with pytest.raises(PlanError, match="did you mean crm-wave-1"):
        parse_plan(
            PLAN.replace("DependsOnWaveId: crm-wave-1", "DependsOnWaveId: cmr-wave-1"),
            file="p",
            regions=KNOWN_REGIONS,
        )


def test_a_cycle_through_positions_is_found() -> None:
    text = BY_PLACE.replace(f"[{S2}]\n", f"[{S2}]\n    Dependencies: [{{DependsOnWaveId: x-3}}]\n")
    with pytest.raises(PlanError, match="cache → app → cache"):
        parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS)


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


WAVES_OF_ONE = f"Waves:\n  - WaveId: a\n    ServerIds: [{server_id(1)}]\n"
ONE_WAVE = f"""\
PlanId: crm
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{S1}]
"""


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        plan_of(text)
    return caught.value.problems


def test_the_european_sovereign_cloud_is_a_region_with_a_partition_of_its_own() -> None:
    role = "arn:aws-eusc:iam::123456789012:role/Recovery"
    plan = plan_of(ONE_WAVE.replace("us-west-2", "eusc-de-east-1") + f"RoleArn: {role}\n")
    assert plan.region == "eusc-de-east-1"
    assert plan.waves[0].role_arn == role
    assert plan.waves[0].account_id == "123456789012"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-west-2", "aws-cn"),
        ("us-west-2", "aws-us-gov"),
        ("us-gov-west-1", "aws"),
        ("cn-north-1", "aws"),
    ],
)
def test_a_role_of_another_partition_than_its_regions_is_refused(
    region: str, partition: str
) -> None:
    role = f"arn:{partition}:iam::123456789012:role/Recovery"
    (problem,) = problems_of(ONE_WAVE.replace("us-west-2", region) + f"RoleArn: {role}\n")
    assert "RoleArn" in problem.message
    assert region in problem.message


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws-cn", "cn-north-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
    ],
)
def test_a_role_of_any_partition_with_its_own_region_is_one(partition: str, region: str) -> None:
    role = f"arn:{partition}:iam::123456789012:role/Recovery"
    text = ONE_WAVE.replace("us-west-2", region) + f"RoleArn: {role}\n"
    plan = parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS).plan
    assert plan.waves[0].role_arn == role


def test_a_wave_in_a_region_of_another_partition_needs_a_role_of_its_own() -> None:
    china = f"RoleArn: {role_arn(ONE)}\n{ONE_WAVE}    Region: cn-north-1\n"
    (problem,) = problems_of(china)
    assert (problem.wave, problem.line) == ("db", 5)
    assert problem.message == (
        "the plan's RoleArn is in partition aws, but Region cn-north-1 in aws-cn; "
        "give the wave a RoleArn of its own"
    )
    own = role_arn(ONE).replace("arn:aws:", "arn:aws-cn:")
    read = parse_plan(f"{china}    RoleArn: {own}\n", file="p", regions=KNOWN_REGIONS)
    assert read.plan.waves[0].role_arn == own


@pytest.mark.parametrize(
    ("of_wave", "of_step", "message"),
    [
        ("us-west-2", "RoleArn: {china}", "RoleArn is in partition aws-cn, but Region us-west-2"),
        (
            "us-west-2, RoleArn: {ours}",
            "Region: cn-north-1",
            "the wave's RoleArn is in partition aws, but Region cn-north-1 in aws-cn; "
            "give the step a RoleArn of its own",
        ),
        ("us-west-2, RoleArn: {ours}", "Region: cn-north-1, RoleArn: {china}", ""),
    ],
)
def test_a_step_in_a_region_of_another_partition_needs_a_role_of_its_own(
    of_wave: str, of_step: str, message: str
) -> None:
    roles = {"ours": role_arn(ONE), "china": role_arn(ONE).replace("arn:aws:", "arn:aws-cn:")}
    step = f"{{StepId: a, When: BOTH, Lambda: {{FunctionName: f}}, {of_step.format(**roles)}}}"
    wave = f"{{WaveId: w, Region: {of_wave.format(**roles)}, Steps: [{step}]}}"
    text = f"PlanId: crm\nWaves:\n  - {wave}\n"
    found = [problem.message for problem in problems_of(text)] if message else []
    assert [each for each in found if message in each] == found
    assert bool(found) is bool(message)
    if not message:
        assert parse_plan(text, file="p", regions=KNOWN_REGIONS).plan.waves[0].steps


def waves_in(region: str) -> str:
    return "".join(
        f"  - WaveId: w{n}\n    Region: {region}\n    ServerIds: [{server_id(n)}]\n"
        for n in range(3, 9)
    )


def test_a_region_without_drs_is_warned_of_once() -> None:
    # In botocore's list of Regions, but not in its list for DRS.
    without = next(each for each in KNOWN_REGIONS.names if each not in KNOWN_REGIONS.with_drs)
    text = ONE_WAVE + waves_in(without)
    (warning,) = parse_plan(text, file="p", regions=KNOWN_REGIONS).warnings
    assert (warning.wave, warning.line, warning.value) == ("w3", 7, without)
    assert f"the AWS SDK knows no DRS in Region {without}; did you mean" in warning.message


def test_a_region_that_does_not_exist_is_a_problem_once() -> None:
    (problem,) = problems_of(ONE_WAVE + waves_in("eu-wset-1"))
    assert (problem.wave, problem.line, problem.value) == ("w3", 7, "eu-wset-1")
    assert problem.message == (
        "the AWS SDK knows no Region eu-wset-1; did you mean eu-west-1? "
        "If it is new, update botocore"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"PlanId: crm\nRegion: us-west-2\nServerIds: [{server_id(2)}]\n{WAVES_OF_ONE}",
            "ServerIds belongs to a wave, not to the plan; move it beside WaveId",
        ),
        (
            f"PlanId: crm\nRegion: us-west-2\n{WAVES_OF_ONE}    Priority: 1\n",
            "Priority belongs to the plan, not to a wave; move it beside PlanId",
        ),
        (
            f"PlanId: crm\nRegion: us-west-2\n{WAVES_OF_ONE}    PlanName: CRM\n",
            "PlanName belongs to the plan, not to a wave; move it beside PlanId",
        ),
        (
            f"PlanId: crm\nRegion: us-west-2\n{WAVES_OF_ONE}    impact: OPTIONAL\n",
            "Impact belongs to an entry of Servers, not to a wave; move it beside SourceServerId",
        ),
        (
            "PlanId: crm\nRegion: us-west-2\nWaves:\n  - WaveId: a\n    Servers:\n"
            f"      - SourceServerId: {server_id(1)}\n        Region: us-west-2\n",
            "Region belongs to the plan or a wave, not to an entry of Servers; "
            "move it beside PlanId or WaveId",
        ),
        (
            f"PlanId: crm\nRegion: us-west-2\n{WAVES_OF_ONE}    DependsOnWaveId: b\n",
            "DependsOnWaveId belongs to an entry of Dependencies, not to a wave; move it there",
        ),
    ],
)
def test_a_key_on_the_wrong_level_is_told_where_it_belongs(text: str, message: str) -> None:
    (problem,) = problems_of(text)
    assert problem.message == message


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("s-3a1f", 'it has 4 characters after "s-", it needs 17'),
        (f"{server_id(1)}0", 'it has 18 characters after "s-", it needs 17'),
        ("s-0123456789abcdeFg", 'it has "F", "g"'),
    ],
)
def test_an_id_says_how_long_it_is_and_should_be(written: str, note: str) -> None:
    waves = f"Waves:\n  - WaveId: a\n    ServerIds: [{written}]\n"
    (problem,) = problems_of(f"PlanId: crm\nRegion: us-west-2\n{waves}")
    assert problem.message == (
        f'SourceServerId "{written}" is not valid; '
        f'write "s-" and 17 of the characters 0-9 and a-f ({note})'
    )


def test_a_long_name_and_a_short_account_say_their_length() -> None:
    text = f"PlanId: {'x' * 65}\nRegion: us-west-2\nAccountId: '12345678901'\n{WAVES_OF_ONE}"
    named, account = problems_of(text)
    assert named.message.endswith("(it has 65 characters, at most 64 are allowed)")
    assert account.message.endswith("(it has 11 characters, it needs 12)")


def text_of_waves(count: int, keys: Callable[[int], str]) -> str:
    """The text of a plan of many waves of a server, each with more keys."""
    waves = (
        f"  - WaveId: w{number}\n    ServerIds: [{server_id(number)}]\n    {keys(number)}\n"
        for number in range(count)
    )
    return "PlanId: crm\nRegion: us-west-2\nWaves:\n" + "".join(waves)


@pytest.mark.parametrize("waves", [55, 1000])
def test_a_plan_whose_retries_would_overfill_the_history_is_refused(waves: int) -> None:
    (problem, *_) = problems_of(text_of_waves(waves, lambda _: "Retries: 100"))
    assert "Retries" in problem.message


def test_a_plan_with_a_few_retries_a_wave_runs() -> None:
    assert len(plan_of(text_of_waves(55, lambda _: "Retries: 2")).waves) == 55


@pytest.mark.parametrize("letter", ["x", "数"])
def test_a_plan_larger_than_temporal_takes_is_refused_with_its_size(letter: str) -> None:
    a_wave = letter * (2550 // len(letter.encode()))
    problems = problems_of(text_of_waves(1000, lambda _: f'WaveDescription: "{a_wave}"'))
    assert re.search(r"\d MB|bytes", problems[0].message)


def test_the_size_of_a_text_is_counted_in_bytes() -> None:
    (problem,) = problems_of(ONE_WAVE + f'    WaveDescription: "{"数" * 1_700_000}"\n')
    assert "MB" in problem.message
