"""What the steps of a plan need of an allow-list."""

from typing import Any

from recovery.access.step_needs import StepNeeds, needs_of
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.steps.model import Step
from tests.recovery.plans import role_arn, server_id


def step(step_id: str = "step", when: str = "BOTH", **kind: Any) -> Step:
    return Step.model_validate({"StepId": step_id, "When": when} | kind)


def test_a_plan_needs_what_its_steps_of_this_kind_of_execution_name() -> None:
    here, elsewhere = Target(region="us-west-2"), role_arn("222222222222")
    plan = RecoveryPlan(
        plan_id="crm",
        waves=[
            Wave(
                wave_id="db",
                region=here.region,
                servers=[Server(source_server_id=server_id(1))],
                post_launch_steps=[
                    step("one", Lambda={"FunctionName": "notify"}),
                    step("two", Lambda={"FunctionName": "notify"}, Region="us-west-2"),
                    step("dns", "RECOVERY", Lambda={"FunctionName": "dns"}, RoleArn=elsewhere),
                    step("own", Tcp={"Port": 1, "Host": "${Servers.s-1.PrivateIp}"}),
                ],
            )
        ],
    )
    drill, recovery = (needs_of(plan, is_drill=each) for each in (True, False))
    assert [(r.name, r.used_by) for r in drill.uses] == [("notify", "step one of db, two of db")]
    assert drill.targets == []
    assert [r.name for r in recovery.uses] == ["notify", "dns"]
    assert recovery.targets == [Target(region="us-west-2", role_arn=elsewhere)]
    assert needs_of(RecoveryPlan(plan_id="a", waves=[]), is_drill=True) == StepNeeds()
