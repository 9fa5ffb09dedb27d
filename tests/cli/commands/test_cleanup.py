"""What a clean-up says before it is confirmed."""

from cli.render.records import cleanup_lines
from client.cleanup import kept_changes, termination_lines
from contract.cleanup import own_servers
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.wave import WaveStatus
from recovery.steps.model import StepKind, StepPhase
from recovery.steps.state import StepState
from tests.cli.executions import CHAIN, START, begin, put, wave


def test_a_clean_up_counts_only_what_the_execution_itself_launched() -> None:
    state = begin(CHAIN)
    for name, is_taken_over in (("Database", True), ("App", False)):
        up = put(state, name, WaveStatus.COMPLETED, launched=2)
        change = {"recovery_job_id": f"drsjob-{name}", "taken_over": is_taken_over}
        up.servers = [server.model_copy(update=change) for server in up.servers]
    assert len(list(own_servers(state.waves))) == 2
    assert termination_lines(state) == [
        f"2 recovery instances that {state.execution_id} launched will be TERMINATED.",
        "2 instances of earlier executions, which it took over, stay.",
    ]
    state.cleanup = CleanupState(
        execution_id=state.execution_id,
        status=CleanupStatus.PARTIAL,
        actor="ops",
        start_time=START,
        terminated=[
            LaunchedInstance(
                recovery_instance_id="i-1",
                source_server_id=wave(state, "App").servers[0].source_server_id,
                recovery_job_id="drsjob-App",
                region="us-west-2",
            )
        ],
    )
    put(state, "App", WaveStatus.COMPLETED).steps = [
        StepState(step_id=name, kind=StepKind.ROUTING_CONTROL, phase=StepPhase.ALONE, before=before)
        for name, before in (
            ("traffic", {"Was": "Off", "SetTo": "On"}),
            ("same", {"Was": "On", "SetTo": "On"}),
            ("other", None),
        )
    ]
    assert cleanup_lines(state.cleanup, state)[-2:] == [
        "1 change of DNS or routing controls stays; to put back what was there before:",
        f"  drs-waves revert {state.execution_id} {wave(state, 'App').wave_id}/traffic",
    ]
    assert kept_changes(state)[0].endswith(
        f"put back by itself: {wave(state, 'App').wave_id}/traffic."
    )
    first, stay = termination_lines(state)
    assert first.startswith("1 recovery instance that ")
    assert stay.startswith("2 instances of earlier executions")
