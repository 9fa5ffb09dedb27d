"""Schedules of plan files: read, written again, refused, and not part of the plan's hash."""

from typing import Any

import pytest
import yaml

from recovery.plan.diff import differences
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from recovery.schedule.model import in_zone
from tests.recovery.plan.file.test_problems import only_problem_of, problems_of
from tests.recovery.plan.file.test_steps import read
from tests.recovery.plans import server_id

SCHEDULE = {"Cron": "0 3 * * SAT", "TimeZone": "Europe/Berlin", "CleanupAfter": "2h"}
FREEZE = {"From": "2026-12-18T18:00+01:00", "To": "2027-01-04T08:00+01:00", "Reason": "year end"}
TEXT = f"""\
PlanId: crm
Region: us-west-2
Isolation: NOT_NEEDED
Schedule: {{Cron: "0 3 * * SAT", CleanupAfter: 2h}}
Waves:
  - WaveId: db
    ServerIds: [{server_id(1)}, {server_id(2)}]
"""


def plan_of(**keys: Any) -> RecoveryPlan:
    """A plan of one server with these keys."""
    wave = {"WaveId": "db", "ServerIds": [server_id(1)]}
    return read({"PlanId": "crm", "Region": "us-west-2", "Waves": [wave], **keys})


def test_a_schedule_is_read_and_written_again_and_changes_no_hash() -> None:
    keys = {
        "Schedule": SCHEDULE | {"SkipIf": "NOT_READY", "Announce": "15m"},
        "Freeze": [FREEZE],
        "ReadinessEvery": "30m",
        "DrillIntervalDays": 30,
        "Isolation": "NOT_NEEDED",
    }
    plan = plan_of(**keys)
    assert plan.schedule is not None
    assert (plan.schedule.cleanup_seconds, plan.schedule.announce_seconds) == (7200.0, 900.0)
    assert plan.freeze[0].end - plan.freeze[0].begin == 16 * 86_400 + 14 * 3600
    assert plan.plan_hash == plan_of().plan_hash
    assert differences(plan_of(), plan)
    import yaml

    assert read(yaml.safe_load(plan_text(plan))) == plan


def test_a_schedule_needs_isolation_of_each_server() -> None:
    text = TEXT.replace("Isolation: NOT_NEEDED\n", "")
    problem = only_problem_of(text).message
    assert f"2 servers ({server_id(1)}, {server_id(2)}) would launch beside production" in problem
    drill = "DrillLaunchSettings: {SubnetId: subnet-0123456789abcdef0}\n"
    isolated = read(yaml.safe_load(text.replace("Waves:", f"{drill}Waves:")))
    assert isolated.schedule is not None


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('"0 3 * * SAT"', '"0 3 1 * SAT"', "Cron"),
        ("CleanupAfter: 2h", "CleanupAfter: 30s", "CleanupAfter"),
        (", CleanupAfter: 2h", "", "CleanupAfter is missing"),
        ("2h}", "2h, TimeZone: Europe/Berlix}", "TimeZone"),
        ("2h}", "2h, SkipIf: NEVER}", "one of NOT_READY"),
        ("Isolation: NOT_NEEDED", "Isolation: NONE", "one of NOT_NEEDED"),
        ("Waves:", "ReadinessEvery: 1\nWaves:", "ReadinessEvery"),
        ("Waves:", "DrillIntervalDays: 0\nWaves:", "DrillIntervalDays"),
        ("Waves:", "Cron: x\nWaves:", "Cron belongs to Schedule"),
        (
            "Waves:",
            'Freeze: [{From: "2027-01-04T08:00Z", To: "2026-12-18T18:00Z"}]\nWaves:',
            "ends before it begins",
        ),
        ("Waves:", 'Freeze: [{From: "2027-01-04T08:00Z"}]\nWaves:', "To is missing"),
        ("Waves:", 'Freeze: [{From: "2027-01-04T08:00", To: x}]\nWaves:', "time with its zone"),
    ],
)
def test_what_is_not_valid_is_a_problem(before: str, after: str, problem: str) -> None:
    found = problems_of(TEXT.replace(before, after, 1))
    assert any(problem in each.message for each in found), found


def test_a_time_is_shown_in_its_zone_and_in_utc() -> None:
    assert in_zone(1_795_831_200.0, "Europe/Berlin").endswith("CET (02:00 UTC)")
    assert in_zone(1_795_831_200.0, "UTC").endswith("UTC")
