"""Plans that look right and are not: points 8, 13 and 14 of issue 14."""

import re
from collections.abc import Callable

import pytest

from aws.regions import known_regions
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
    return parse_plan(text, file="crm.yaml", regions=known_regions()).plan


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
