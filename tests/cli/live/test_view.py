"""The live view: what fits, what is shown, what is estimated."""

from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.live.view import WatchedExecution, view
from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.forecast.remaining import remaining
from tests.cli.executions import CHAIN, DIAMOND, START, begin, plan_of, put


def drawn(
    watched: WatchedExecution,
    *,
    now: float = START,
    width: int = 80,
    height: int = 24,
    footer: Sequence[str] = (),
) -> str:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(view(watched, now=now, width=width, height=height, footer=footer))
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
        " DRILL  SANDBOX  CRM  crm-0f3b52a1c7d9\n"
        " IN_PROGRESS · 14:00 elapsed · 3 of 6 servers up · about 13 min left\n"
        "\n"
        "RUNNING (1)\n"
        "▶ IN_PROGRESS  App       1/2 up     5:00\n"
        "NEXT (1)\n"
        "… WAITING      Web: Waiting for App\n"
        "COMPLETED (1)\n"
        "✓ COMPLETED    Database  2/2 up     8:50"
    )


def test_a_retry_that_is_cancelled_shows_what_its_attempts_took() -> None:
    state = begin(CHAIN)
    database = put(state, "Database", WaveStatus.FAILED, start=START, end=START + 60)
    database.attempt, database.has_workflow = 1, True
    database.reopened()
    database.status = WaveStatus.CANCELLED
    (line,) = [x for x in drawn(watched(state), now=START + 840).splitlines() if "CANCELLED  " in x]
    assert "1:00" in line


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
    assert text.index("Wave 88") < text.index("Wave 77")
    assert text.endswith("✓ 98 waves completed")


REASON = (
    "Payments 1 (s-0000000000000002a): LAUNCH_FAILED: InsufficientInstanceCapacity: We currently "
    "do not have sufficient c5.large capacity in the Availability Zone you requested (us-west-2a)"
)


def night() -> WatchedExecution:
    """A recovery of 40 waves: 23 are up, one failed and asks, three run, one of them is late."""
    names = [f"Line of business application {number}" for number in range(1, 41)]
    after: dict[str, Sequence[str]] = {
        name: names[n - 8 : n - 6] if n >= 8 else [] for n, name in enumerate(names)
    }
    state = begin(plan_of(after), ExecutionType.RECOVERY)
    state.waves[0].account_id = "123456789012"
    for each_wave in state.waves[:27]:
        each_wave.attempt, each_wave.has_workflow = 1, True
    for name in names[:23]:
        put(state, name, WaveStatus.COMPLETED, launched=2, start=START, end=START + 500)
    failed = put(state, names[23], WaveStatus.FAILED, REASON, launched=1, start=START, end=START)
    failed.ask_until = START + 4 * 3600
    for number, name in enumerate(names[24:27]):
        put(state, name, WaveStatus.IN_PROGRESS, launched=1, start=START + 500 + number * 300)
    for name in names[27:]:
        put(state, name, WaveStatus.WAITING, "Waiting for others")
    for name in names[30:32]:
        put(
            state, name, WaveStatus.WAITING, "An operator decides"
        ).waiting_for = WaitingFor.DECISION
    each = watched(state)
    each.place = "Temporal temporal.example.com:7233, namespace recovery"
    return each


def test_what_is_only_recorded_as_up_is_not_counted_as_up() -> None:
    state = begin(CHAIN)
    for wave in state.waves:
        up = [s.model_copy(update={"launch_status": LaunchStatus.LAUNCHED}) for s in wave.servers]
        wave.merge_servers(wave.taken_over(up))
    text = " ".join(drawn(watched(state)).split())
    assert "0 of 6 servers up · 6 recorded as up, not checked yet" in text
    assert "2/2 up" not in text


KEY_LINE = "r retry · a accept · s skip · p pause · w all waves · q detach"


