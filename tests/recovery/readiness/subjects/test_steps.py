"""What steps use is judged from what was looked up."""

from typing import Any

import pytest

from recovery.plan.model import RecoveryPlan, Target, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.subjects.steps import (
    ResourceKind,
    ResourceState,
    StepResource,
    check_findings,
    steps_findings,
    used_resources,
)
from recovery.steps.model import Step

REGION = "us-west-2"
PROMOTE = StepResource(kind=ResourceKind.AUTOMATION, name="Promote-Db")


def step(step_id: str, **keys: Any) -> Step:
    return Step.model_validate({"StepId": step_id, "When": "BOTH"} | keys)


def promote(step_id: str = "promote", **keys: Any) -> Step:
    return step(step_id, SsmAutomation={"Document": "Promote-Db"}, **keys)


def planned(*steps: Step, region: str = REGION) -> PlannedTarget:
    wave = Wave(wave_id="cutover", wave_name="Cut-over", servers=[], region=REGION, steps=[*steps])
    return PlannedTarget(RecoveryPlan(plan_id="crm", waves=[wave]), Target(region=region))


def judged(state: ResourceState, *steps: Step) -> list[Finding]:
    return list(steps_findings(planned(*steps), {PROMOTE: state}))


def test_what_is_there_is_no_finding() -> None:
    assert judged(ResourceState(), promote()) == []


def test_what_is_missing_blocks_once_with_all_its_steps() -> None:
    (found,) = judged(ResourceState(missing=True), promote(), promote("again"))
    assert (found.code, found.severity) == (FindingCode.STEP_RESOURCE_MISSING, Severity.BLOCKS)
    assert found.evidence["Resource"] == "automation document Promote-Db"
    assert found.evidence["Steps"] == "promote of Cut-over, again of Cut-over"
    assert (found.wave_id, found.region) == ("cutover", REGION)


@pytest.mark.parametrize("minor", [{"Impact": "OPTIONAL"}, {"When": "DRILL"}])
def test_a_recovery_that_does_without_the_step_is_warned(minor: dict[str, Any]) -> None:
    (found,) = judged(ResourceState(missing=True), promote(**minor))
    assert found.severity is Severity.WARNS
    needed = judged(ResourceState(missing=True), promote(**minor), promote("again"))
    assert [each.severity for each in needed] == [Severity.BLOCKS]


def test_what_cannot_be_used_says_why() -> None:
    (found,) = judged(ResourceState(unusable="is Failed"), promote())
    assert found.code is FindingCode.STEP_RESOURCE_UNUSABLE
    assert "Promote-Db is Failed; step promote of Cut-over uses it" in found.message


def test_what_may_not_be_read_is_unknown_with_the_permission() -> None:
    failed = FailedRead(action="ssm:DescribeDocument", error="no", is_denied=True)
    (found,) = judged(ResourceState(failed=failed), promote())
    assert (found.code, found.severity) == (FindingCode.PERMISSION_MISSING, Severity.UNKNOWN)
    assert found.evidence["Permission"] == "ssm:DescribeDocument"


def test_a_task_queue_without_a_worker_is_one_of_its_own() -> None:
    here = planned(step("index", Workflow={"Type": "Rebuild", "TaskQueue": "search"}))
    queue = StepResource(kind=ResourceKind.TASK_QUEUE, name="search")
    (found,) = steps_findings(here, {queue: ResourceState(missing=True)})
    assert found.code is FindingCode.STEP_QUEUE_WITHOUT_WORKER


def test_a_step_is_looked_up_where_it_acts_and_not_what_a_reference_gives() -> None:
    far = promote("far", Region="eu-central-1")
    by_reference = step("named", Lambda={"FunctionName": "${Steps.cutover.far.Name}"})
    by_hand = step("ask", Manual={"Instruction": "Call the bank"})
    steps = (promote(), far, by_reference, by_hand)
    here = [used.step.step_id for used in used_resources(planned(*steps))]
    there = [used.step.step_id for used in used_resources(planned(*steps, region="eu-central-1"))]
    assert (here, there) == (["promote"], ["far"])


def test_a_check_that_no_drill_has_concluded_is_a_warning() -> None:
    tcp = Step.model_validate({"StepId": "up", "Tcp": {"Port": 5432}})
    alarm = step("quiet", When="RECOVERY", Alarm={"AlarmName": "errors"})
    plan = planned(tcp, alarm, promote()).plan
    up, quiet = check_findings(plan, [], [])
    assert (up.code, up.severity) == (FindingCode.CHECK_NEVER_CONCLUDED, Severity.WARNS)
    assert up.message == "no drill has concluded the check up of Cut-over"
    assert quiet.message.startswith("no recovery has concluded the check quiet of Cut-over: it")
    assert list(check_findings(plan, [("cutover", "up")], [("cutover", "quiet")])) == []
    # A drill leaves it out, so it cannot have concluded there.
    assert len(list(check_findings(plan, [("cutover", "up"), ("cutover", "quiet")], []))) == 1
