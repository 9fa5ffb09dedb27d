"""Lines about messages and clean-ups."""

from cli.render.records import operator_lines
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.state import MessageRecord
from tests.cli.executions import CHAIN, START, begin


def test_messages_say_who_is_not_verified_and_a_clean_up_what_is_left() -> None:
    state = begin(CHAIN)
    state.messages = [
        MessageRecord(
            name="skip_wave",
            wave_id="w9",
            actor="oncall",
            time=START,
            accepted=False,
            effect="no w9",
        ),
        MessageRecord(
            name="retry_wave", wave_id="w1", actor="ops", time=START, accepted=True, effect="done"
        ),
    ]
    left = LaunchedInstance(
        recovery_instance_id="i-1",
        source_server_id="s-1",
        recovery_job_id="drsjob-1",
        region="us-west-2",
        reason="termination protection",
    )
    state.cleanup = CleanupState(
        execution_id="crm-1",
        status=CleanupStatus.PARTIAL,
        actor="ops@host",
        start_time=START,
        leftovers=[left],
    )
    lines = operator_lines(state)
    assert lines[2].endswith("skip_wave w9  by oncall (unverified)")
    assert "    REJECTED: no w9" in lines
    assert "retry_wave App (w1)  by ops" in lines[4]
    assert lines[-1] == "  LEFT  i-1  of s-1  us-west-2  termination protection"
