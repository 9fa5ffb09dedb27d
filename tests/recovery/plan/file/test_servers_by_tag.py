"""ServersByTag in a plan file: read, written, and its mistakes with their lines."""

import pytest

from recovery.plan.file.reader import PlanError, parse_plan
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from tests.recovery.plans import KNOWN_REGIONS


def read(*wave: str, plan: str = "") -> RecoveryPlan:
    """The plan of a wave with these lines."""
    lines = ["PlanId: crm", "Region: us-west-2", plan, "Waves:", "  - WaveId: db"]
    text = "\n".join([*lines, *(f"    {each}" for each in wave)])
    return parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS).plan


def test_a_wave_by_tags_is_read_and_written_back() -> None:
    plan = read("ServersByTag: {App: crm, Tier: db}")
    (wave,) = plan.waves
    assert (wave.servers_by_tag, wave.servers) == ({"App": "crm", "Tier": "db"}, [])
    assert plan.size == "1 wave, the servers of 1 wave by tags"
    text = plan_text(plan)
    assert "ServersByTag" in text
    assert parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS).plan == plan


def test_other_tags_are_another_plan() -> None:
    assert read("ServersByTag: {App: a}").plan_hash != read("ServersByTag: {App: b}").plan_hash


@pytest.mark.parametrize(
    ("wave", "problem"),
    [
        (["ServersByTag: {App: 5}"], 'ServersByTag.App 5 is read as a number; quote it: "5"'),
        (["ServersByTag: {'aws:x': y}"], 'does not begin with "aws:"'),
        (["ServersByTag: {}"], "ServersByTag is empty"),
        (["ServersByTag: [App]"], "ServersByTag is a list"),
        (
            ["ServersByTag: {App: crm}", "ServerIds: [s-3a1f0c5d7e9b2468a]"],
            "the wave has ServersByTag and ServerIds; keep one",
        ),
        (["ServersByTag:"], "the wave has no servers"),
    ],
)
def test_mistakes_are_reported(wave: list[str], problem: str) -> None:
    with pytest.raises(PlanError) as error:
        read(*wave)
    assert problem in str(error.value)


def test_a_schedule_needs_listed_servers() -> None:
    schedule = "Isolation: NOT_NEEDED\nSchedule: {Cron: '0 3 * * 0', CleanupAfter: 2h}"
    with pytest.raises(PlanError) as error:
        read("ServersByTag: {App: crm}", plan=schedule)
    assert "ServersByTag; list the servers, or remove the Schedule" in str(error.value)
