"""The live view: what fits, what is shown, what is estimated."""

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.live.view import WatchedExecution, view
from recovery.execution.server import Verified
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.forecast.remaining import remaining
from tests.cli.executions import CHAIN, DIAMOND, START, begin, plan_of, put


def drawn(
    watched: WatchedExecution, *, now: float = START, width: int = 80, height: int = 24
) -> str:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(view(watched, now=now, width=width, height=height))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert all(cell_len(line) <= width for line in lines)
    return "\n".join(lines)


def watched(state: ExecutionState | None) -> WatchedExecution:
    return WatchedExecution("crm", "crm-0f3b52a1c7d9", sandbox=True, state=state)


def test_a_running_drill() -> None:
    state = begin(CHAIN)
    put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START, end=START + 530)
    put(state, "App", WaveStatus.IN_PROGRESS, launched=1, start=START + 540)
    put(state, "Web", WaveStatus.WAITING, "Waiting for App")
    assert drawn(watched(state), now=START + 840) == (
        " DRILL  SANDBOX  CRM\n"
        " crm-0f3b52a1c7d9\n"
        " IN_PROGRESS, 14:00 elapsed, about 13 min left\n"
        "\n"
        "               wave      launched   time\n"
        "✓ COMPLETED    Database       2/2   8:50\n"
        "▶ IN_PROGRESS  App            1/2   5:00\n"
        "… WAITING      Web            0/2         Waiting for App"
    )


def test_what_is_not_verified_is_shown_with_the_wave_and_the_plan() -> None:
    state = begin(CHAIN)
    reason = "every server is launched, 1 not verified"
    done = put(state, "Database", WaveStatus.COMPLETED, reason, launched=2, start=START)
    done.servers[0].verified = Verified.UNKNOWN
    text = drawn(watched(state))
    assert text.count("1 unverified") == 2
    assert "not verified" not in text


def test_open_waves_come_first_where_not_all_fit() -> None:
    names = [f"Wave {number}" for number in range(100)]
    state = begin(plan_of(dict.fromkeys(names, ())))
    for name in names:
        put(state, name, WaveStatus.COMPLETED, launched=2, start=START, end=START)
    put(state, "Wave 77", WaveStatus.IN_PROGRESS, start=START)
    put(state, "Wave 88", WaveStatus.FAILED, start=START, end=START)
    text = drawn(watched(state))
    assert len(text.splitlines()) <= 22
    assert "Wave 77" in text
    assert "Wave 88" in text
    assert " more waves: " in text


@pytest.mark.parametrize("name", ["数据库服务器" * 10, "a" * 256, "🚀" * 40, "é" * 100])
def test_no_name_or_reason_breaks_the_width(name: str) -> None:
    state = begin(plan_of({name: [], "Web": [name]}))
    state.plan_name = name
    put(state, "Web", WaveStatus.WAITING, f"Waiting for {name}, {name}, {name}")
    drawn(watched(state))


def test_an_outage_of_temporal_is_shown_with_its_time() -> None:
    each = watched(begin(CHAIN))
    each.unreachable_since, each.error = START, "Temporal did not answer: " + "x" * 200
    assert "Temporal does not answer (since 20" in drawn(each)


def test_without_a_worker_the_last_known_state_is_shown_with_its_age_and_stands_still() -> None:
    state = begin(CHAIN)
    put(state, "Database", WaveStatus.IN_PROGRESS, start=START)
    each = watched(state)
    each.seen_time, each.unreachable_since, each.lacks_worker = START + 60, START + 65, True
    each.error = "No worker answers on task queue 'drs-waves'. Start one with `drs-waves worker`"
    text = drawn(each)
    assert text.startswith(" LAST KNOWN STATE, of 20")
    assert "IN_PROGRESS, 1:00 elapsed" in text
    assert "No worker answers (since 20" in text
    assert "Start one with `drs-waves worker`" in text


def test_the_banner_names_temporal_and_aws() -> None:
    state = begin(CHAIN)
    state.endpoints = ["https://drs.us-west-2.amazonaws.com"]
    state.waves[0].account_id = "123456789012"
    each = watched(state)
    each.place = "Temporal temporal.example.com:7233, namespace drs"
    text = drawn(each)
    assert " Temporal temporal.example.com:7233, namespace drs\n" in text
    assert " AWS 123456789012 us-west-2 at https://drs.us-west-2.amazonaws.com" in text


def test_a_recovery_says_so() -> None:
    assert drawn(watched(begin(CHAIN, ExecutionType.RECOVERY))).startswith(" RECOVERY ")


def test_what_remains_of_a_chain_at_its_start_is_three_waves() -> None:
    assert remaining(begin(CHAIN), now=START).seconds == 3 * 540


def test_what_remains_counts_the_slower_branch_of_a_diamond() -> None:
    state = begin(DIAMOND)
    put(state, "Database", WaveStatus.COMPLETED)
    put(state, "App1", WaveStatus.COMPLETED)
    put(state, "App2", WaveStatus.IN_PROGRESS, start=START)
    estimate = remaining(state, now=START + 500)
    assert (estimate.seconds, estimate.overdue) == (40 + 540, False)


def test_what_remains_is_divided_by_the_speed() -> None:
    state = begin(CHAIN)
    state.speed = 60
    assert remaining(state, now=START).seconds == 27


def test_a_wave_that_takes_longer_makes_the_estimate_overdue() -> None:
    state = begin(CHAIN)
    put(state, "Database", WaveStatus.IN_PROGRESS, start=START)
    estimate = remaining(state, now=START + 600)
    assert (estimate.seconds, estimate.overdue) == (2 * 540, True)
    assert estimate.text == "at least 18 min left, Database is 60 s later than expected"
    put(state, "App", WaveStatus.SKIPPED)
    put(state, "Web", WaveStatus.SKIPPED)
    late = remaining(state, now=START + 900).text
    assert late == "Database is 6 min later than expected"


def test_skipped_waves_take_no_time() -> None:
    state = begin(CHAIN)
    put(state, "Database", WaveStatus.FAILED)
    put(state, "App", WaveStatus.SKIPPED)
    put(state, "Web", WaveStatus.SKIPPED)
    assert remaining(state, now=START).seconds == 0
