"""What failed comes first, then what runs, what is next, and last what is finished."""

from recovery.execution.wave import WaveStatus
from recovery.execution.wave_group import WaveGroup, wave_groups
from tests.cli.executions import CHAIN, DIAMOND, begin, put


def test_the_wave_after_a_running_one_is_next_and_the_rest_is_later() -> None:
    state = begin(CHAIN)
    assert list(wave_groups(state).values()) == [WaveGroup.NEXT, WaveGroup.LATER, WaveGroup.LATER]
    # Its launch waits for a quota: it has begun.
    put(state, "Database", WaveStatus.WAITING).has_workflow = True
    assert list(wave_groups(state).values()) == [
        WaveGroup.RUNNING,
        WaveGroup.NEXT,
        WaveGroup.LATER,
    ]


def test_what_is_up_or_left_out_is_finished_and_what_failed_is_not() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.COMPLETED)
    put(state, "App1", WaveStatus.TIMED_OUT)
    put(state, "App2", WaveStatus.SKIPPED)
    put(state, "Web", WaveStatus.PARTIAL)
    groups = wave_groups(state)
    assert list(groups.values()) == [
        WaveGroup.UP,
        WaveGroup.FAILED,
        WaveGroup.LEFT_OUT,
        WaveGroup.FAILED,
    ]
    assert [group for group in WaveGroup if group.is_finished] == [WaveGroup.LEFT_OUT, WaveGroup.UP]
