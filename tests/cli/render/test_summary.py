"""The commands that the summary of an ended execution names."""

import pytest

from cli.render.summary import next_steps
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from tests.cli.executions import CHAIN, begin, put


@pytest.mark.parametrize("execution_type", ExecutionType)
def test_the_summary_names_the_harmless_commands_first(execution_type: ExecutionType) -> None:
    state = begin(CHAIN, execution_type)
    state.status = PlanStatus.FAILED
    up = put(state, "Database", WaveStatus.COMPLETED, launched=2)
    up.servers = [s.model_copy(update={"recovery_job_id": "drsjob-1"}) for s in up.servers]
    execution = state.execution_id
    expected = {
        ExecutionType.RECOVERY: [
            f"Details: drs-waves history {execution}",
            f"Keep the 2 up, launch the other 4: drs-waves run --from {execution} --recovery",
        ],
        ExecutionType.DRILL: [
            f"Details: drs-waves history {execution}",
            f"Keep the 2 up, launch the other 4: drs-waves run --from {execution}",
            f"Terminate the 2 instances of this drill: drs-waves cleanup {execution}",
        ],
    }
    assert next_steps(state) == expected[execution_type]


def test_the_summary_of_an_execution_that_is_up_offers_no_further_launch() -> None:
    state = begin(CHAIN, ExecutionType.RECOVERY)
    for name in ("Database", "App", "Web"):
        put(state, name, WaveStatus.COMPLETED, launched=2)
    assert next_steps(state) == [f"Details: drs-waves history {state.execution_id}"]
