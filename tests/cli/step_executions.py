"""Executions whose waves have steps, for tests of what is shown."""

from typing import Any

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Dependency, RecoveryPlan, Wave
from recovery.steps.model import Step, StepKind
from recovery.steps.replaced import ReplacedState, StepRevert
from recovery.steps.state import StepState, StepStatus
from tests.cli.executions import CHAIN, START, begin, put, wave

INSTRUCTION = """\
# Move the traffic

1. Open the **load balancer**, see [the runbook](https://wiki.example.com/cutover).
2. Set the weight of the old site to `0`, and wait until no more requests arrive there.

Then enter the number of the change.
"""
INPUTS = [
    {"Name": "Ticket", "Description": "the change request"},
    {"Name": "Sessions", "Type": "NUMBER", "Required": False},
    {"Name": "Confirmed", "Type": "YES_OR_NO"},
]
CHECKS: list[dict[str, Any]] = [
    {"StepId": "reachable", "Tcp": {"Port": 5432}},
    {"StepId": "promote", "When": "BOTH", "SsmAutomation": {"Document": "Promote-Db"}},
    {"StepId": "dns", "When": "RECOVERY", "Lambda": {"FunctionName": "move"}},
]
CUTOVER: list[dict[str, Any]] = [
    {
        "StepId": "confirm",
        "When": "BOTH",
        "Manual": {"Instruction": INSTRUCTION, "Inputs": INPUTS},
    },
    {"StepId": "announce", "When": "BOTH", "Http": {"Url": "https://status.example.com/up"}},
]


def steps(given: list[dict[str, Any]]) -> list[Step]:
    """Steps as a plan has them."""
    return [Step.model_validate(each) for each in given]


def plan_with_steps() -> RecoveryPlan:
    """A database with steps after its launch, and a cut-over without servers that follows it."""
    database, *others = CHAIN.waves
    database = database.model_copy(update={"post_launch_steps": steps(CHECKS)})
    cutover = Wave(
        wave_id="cutover",
        wave_name="Cutover",
        region="us-west-2",
        servers=[],
        steps=steps(CUTOVER),
        dependencies=[Dependency(depends_on_wave_id="w0")],
    )
    return CHAIN.model_copy(update={"waves": [database, *others, cutover]})


def step(state: ExecutionState, step_id: str) -> StepState:
    """The step of this ID."""
    return next(s for wave in state.waves for s in wave.steps if s.step_id == step_id)


def running_steps() -> ExecutionState:
    """A drill that promotes its database; the step for DNS is left out."""
    state = begin(plan_with_steps())
    reason = "every server is launched; step promote RUNNING: 3 of 7 steps done"
    put(state, "Database", WaveStatus.IN_PROGRESS, reason, launched=2, start=START)
    wave(state, "Database").has_workflow = True
    wave(state, "Database").attempt = 1
    _set(
        step(state, "reachable"),
        status=StepStatus.SUCCEEDED,
        result="PASSED",
        attempt=1,
        start_time=START + 500,
        end_time=START + 540,
        reason="2 servers accepted, in 3 ms",
    )
    _set(
        step(state, "promote"),
        status=StepStatus.RUNNING,
        attempt=2,
        start_time=START + 545,
        reason="3 of 7 steps done",
        link="https://console.aws.amazon.com/ssm/a-1",
    )
    _set(step(state, "dns"), status=StepStatus.NOT_TESTED, reason="it runs in a RECOVERY only")
    return state


def waiting_step() -> ExecutionState:
    """A drill whose cut-over waits for a person."""
    state = running_steps()
    put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START, end=START + 600)
    _set(
        step(state, "promote"),
        status=StepStatus.SUCCEEDED,
        end_time=START + 600,
        outputs={"Endpoint": "db.example.com"},
    )
    cutover = put(state, "Cutover", WaveStatus.IN_PROGRESS, start=START + 600)
    cutover.status_reason = "step confirm waits for an operator"
    cutover.has_workflow, cutover.attempt = True, 1
    _set(
        step(state, "confirm"),
        status=StepStatus.RUNNING,
        attempt=1,
        start_time=START + 600,
        decide_until=START + 15_000,
        manual=steps(CUTOVER)[0].manual,
    )
    return state


def _set(step: StepState, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(step, name, value)


def changed_record() -> ExecutionState:
    """A drill whose cut-over has set a record, which can be put back."""
    state = waiting_step()
    record = {"Name": "shop.example.com.", "Type": "CNAME", "TTL": 60}
    _set(
        step(state, "announce"),
        kind=StepKind.ROUTE53_RECORD,
        status=StepStatus.SUCCEEDED,
        attempt=1,
        start_time=START + 600,
        end_time=START + 650,
        reason="change C1 is INSYNC: all DNS servers have it",
        before={
            "Was": record | {"ResourceRecords": [{"Value": "old.example.com"}]},
            "SetTo": record | {"ResourceRecords": [{"Value": "new.example.com"}]},
        },
    )
    return state


def put_back(state: ExecutionState, *, at: float, actor: str = "ann") -> ExecutionState:
    """The execution after an operator has put the record back."""
    before = ReplacedState.model_validate(step(state, "announce").before)
    revert = StepRevert(
        wave_id="cutover",
        step_id="announce",
        actor=actor,
        time=at,
        place="record shop.example.com CNAME of zone Z1",
        replaced=before.set_to,
        put_back=before.was,
    )
    return state.with_reverts([revert])
