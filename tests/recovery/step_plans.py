"""Steps for tests: one of each kind, and a plan of them."""

import json
from typing import Any

from hypothesis import strategies as st

from recovery.plan.fields import Impact
from recovery.plan.file.reader import parse_plan
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import OnCancel, Step, StepKind, StepOutput, When, Workflow
from tests.recovery.plans import KNOWN_REGIONS, recovery_plans, role_arn, server_id

# Those that need no servers of their wave.
ANYWHERE = (StepKind.LAMBDA, StepKind.WORKFLOW, StepKind.MANUAL, StepKind.ALARM)
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


def read(content: dict[str, Any]) -> RecoveryPlan:
    """The plan that a file of this content is."""
    return parse_plan(json.dumps(content), file="plan.json", regions=KNOWN_REGIONS).plan


STEPS = [
    *(each for _, each in read(plan_with_steps(all_kinds())).wave("db").all_steps if not each.tcp),
    Step(
        step_id="all-keys", when=When.RECOVERY, timeout_seconds=1.5, retries=3,
        impact=Impact.OPTIONAL, idempotent=True, on_cancel=OnCancel.STOP, decision_seconds=60,
        rerun=True, region="eu-central-1", role_arn=role_arn("111111111111"),
        account_id="111111111111", outputs={"a": StepOutput(path="b", secret=True)},
        workflow=Workflow(type="t", task_queue="q", input={"a": ["${ExecutionId}", 1.5, None]}),
    ),
]  # fmt: skip


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS.filter(lambda name: "$" not in name), inner)
    ),
    max_leaves=6,
)


def _with_input(value: Any) -> Step:
    """A step with this input, in which no text begins a reference."""
    literal = json.loads(json.dumps(value).replace("${", "$ {"))
    workflow = Workflow(type="t", task_queue="q", input=literal)
    return Step(step_id="input", when=When.BOTH, workflow=workflow)


@st.composite
def plans_with_steps(draw: st.DrawFn) -> RecoveryPlan:
    """Frozen plans as the reader makes them, with steps in some waves."""
    plan = draw(recovery_plans())
    steps = st.lists(
        st.sampled_from(STEPS) | JSON.map(_with_input),
        max_size=3,
        unique_by=lambda each: each.step_id,
    )
    for wave in plan.waves:
        wave.post_launch_steps = draw(steps)
    wave = draw(st.sampled_from(plan.waves))
    if draw(st.booleans()) and wave.post_launch_steps:
        wave.steps = [each for each in wave.post_launch_steps if each.kind in ANYWHERE]
        wave.post_launch_steps, wave.servers = [], wave.servers if not wave.steps else []
        wave.timeout_seconds = 3600.0 if wave.steps else wave.timeout_seconds
    return plan
