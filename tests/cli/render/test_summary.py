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
    lines = next_steps(state)
    expected = {
        ExecutionType.RECOVERY: [
            f"drs-waves history {execution}",
            f"drs-waves run --from {execution} --recovery",
        ],
        ExecutionType.DRILL: [
            f"drs-waves history {execution}",
            f"drs-waves run --from {execution}",
            f"drs-waves cleanup {execution}",
        ],
    }
    assert [line.strip() for line in lines[1::2]] == expected[execution_type]
    assert lines[2] == "Keep the 2 up, launch the other 4:"


def test_the_summary_of_an_execution_that_is_up_offers_no_further_launch() -> None:
    state = begin(CHAIN, ExecutionType.RECOVERY)
    for name in ("Database", "App", "Web"):
        put(state, name, WaveStatus.COMPLETED, launched=2)
    assert next_steps(state) == ["Details:", f"  drs-waves history {state.execution_id}"]
