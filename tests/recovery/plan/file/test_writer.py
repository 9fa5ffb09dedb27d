"""A plan that is written and read again is the same plan."""

from hypothesis import given

from aws.regions import known_regions
from recovery.plan.file.reader import parse_plan
from recovery.plan.file.writer import plan_text
from recovery.plan.model import RecoveryPlan
from tests.recovery.plans import diamond
from tests.recovery.step_plans import plans_with_steps


def test_a_written_plan_is_what_a_person_would_write() -> None:
    text = plan_text(diamond())
    assert "TimeoutSeconds" not in text
    assert text.count("Region:") == 1


@given(plan=plans_with_steps())
def test_a_written_plan_reads_as_the_same_plan(plan: RecoveryPlan) -> None:
    read = parse_plan(plan_text(plan), file="plan.yaml", regions=known_regions())
    assert read.plan == plan
    assert read.plan.plan_hash == plan.plan_hash
