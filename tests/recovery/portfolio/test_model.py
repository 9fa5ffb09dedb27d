"""A portfolio's file, and what keeps plans from being run together."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws.regions import known_regions
from recovery.model_file import ModelFileError
from recovery.plan.file.reader import read_plan
from recovery.plan.model import RecoveryPlan, Server, Wave
from recovery.portfolio.model import (
    PlanDependency,
    PortfolioMember,
    portfolio_problems,
    read_portfolio,
    without_plans,
)

GOOD = """
PortfolioId: all
PointInTime: 2026-11-26T14:00:00Z
Plans:
  - {Plan: directory, Priority: 1}
  - {File: crm.yaml, DependsOn: [directory, directory/dns]}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "portfolio.yaml"
    file.write_text(text)
    return file


def member(plan_id: str, *needed: str, server: int = 0) -> PortfolioMember:
    """A plan with the waves `dns` and `app`, and servers of its own."""
    first = server or sum(map(ord, plan_id)) * 16
    waves = [
        Wave(
            wave_id=wave_id,
            wave_name=wave_id,
            region="us-west-2",
            servers=[Server(source_server_id=f"s-{first + n:017x}")],
        )
        for n, wave_id in enumerate(("dns", "app"))
    ]
    plan = RecoveryPlan(plan_id=plan_id, region="us-west-2", waves=waves)
    return PortfolioMember(plan, tuple(map(PlanDependency.of, needed)))


def test_a_file_names_plans_their_order_and_one_point_in_time(tmp_path: Path) -> None:
    found = read_portfolio(written(tmp_path, GOOD))
    assert [each.plan or each.file for each in found.plans] == ["directory", "crm.yaml"]
    assert found.plans[1].depends_on == ["directory", "directory/dns"]
    assert found.plans[0].priority == 1
    assert found.point_in_time == "2026-11-26T14:00:00Z"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("DependsOn", "DependOn"), "did you mean DependsOn?"),
        (GOOD.replace("Plan: directory", "Plan: directory, File: x.yaml"), "either Plan"),
        (GOOD.replace("Priority: 1", "Priority: 9"), "Priority"),
        (GOOD.replace("directory/dns", "directory/dns/x"), "a PlanId, or PlanId/WaveId"),
        (GOOD.replace("T14:00:00Z", ""), "zone"),
        ("PortfolioId: all\nPlans: []\n", "the list is empty"),
        ("Plans: [{Plan: crm}]\n", "PortfolioId: it is missing"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_write(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ModelFileError, match=r"portfolio\.yaml:\d+") as caught:
        read_portfolio(written(tmp_path, text))
    assert said in str(caught.value)


def test_plans_that_can_be_run_together_have_no_problems() -> None:
    assert portfolio_problems([member("a"), member("b", "a/dns"), member("c", "a", "b/app")]) == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([], "has no plans"),
        ([member("a"), member("a")], "listed twice"),
        ([member("a", "a")], "which is itself"),
        ([member("directory"), member("b", "directry")], "did you mean directory?"),
        ([member("directory"), member("b", "directory/dn")], "did you mean dns?"),
        ([member("a", "b"), member("b", "c/dns"), member("c", "a")], "a -> b -> c -> a"),
        ([member("a", server=500), member("b", server=501)], "launched twice"),
    ],
)
def test_what_keeps_plans_from_being_run_together_is_named(
    members: list[PortfolioMember], said: str
) -> None:
    assert said in "\n".join(portfolio_problems(members))


def test_the_example_is_valid() -> None:
    file = Path(__file__).parents[3] / "examples" / "portfolio.yaml"
    found = read_portfolio(file)
    members = [
        PortfolioMember(
            read_plan(file.parent / str(each.file), regions=known_regions()).plan,
            tuple(map(PlanDependency.of, each.depends_on)),
        )
        for each in found.plans
    ]
    assert portfolio_problems(members) == []


@given(st.data())
def test_without_plans_the_others_wait_for_each_other_as_before(data: st.DataObject) -> None:
    names = [f"p{number}" for number in range(data.draw(st.integers(1, 8)))]
    members = [
        member(name, *(data.draw(st.sets(st.sampled_from(names[:n]))) if n else ()))
        for n, name in enumerate(names)
    ]
    left_out = data.draw(st.sets(st.sampled_from(names)))
    kept = without_plans(members, left_out)
    assert [each.plan.plan_id for each in kept] == [n for n in names if n not in left_out]
    assert not portfolio_problems(kept) or not kept
    before, after = waits_of(members), waits_of(kept)
    assert after == {name: before[name] - left_out for name in after}


def waits_of(members: Sequence[PortfolioMember]) -> dict[str, set[str]]:
    """By PlanId, all plans that it waits for, also by way of others."""
    found: dict[str, set[str]] = {}
    for each in members:
        direct = {one.plan_id for one in each.depends_on}
        found[each.plan.plan_id] = direct.union(*(found[one] for one in direct))
    return found


def test_what_waits_for_a_wave_of_a_plan_that_is_left_out_waits_for_what_that_plan_waits_for() -> (
    None
):
    members = [member("a"), member("b", "a/dns"), member("c", "b/dns", "a/dns")]
    _, kept = without_plans(members, {"b"})
    assert [str(each) for each in kept.depends_on] == ["a/dns"]
