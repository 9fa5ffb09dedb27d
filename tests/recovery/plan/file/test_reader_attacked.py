"""Plans that look right and are not: points 8, 13 and 14 of issue 14."""

import re
from collections.abc import Callable

import pytest

from recovery.plan.file.reader import PlanError, Problem, parse_plan
from recovery.plan.model import RecoveryPlan
from tests.recovery.plans import server_id

HEAD = f"""\
PlanId: crm
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [{server_id(1)}]
"""


def read(text: str) -> RecoveryPlan:
    return parse_plan(text, file="crm.yaml").plan


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        read(text)
    return caught.value.problems


def plan_of(count: int, keys: Callable[[int], str]) -> str:
    """The text of a plan of many waves of a server, each with more keys."""
    waves = (
        f"  - WaveId: w{number}\n    ServerIds: [{server_id(number)}]\n    {keys(number)}\n"
        for number in range(count)
    )
    return "PlanId: crm\nRegion: us-west-2\nWaves:\n" + "".join(waves)


# 8: what cannot run is refused


@pytest.mark.xfail(strict=True, reason="issue 14, point 8: attempts are not counted")
@pytest.mark.parametrize("waves", [55, 1000])
def test_a_plan_whose_retries_would_overfill_the_history_is_refused(waves: int) -> None:
    (problem, *_) = problems_of(plan_of(waves, lambda _: "Retries: 100"))
    assert "Retries" in problem.message


def test_a_plan_with_a_few_retries_a_wave_runs() -> None:
    assert len(read(plan_of(55, lambda _: "Retries: 2")).waves) == 55


@pytest.mark.xfail(strict=True, reason="issue 14, point 8: the size of the start is not looked at")
@pytest.mark.parametrize("letter", ["x", "数"])
def test_a_plan_larger_than_temporal_takes_is_refused_with_its_size(letter: str) -> None:
    a_wave = letter * (2550 // len(letter.encode()))
    problems = problems_of(plan_of(1000, lambda _: f'WaveDescription: "{a_wave}"'))
    assert re.search(r"\d MB|bytes", problems[0].message)


@pytest.mark.xfail(strict=True, reason="issue 14, point 8: characters are counted, not bytes")
def test_the_size_of_a_text_is_counted_in_bytes() -> None:
    (problem,) = problems_of(HEAD + f'    WaveDescription: "{"数" * 1_700_000}"\n')
    assert "MB" in problem.message


# 13: partitions


@pytest.mark.xfail(strict=True, reason="issue 14, point 13: Regions have two letters before the -")
def test_the_european_sovereign_cloud_is_a_region_with_a_partition_of_its_own() -> None:
    role = "arn:aws-eusc:iam::123456789012:role/Recovery"
    plan = read(HEAD.replace("us-west-2", "eusc-de-east-1") + f"RoleArn: {role}\n")
    assert plan.region == "eusc-de-east-1"
    assert plan.waves[0].role_arn == role
    assert plan.waves[0].account_id == "123456789012"


@pytest.mark.xfail(strict=True, reason="issue 14, point 13: partitions by hand")
@pytest.mark.parametrize("partition", ["aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"])
def test_a_role_of_every_partition_that_botocore_knows_is_one(partition: str) -> None:
    region = {
        "aws-iso": "us-iso-east-1",
        "aws-iso-b": "us-isob-east-1",
        "aws-iso-e": "eu-isoe-west-1",
        "aws-iso-f": "us-isof-south-1",
    }[partition]
    role = f"arn:{partition}:iam::123456789012:role/Recovery"
    plan = read(HEAD.replace("us-west-2", region) + f"RoleArn: {role}\n")
    assert plan.waves[0].role_arn == role


@pytest.mark.xfail(strict=True, reason="issue 14, point 13: nobody compares them")
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
    (problem,) = problems_of(HEAD.replace("us-west-2", region) + f"RoleArn: {role}\n")
    assert "RoleArn" in problem.message
    assert region in problem.message
