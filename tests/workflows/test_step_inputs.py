"""What the steps of a wave get of other waves."""

from typing import Any, NoReturn

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.plan.model import RecoveryPlan
from tests.cli.executions import CHAIN
from workflows.plan.step_inputs import StepInputs


class Unread(list[Any]):
    """A list that nobody may go through."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("the waves were read")


def test_a_wave_without_steps_looks_at_no_other_wave() -> None:
    # A plan of a thousand waves starts hundreds at once, in one workflow task of two seconds.
    plan: RecoveryPlan = CHAIN
    state = ExecutionState.begin(
        plan,
        execution_id="crm-0f3b52a1c7d9",
        execution_type=ExecutionType.DRILL,
        started_by="ann",
        now=1.0,
    )
    (first, *_) = plan.waves
    assert not first.all_steps
    inputs = StepInputs(plan.model_copy(update={"waves": Unread(plan.waves)}), state)
    state.waves = Unread(state.waves)
    assert inputs.servers_of(first) == []
    assert inputs.secret_references_of(first) == []
    assert inputs.outputs_of(first) == {}
