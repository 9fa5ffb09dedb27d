"""The simpler launch methods keep to their published rules."""

import pytest

from bench.plans import new_plan, new_wave
from bench.speed.baselines import MOST_STEPS, aws_steps
from bench.speed.loads import THOUSAND_WAVES


def _ids(first: int, count: int) -> list[str]:
    return [f"s-{first + n:017x}" for n in range(count)]


def test_a_step_of_aws_has_all_servers_of_a_level_and_the_next_one_comes_after_it() -> None:
    plan = new_plan(
        "crm",
        new_wave("db", _ids(0, 2)),
        new_wave("cache", _ids(10, 1)),
        new_wave("web", _ids(20, 1), "db", "cache"),
    )
    steps = [sorted(wave.server_ids) for (wave,) in aws_steps(plan)]
    assert steps == [_ids(0, 2) + _ids(10, 1), _ids(20, 1)]
    assert not any(wave.depends_on for (wave,) in aws_steps(plan))


def test_a_level_of_more_than_a_hundred_servers_needs_several_steps() -> None:
    (plan,) = THOUSAND_WAVES.load("us-west-2", 1).plans
    assert [len(wave.servers) for (wave,) in aws_steps(plan)] == [100, 100, 50] * 4


def test_a_plan_that_needs_more_steps_than_aws_allows_has_no_plan_there() -> None:
    waves = [
        new_wave(f"w{n}", _ids(n, 1), *([f"w{n - 1}"] if n else [])) for n in range(MOST_STEPS + 1)
    ]
    with pytest.raises(ValueError, match="needs 21 steps"):
        aws_steps(new_plan("deep", *waves))
