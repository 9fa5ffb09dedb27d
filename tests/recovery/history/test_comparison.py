"""What of the history differs from what Temporal knows, and what is written to put it right."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.execution.server import LaunchStatus, Verified
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaveState, WaveStatus
from recovery.history.comparison import (
    HEADER,
    PLAN,
    DifferenceKind,
    Entry,
    TemporalState,
    compare,
    decisions_item,
    message_item,
    repair_record,
    wave_item,
)
from recovery.history.record import HistoryRecord
from tests.recovery.plans import diamond

NOW = 1_732_323_600.0
ACT = OperatorDecision(actor="ops", time=NOW)


def message(number: int) -> MessageRecord:
    return MessageRecord(
        name="pause", actor="ops", time=NOW + number, accepted=True, effect="Paused"
    )


def temporal_state(*, is_closed: bool = True, messages: int = 1) -> TemporalState:
    """An execution of a diamond that has ended; its Web wave was skipped by an operator."""
    plan = diamond()
    state = ExecutionState.begin(
        plan,
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops@host",
        now=NOW,
    )
    state.revision, state.status, state.end_time = 900, PlanStatus.PARTIAL, NOW + 900
    for number, wave in enumerate(state.waves):
        wave.revision, wave.status, wave.attempt = 100 + number, WaveStatus.COMPLETED, 1
        wave.has_workflow, wave.start_time = True, NOW + 10 * number
        wave.servers = [
            s.model_copy(update={"launch_status": LaunchStatus.LAUNCHED, "verified": Verified.YES})
            for s in wave.servers
        ]
    web = state.waves[-1]
    web.status, web.attempt, web.has_workflow = WaveStatus.SKIPPED, 0, False
    web.decisions = Decisions(skipped_by=ACT)
    state.messages = [message(n) for n in range(messages)]
    own = {w.wave_id: w.model_copy(deep=True) for w in state.waves if w.attempt}
    for wave in own.values():
        wave.has_workflow = False
    return TemporalState(state=state, plan=plan, waves=own, is_closed=is_closed)


def held(record: HistoryRecord) -> dict[str, Entry]:
    """What a history holds that nothing but this record was written to."""
    entries = {wave_item(w.wave_id): Entry.of_wave(w) for w in record.waves}
    entries |= {
        decisions_item(wave_id): Entry.of_decisions(d, record.decisions_revision)
        for wave_id, d in record.decisions.items()
    }
    entries |= {message_item(n): Entry.of_message(m) for n, m in record.messages.items()}
    if record.execution is not None:
        entries[HEADER] = Entry.of_execution(record.execution)
    if record.plan is not None:
        entries[PLAN] = Entry.of_plan(record.plan)
    return entries


def every_item(of: TemporalState) -> list[str]:
    waves = [wave.wave_id for wave in of.state.waves]
    return [
        HEADER,
        PLAN,
        *map(wave_item, waves),
        *map(decisions_item, waves),
        *map(message_item, range(len(of.state.messages))),
    ]


def whole(of: TemporalState) -> dict[str, Entry]:
    return held(repair_record(of, every_item(of)))


NEEDED = [HEADER, PLAN, *map(wave_item, ("db", "app1", "app2", "web")),
          decisions_item("web"), message_item(0)]  # fmt: skip


def differences(of: TemporalState, items: dict[str, Entry]) -> list[tuple[str, DifferenceKind]]:
    return [(each.item, each.kind) for each in compare(of, items)]


def test_a_history_that_has_everything_agrees() -> None:
    assert compare(temporal_state(), whole(temporal_state())) == []


@given(st.sets(st.sampled_from(NEEDED)))
def test_exactly_the_items_that_are_gone_are_missing(gone: set[str]) -> None:
    items = {item: entry for item, entry in whole(temporal_state()).items() if item not in gone}
    assert differences(temporal_state(), items) == [
        (item, DifferenceKind.MISSING) for item in NEEDED if item in gone
    ]


@given(
    st.dictionaries(
        st.sampled_from(NEEDED), st.sampled_from(["gone", "older", "altered", "unreadable"])
    )
)
def test_writing_what_was_found_leaves_nothing_that_differs(wrong: dict[str, str]) -> None:
    items = whole(temporal_state())
    for item, how in wrong.items():
        spoil(items, item, how)
    found = compare(temporal_state(), items)
    assert {each.item for each in found} == set(wrong)
    assert all(each.can_be_repaired and not each.is_settled for each in found)
    items |= held(repair_record(temporal_state(), [each.item for each in found]))
    assert compare(temporal_state(), items) == []


def spoil(items: dict[str, Entry], item: str, how: str) -> None:
    entry = items[item]
    match how:
        case "gone":
            del items[item]
        case "unreadable":
            items[item] = entry.model_copy(update={"content": None})
        case _:
            content = (entry.content or {}) | {"Status": "something else"}
            revision = entry.revision - (how == "older")
            items[item] = Entry(revision=revision, content=content)


@pytest.mark.parametrize("item", NEEDED)
def test_an_altered_item_is_distinguished_from_an_outdated_one(item: str) -> None:
    for how, kind in (("altered", DifferenceKind.ALTERED), ("older", DifferenceKind.OUTDATED)):
        items = whole(temporal_state())
        spoil(items, item, how)
        assert differences(temporal_state(), items) == [(item, kind)]


def test_a_difference_shows_both_sides() -> None:
    items = whole(temporal_state())
    db = (
        temporal_state()
        .state.waves[0]
        .model_copy(update={"status": WaveStatus.FAILED, "status_reason": "tampered"})
    )
    items[wave_item("db")] = Entry.of_wave(db)
    (found,) = compare(temporal_state(), items)
    assert found.temporal == 'Status COMPLETED, StatusReason ""'
    assert found.dynamodb == "Status FAILED, StatusReason tampered"


def newer(wave: WaveState) -> Entry:
    return Entry.of_wave(wave.model_copy(update={"revision": wave.revision + 1, "late": True}))


def test_a_wave_that_is_still_observed_may_be_newer_in_the_history_and_is_left() -> None:
    known = temporal_state()
    known.waves["db"].servers[0].verified = Verified.UNKNOWN
    items = whole(known) | {wave_item("db"): newer(known.waves["db"])}
    (found,) = compare(known, items)
    assert (found.kind, found.can_be_repaired) == (DifferenceKind.NEWER, False)
    assert found.is_settled


def test_a_wave_whose_workflow_is_deleted_may_be_newer_in_the_history() -> None:
    known = temporal_state()
    items = whole(known) | {wave_item("db"): newer(known.waves.pop("db"))}
    assert [each.is_settled for each in compare(known, items)] == [True]


@pytest.mark.parametrize("item", [HEADER, wave_item("db"), message_item(0)])
def test_what_is_newer_than_a_closed_execution_can_be_is_left_and_stays_a_difference(
    item: str,
) -> None:
    items = whole(temporal_state())
    entry = items[item]
    items[item] = Entry(revision=entry.revision + 1, content={"Status": "forged"})
    (found,) = compare(temporal_state(), items)
    assert (found.kind, found.can_be_repaired) == (DifferenceKind.NEWER, False)
    assert not found.is_settled


def test_while_an_execution_runs_its_history_may_be_ahead_of_what_was_asked() -> None:
    known = temporal_state(is_closed=False)
    ahead = held(repair_record(temporal_state(messages=2), every_item(temporal_state(messages=2))))
    ahead[HEADER] = Entry(revision=901, content={"Status": "COMPLETED"})
    found = compare(known, ahead)
    assert [(each.item, each.kind) for each in found] == [
        (HEADER, DifferenceKind.NEWER),
        (message_item(1), DifferenceKind.UNKNOWN),
    ]
    assert all(each.is_settled for each in found)


def test_an_item_that_temporal_lacks_is_reported_and_not_changed() -> None:
    items = whole(temporal_state()) | {message_item(7): Entry.of_message(message(7))}
    (found,) = compare(temporal_state(), items)
    assert (found.item, found.kind) == (message_item(7), DifferenceKind.UNKNOWN)
    assert not found.can_be_repaired
    assert not found.is_settled


def test_a_waves_own_state_counts_once_it_is_newer_than_its_plans() -> None:
    known = temporal_state()
    late = known.waves["db"] = known.waves["db"].model_copy(update={"revision": 500, "late": True})
    assert differences(known, whole(temporal_state())) == [
        (wave_item("db"), DifferenceKind.OUTDATED)
    ]
    assert repair_record(known, [wave_item("db")]).waves == [late]


def test_at_one_revision_either_workflow_may_have_written_a_wave() -> None:
    known = temporal_state()
    known.waves["db"].status_reason = "2 of 2 launched"
    by_plan, by_wave = known.state.waves[0], known.waves["db"]
    for written in (by_plan, by_wave):
        assert compare(known, whole(known) | {wave_item("db"): Entry.of_wave(written)}) == []


def test_a_wave_that_only_waited_need_not_be_recorded() -> None:
    known = temporal_state(is_closed=False)
    web = known.state.waves[-1]
    web.status, web.decisions = WaveStatus.WAITING, Decisions()
    items = whole(known)
    for item in (wave_item("web"), decisions_item("web")):
        del items[item]
    assert compare(known, items) == []


def test_nothing_is_missing_of_a_recovery_that_was_refused_before_its_start() -> None:
    refused = temporal_state(messages=0)
    refused.state.end_time = None
    for wave in refused.state.waves:
        wave.attempt = 0
    assert compare(refused, {}) == []
    assert compare(refused.model_copy(update={"is_closed": False}), {}) != []


def test_a_repair_record_has_only_the_requested_items() -> None:
    items: Iterable[str] = [wave_item("app1"), message_item(0)]
    assert set(held(repair_record(temporal_state(), items))) == set(items)
