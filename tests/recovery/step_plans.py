"""Steps for tests: one of each kind, and a plan of them."""

from typing import Any

from recovery.steps.model import StepKind
from tests.recovery.plans import server_id

DB, WEB = server_id(1), server_id(2)

SPECS: dict[StepKind, dict[str, Any]] = {
    StepKind.SSM_AUTOMATION: {"Document": "Promote-Db", "Parameters": {"Id": ["a"]}},
    StepKind.SSM_COMMAND: {"Document": "Configure", "Parameters": {"Id": ["a"]}},
    StepKind.LAMBDA: {"FunctionName": "promote", "Payload": {"a": [1, None, {"b": True}]}},
    StepKind.HTTP: {
        "Url": "https://example.com/hook",
        "Headers": {"X-Plan": "crm"},
        "SecretHeaders": {"Authorization": "env:TOKEN"},
        "Body": {"a": 1.5},
    },
    StepKind.ROUTE53_RECORD: {
        "ZoneId": "Z1", "Name": "shop.example.com", "Type": "CNAME", "Values": ["db.example.com"],
    },
    StepKind.ROUTING_CONTROL: {
        "RoutingControlArn": "arn:aws:route53-recovery-control::111111111111:controlpanel/a",
        "State": "On",
        "ClusterEndpoints": {"us-west-2": "https://a.route53-recovery-cluster.example"},
    },
    StepKind.MANUAL: {"Instruction": "Stop it", "Inputs": [{"Name": "by"}, {"Name": "why"}]},
    StepKind.WORKFLOW: {"Type": "Promote", "TaskQueue": "customer", "Input": ["a"]},
    StepKind.INSTANCE_STATUS: {},
    StepKind.TCP: {"Port": 5432, "From": DB},
    StepKind.HTTP_GET: {"Port": 443, "Scheme": "https", "ExpectedStatus": [200, 204]},
    StepKind.DNS: {"Name": "shop.example.com", "Values": ["192.0.2.1"]},
    StepKind.ALARM: {"AlarmName": "errors"},
    StepKind.TARGET_HEALTH: {"TargetGroupArn": "arn:aws:tg"},
}  # fmt: skip


def step(kind: StepKind, step_id: str = "", **keys: Any) -> dict[str, Any]:
    """A valid step of a kind, as a plan file has it."""
    when = (
        {}
        if kind in (StepKind.INSTANCE_STATUS, StepKind.TCP, StepKind.HTTP_GET)
        else {"When": "BOTH"}
    )
    return {"StepId": step_id or kind.lower(), **when, kind.value: SPECS[kind], **keys}


def all_kinds() -> list[dict[str, Any]]:
    """A valid step of each kind."""
    return [step(kind) for kind in StepKind]


def plan_with_steps(
    steps: list[dict[str, Any]],
    *,
    before: list[dict[str, Any]] | None = None,
    cutover: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A plan of a database with steps around its launch, and a cut-over after it."""
    waves: list[dict[str, Any]] = [
        {
            "WaveId": "db",
            "ServerIds": [DB],
            "PreLaunchSteps": before or [],
            "PostLaunchSteps": steps,
        },
        {"WaveId": "web", "ServerIds": [WEB]},
    ]
    if cutover:
        waves.append({"WaveId": "cutover", "Dependencies": ["db"], "Steps": cutover})
        waves[-1]["Dependencies"] = [{"DependsOnWaveId": "db"}]
    return {"PlanId": "shop", "Region": "us-west-2", "Waves": waves}
