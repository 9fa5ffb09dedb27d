"""What a new execution takes over from an earlier one."""

from client.takeover import PreviousExecution, has_launched_nothing
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.steps.model import StepKind
from tests.cli.executions import CHAIN, START, begin, fail_server, put
from tests.recovery.step_plans import plan_with_steps, read, step


def test_an_execution_whose_servers_were_all_refused_has_launched_nothing() -> None:
    state = begin(CHAIN, ExecutionType.RECOVERY)
    assert has_launched_nothing(state)
    refused = put(state, "Database", WaveStatus.FAILED, start=START)
    refused.attempt = 1
    for place in range(2):
        fail_server(refused, place, "not launched: it has a live instance")
    assert has_launched_nothing(state)


def test_an_execution_that_may_have_a_job_has_not_launched_nothing() -> None:
    in_doubt = begin(CHAIN, ExecutionType.RECOVERY)
    in_doubt.waves[0].attempt = 1
    assert not has_launched_nothing(in_doubt)
    recorded = begin(CHAIN, ExecutionType.RECOVERY)
    recorded.waves[0].servers[0].recovery_job_id = "drsjob-1"
    assert not has_launched_nothing(recorded)


def test_an_execution_whose_wave_runs_may_have_begun_a_step_that_is_not_recorded() -> None:
    state = ExecutionState.begin(
        read(plan_with_steps([step(StepKind.LAMBDA, "promote")])),
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=0.0,
    )
    assert has_launched_nothing(state)
    wave = state.waves[0]
    wave.status, wave.has_workflow = WaveStatus.WAITING, True
    assert not has_launched_nothing(state)


def test_what_continues_an_execution_counts_from_its_declaration_or_else_its_start() -> None:
    state = begin(CHAIN, ExecutionType.RECOVERY)
    assert PreviousExecution(state, CHAIN, ()).declared == state.start_time
    state.declared_time = state.start_time - 600
    assert PreviousExecution(state, CHAIN, ()).declared == state.start_time - 600