@pytest.mark.parametrize(("width", "height"), [(80, 23), (100, 29), (100, 59)])
@pytest.mark.parametrize("with_keys", [True, False])
def test_forty_waves_with_one_that_failed_show_what_matters_in_full(
    width: int, height: int, with_keys: bool
) -> None:
    footer = [KEY_LINE] if with_keys else []
    text = drawn(night(), now=START + 1200, width=width, height=height, footer=footer)
    assert len(text.splitlines()) <= height
    words = " ".join(text.split())
    for expected in (
        "RECOVERY SANDBOX CRM crm-0f3b52a1c7d9",
        "Temporal temporal.example.com:7233, namespace recovery",
        "AWS 123456789012 us-west-2",
        "IN_PROGRESS · 20:00 elapsed · 50 of 80 servers up · at least 20 min left, ",
        "NEEDS AN OPERATOR (1) ✗ FAILED Line of business application 24 1/2 up",
        REASON,
        "to decide (until ",
        "Without a decision, Line of business application 31 and 4 more waves will not be "
        "launched; until the plan's deadline, a later answer still launches them",
    ):
        assert expected in words
    assert ("Keys: r retry · a accept · s skip a wave that waits for it" in words) is with_keys
    assert ("drs-waves retry-wave crm w23" in text) is not with_keys
    assert text.endswith(KEY_LINE) is with_keys
    body = words[words.index("NEEDS") :]
    order = [body.index(f"application {number}") for number in (24, 25, 28)]
    assert order == sorted(order)
    assert ("✓ 23 waves completed" in text) is (height < 40)
    assert ("COMPLETED (23)" in text) is (height > 40)
    late = "▶ IN_PROGRESS Line of business application 25 1/2 up 11:40 expected 9 min ▶ IN_PROGRESS"
    if height > 24:
        assert late in words


def test_every_wave_and_its_reason_is_on_a_page_of_all_waves() -> None:
    each = night()
    pages = []
    for number in range(1, 10):
        each.page = number
        text = drawn(each, now=START + 1200, footer=[KEY_LINE])
        if not each.page:
            break
        assert len(text.splitlines()) <= 24
        pages.append(text)
    words = " ".join(" ".join(pages).split())
    assert f"page 1 of {len(pages)}" in words
    assert REASON in words
    assert each.state is not None
    assert all(f"{wave.status} {wave.wave_name} " in words for wave in each.state.waves)
    assert all("at least" in page and KEY_LINE in page for page in pages)


def test_a_reason_that_is_longer_than_the_screen_is_cut_visibly_and_on_the_pages_in_full() -> None:
    each = night()
    assert each.state is not None
    reason = " ".join(f"s-{number:017x}: no capacity;" for number in range(80))
    each.state.waves[23].status_reason = reason
    first = drawn(each, now=START + 1200, footer=[KEY_LINE])
    assert "… (w shows the rest)" in first
    assert "to decide (until" in first
    assert first.endswith(KEY_LINE)
    pages = []
    for number in range(1, 15):
        each.page = number
        text = drawn(each, now=START + 1200, footer=[KEY_LINE])
        if each.page:
            pages.append(text.split(" WAVES, page ")[1].split("\n", 1)[1].removesuffix(KEY_LINE))
    assert reason in " ".join(" ".join(pages).split())


def test_waves_that_were_skipped_for_one_reason_are_named_together() -> None:
    state = begin(plan_of({"A": [], "B": ["A"], "C": ["A"], "D": []}))
    put(state, "A", WaveStatus.FAILED, REASON, start=START, end=START)
    for name in ("B", "C"):
        put(state, name, WaveStatus.SKIPPED, "Skipped because A FAILED")
    optional = put(state, "D", WaveStatus.PARTIAL, "s-1: no capacity", launched=1, start=START)
    optional.end_time = state.end_time = START + 60
    state.status = PlanStatus.FAILED
    words = " ".join(drawn(watched(state)).split())
    assert f"✗ FAILED A 0/2 up 0:00 {REASON}" in words
    assert "↷ SKIPPED B, C: Skipped because A FAILED" in words
    assert "◐ PARTIAL D 1/2 up 1:00 s-1: no capacity" in words
    assert "NEEDS AN OPERATOR" not in words


def test_a_question_is_never_cut() -> None:
    question = ["Skip which wave? " + "1 Database, " * 40, "> _"]
    text = drawn(night(), now=START + 1200, footer=question)
    assert text.endswith("> _")
    assert len(text.splitlines()) <= 24
    assert "Line of business application 24" in text


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
    each.seen_time, each.unreachable_since, each.who = START + 60, START + 65, "A worker"
    each.error = "No worker answers on task queue 'drs-waves'. Start one with `drs-waves worker`"
    text = drawn(each)
    assert text.startswith(" LAST KNOWN STATE, of 20")
    assert "IN_PROGRESS · 1:00 elapsed" in text
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
