"""Lines about messages and clean-ups."""

from cli.render.records import operator_lines
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.state import MessageRecord
from tests.cli.executions import CHAIN, START, begin


def test_that_no_sender_is_verified_is_said_once_and_of_a_clean_up_what_is_left() -> None:
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
    assert lines[1].startswith("Messages (senders are not verified")
    assert lines[2].endswith("skip_wave w9  by oncall")
    assert "    REJECTED: no w9" in lines
    assert "retry_wave App (w1)  by ops" in lines[4]
    assert lines[-1] == "  LEFT  i-1  of s-1  us-west-2  termination protection"


def test_among_verified_senders_each_other_one_is_marked() -> None:
    state = begin(CHAIN)
    signed, by_key, forged = (
        MessageRecord(name="pause", actor=who, time=START, accepted=True, effect="paused")
        for who in ("ann", "ops", "boss")
    )
    signed.actor_verified = by_key.actor_verified = True
    by_key.break_glass = "eu-west-1 is lost"
    state.messages = [signed, by_key, forged]
    said = [line.partition("  by ")[2] for line in operator_lines(state) if "  by " in line]
    assert said == ["ann", "ops (break-glass: eu-west-1 is lost)", "boss (not verified)"]
    assert operator_lines(state)[1] == "Messages"
