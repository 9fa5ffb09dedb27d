"""What the steps of a plan use: missing, there, not readable; looked up where the steps act."""

from typing import Any

from temporalio.worker import Worker

from client.readiness.check import check_readiness
from recovery.readiness.finding import Finding, FindingCode
from recovery.readiness.verdict import ReadinessStatus
from recovery.steps.model import Step
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.customer_worker import TASK_QUEUE, Rebuild

PERMISSIONS = (
    "cloudwatch:DescribeAlarms",
    "elasticloadbalancing:DescribeTargetGroups",
    "lambda:GetFunctionConfiguration",
    "route53-recovery-cluster:GetRoutingControlState",
    "route53:GetHostedZone",
    "ssm:DescribeDocument",
)
_SERVICES = {"elasticloadbalancing": "elbv2"}


def step(step_id: str, **fields: Any) -> Step:
    return Step.model_validate({"StepId": step_id, "When": "BOTH"} | fields)


async def test_what_steps_use_is_found_missing_and_no_more_when_it_is_there_or_unknown(
    env: E2eEnvironment,
) -> None:
    account = env.aws.account_id
    panel = f"arn:aws:route53-recovery-control::{account}:controlpanel/{'0' * 32}"
    control = f"{panel}/routingcontrol/{'1' * 16}"
    group = f"arn:aws:elasticloadbalancing:us-west-2:{account}:targetgroup/shop/{'2' * 16}"
    zone = f"Z{account}"
    routing = {
        "RoutingControlArn": control,
        "State": "On",
        "ClusterEndpoints": {"us-east-1": f"{env.aws.url}/_recovery-cluster/us-east-1/v1"},
    }
    record = {"ZoneId": zone, "Name": "shop.example.com", "Type": "A", "Values": ["10.0.0.1"]}
    # In this Region nobody has ever used DRS.
    far = {"Region": "eu-north-1"}
    plan = env.plan(
        env.wave("Cutover", servers=0, steps=[
            step("promote", SsmAutomation={"Document": "Promote"}),
            step("configure", SsmCommand={"Document": "Configure"}),
            step("notify", Lambda={"FunctionName": "notify"}, **far),
            step("dns", Route53Record=record),
            step("traffic", RoutingControl=routing),
            step("quiet", Alarm={"AlarmName": "errors"}),
            step("healthy", TargetHealth={"TargetGroupArn": group}),
            step("index", Workflow={"Type": "Rebuild", "TaskQueue": TASK_QUEUE}),
        ]),
    )  # fmt: skip

    async def found() -> list[Finding]:
        findings = (await check_readiness(env.client, plan)).findings
        return [each for each in findings if each.code is not FindingCode.CHECK_NEVER_CONCLUDED]

    missing = await found()
    expected = [FindingCode.STEP_QUEUE_WITHOUT_WORKER, *[FindingCode.STEP_RESOURCE_MISSING] * 7]
    assert sorted(each.code for each in missing) == expected

    here = {"AccountId": account}
    env.aws.apply(
        # Of the wrong type.
        Documents=[{"Name": "Promote"} | here, {"Name": "Configure"} | here],
        Functions=[{"FunctionName": "notify"} | far | here],
        # The record cannot be in it.
        HostedZones=[{"ZoneId": zone, "Name": "example.net"} | here],
        RoutingControls=[{"RoutingControlArn": control, "Name": "shop"}],
        Alarms=[{"AlarmName": "errors", "States": [{"State": "OK"}]} | here],
        TargetGroups=[{"TargetGroupArn": group}],
    )
    async with Worker(env.client, task_queue=TASK_QUEUE, workflows=[Rebuild]):
        unusable = await found()
        assert [each.code for each in unusable] == [FindingCode.STEP_RESOURCE_UNUSABLE] * 2
        assert "Configure is of the type Automation, not Command" in unusable[0].message
        assert "is of example.net, in which shop.example.com cannot be" in unusable[1].message
        plan.waves[0].steps[1] = step("configure", SsmCommand={"Document": "AWS-RunShellScript"})
        record["Name"] = "shop.example.net"
        plan.waves[0].steps[3] = step("dns", Route53Record=record)
        assert await found() == []
        ready = await check_readiness(env.client, plan)
        assert ready.status is ReadinessStatus.READY

        denied = [each.split(":") for each in PERMISSIONS]
        env.aws.apply(
            Faults=[
                {
                    "Service": _SERVICES.get(service, service),
                    "Operation": operation,
                    "Error": "AccessDenied",
                }
                for service, operation in denied
            ]
        )
        unknown = await check_readiness(env.client, plan)
        assert unknown.status is ReadinessStatus.UNKNOWN
        lacked = {f.evidence["Permission"] for f in unknown.findings if "Permission" in f.evidence}
        assert lacked == set(PERMISSIONS)
        env.aws.clear_faults()
        assert await found() == []
    # Nothing was run.
    assert env.aws.effects() == []
