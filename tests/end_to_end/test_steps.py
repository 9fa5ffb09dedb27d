"""Steps of the real kinds around launches in the local AWS, with faults and killed workers."""

from collections import Counter
from typing import Any

from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.steps.model import Step
from recovery.steps.state import StepState, StepStatus
from tests.end_to_end.conftest import SPEED, E2eEnvironment, wave_of

# Steps end by themselves long before; a worker's death takes wall-clock seconds.
_TIMEOUT = 160 * SPEED


def step(step_id: str, **fields: Any) -> Step:
    return Step.model_validate(
        {"StepId": step_id, "When": "BOTH", "TimeoutSeconds": _TIMEOUT} | fields
    )


def step_of(state: ExecutionState, wave: str, step_id: str) -> StepState:
    return next(s for s in wave_of(state, wave).steps if s.step_id == step_id)


def statuses(state: ExecutionState) -> dict[str, StepStatus]:
    return {f"{w.wave_id}.{s.step_id}": s.status for w in state.waves for s in w.steps}


def reasons(state: ExecutionState) -> str:
    """Why waves and steps are as they are."""
    shown = [f"{w.wave_name} {w.status}: {w.status_reason}" for w in state.waves]
    return "\n".join(
        shown + [f"{s.step_id} {s.status}: {s.reason}" for w in state.waves for s in w.steps]
    )


def effects(env: E2eEnvironment) -> Counter[str]:
    """How often each document or function had its effect."""
    details = [each["Details"] for each in env.aws.effects()]
    return Counter(each.get("DocumentName") or each["FunctionName"] for each in details)


async def test_a_drill_runs_its_steps_once_and_in_order_and_each_uses_what_earlier_ones_return(
    env: E2eEnvironment,
) -> None:
    (database,) = servers = env.aws.servers(1)
    account = {"AccountId": env.aws.account_id}
    env.aws.apply(
        Documents=[
            {"Name": "Freeze"} | account,
            {"Name": "Configure", "Type": "Command", "Output": "listens"} | account,
            {"Name": "Promote", "Outputs": {"Endpoint": "db.shop.example"}} | account,
        ],
        Functions=[
            {"FunctionName": "move-traffic", "Answers": [{"Payload": {"Moved": 3}}]} | account
        ],
    )
    promote = {
        "Document": "Promote",
        "Parameters": {"InstanceId": [f"${{Servers.{database}.InstanceId}}"]},
    }
    move = {
        "FunctionName": "move-traffic",
        "Payload": {
            "To": "${Steps.database.promote.Endpoint}",
            "Said": "${Steps.database.set-up.Said}",
        },
    }
    plan = env.plan(
        env.wave(
            "Database",
            servers=servers,
            pre_launch_steps=[step("freeze", SsmAutomation={"Document": "Freeze"})],
            post_launch_steps=[
                step("set-up", SsmCommand={"Document": "Configure"}, Outputs={"Said": {"Path": "Output"}}),
                step(
                    "promote",
                    SsmAutomation=promote,
                    Outputs={"Endpoint": {"Path": "Outputs.Endpoint"}},
                ),
            ],
        ),
        env.wave("Cutover", "Database", servers=0, steps=[
            step("move", Lambda=move, Outputs={"Moved": {"Path": "Moved"}}),
            step("only-real", When="RECOVERY", Lambda=move),
        ]),
    )  # fmt: skip
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED, reasons(state)
    assert statuses(state) == {
        "database.freeze": StepStatus.SUCCEEDED,
        "database.set-up": StepStatus.SUCCEEDED,
        "database.promote": StepStatus.SUCCEEDED,
        "cutover.move": StepStatus.SUCCEEDED,
        "cutover.only-real": StepStatus.NOT_TESTED,
    }
    done = env.aws.effects()
    names = [d["Details"].get("DocumentName") or d["Details"]["FunctionName"] for d in done]
    assert names == ["Freeze", "Configure", "Promote", "move-traffic"]
    (instance,) = env.aws.instances_up(database)
    assert done[2]["Details"]["Parameters"] == {"InstanceId": [instance]}
    assert done[3]["Details"]["Payload"]["To"] == "db.shop.example"
    assert done[3]["Details"]["Payload"]["Said"] == "listens"
    (launch,) = env.aws.accepted_launches(database)
    assert done[0]["Time"] <= launch["Time"] <= done[1]["Time"]
    assert step_of(state, "Cutover", "move").outputs == {"Moved": 3}
    assert wave_of(state, "Cutover").status is WaveStatus.COMPLETED
