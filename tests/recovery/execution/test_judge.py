"""What an execution knows: how waves and plans are judged, and its JSON."""

import json
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.base_model import Model
from recovery.execution.judge import judge_plan, judge_wave, outcome_if_accepted
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import OperatorDecision, WaveState, WaveStatus
from recovery.plan.fields import Impact
from tests.recovery.plans import diamond, server_id

ModelT = TypeVar("ModelT", bound=Model)


def up(number: int, *, at: float = 100.0, verified: Verified = Verified.YES) -> ServerResult:
    return ServerResult(
        source_server_id=server_id(number),
        launch_status=LaunchStatus.LAUNCHED,
        verified=verified,
        launch_time=at,
        end_time=at,
    )


def failed(number: int, *, at: float = 100.0, impact: Impact = Impact.CRITICAL) -> ServerResult:
    return ServerResult(source_server_id=server_id(number), impact=impact).failed("broke", at=at)


def made(model: type[ModelT], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[ModelT]:
    """Models with these fields; `builds` would add required ones by their JSON names too."""
    return st.fixed_dictionaries(fields).map(lambda drawn: model(**drawn))


def wave(
    status: WaveStatus, *, name: str = "Database", caused_by: list[str] | None = None
) -> WaveState:
    return WaveState(wave_id=name.lower(), wave_name=name, status=status, caused_by=caused_by or [])


# A wave


def test_a_wave_whose_servers_are_all_up_is_complete_when_its_last_server_is() -> None:
    verdict = judge_wave([up(1, at=300.0), up(2, at=900.5), up(3, at=20.0)])
    assert verdict.status is WaveStatus.COMPLETED
    assert verdict.end_time == 900.5
    assert verdict.reason == "every server is launched"


@pytest.mark.parametrize("status", [LaunchStatus.PENDING, LaunchStatus.IN_PROGRESS])
def test_a_wave_is_in_progress_while_one_server_is_neither_up_nor_failed(
    status: LaunchStatus,
) -> None:
    open_ = ServerResult(source_server_id=server_id(2), launch_status=status)
    verdict = judge_wave([up(1), open_, failed(3)])
    assert verdict.status is WaveStatus.IN_PROGRESS
    assert verdict.end_time is None
    assert verdict.reason == ""


def test_a_launched_server_whose_instance_was_not_looked_up_holds_its_wave_open() -> None:
    unlooked = up(1).model_copy(update={"verified": None})
    assert judge_wave([unlooked, up(2)]).status is WaveStatus.IN_PROGRESS


def test_an_unknown_lookup_does_not_delay_a_wave_but_is_reported() -> None:
    verdict = judge_wave([up(1), up(2, verified=Verified.UNKNOWN)])
    assert verdict.status is WaveStatus.COMPLETED
    assert verdict.reason == "every server is launched, 1 not verified"


def test_one_failed_critical_server_fails_its_wave_with_its_name_and_reason() -> None:
    verdict = judge_wave([up(1), failed(2, impact=Impact.OPTIONAL), failed(3, at=700.0)])
    assert verdict.status is WaveStatus.FAILED
    assert verdict.reason == f"{server_id(2)}, {server_id(3)}: broke"
    assert verdict.end_time == 700.0


def test_a_wave_is_partial_when_only_optional_servers_failed() -> None:
    verdict = judge_wave([up(1), failed(2, impact=Impact.OPTIONAL)])
    assert verdict.status is WaveStatus.PARTIAL
    assert server_id(2) in verdict.reason


def test_a_failed_server_without_a_reason_is_still_named() -> None:
    silent = failed(1).model_copy(update={"reason": None})
    assert judge_wave([silent]).reason.endswith(f"{server_id(1)}: FAILED")


def test_many_failures_are_counted_rather_than_listed() -> None:
    reason = judge_wave([failed(n) for n in range(8)]).reason
    assert (reason.count("broke"), reason.count("s-")) == (1, 5)
    assert reason.endswith("and 3 more")


_results = made(
    ServerResult,
    source_server_id=st.just(server_id(1)),
    impact=st.sampled_from(Impact),
    launch_status=st.sampled_from(LaunchStatus),
    verified=st.none() | st.sampled_from(Verified),
    end_time=st.none() | st.floats(0, 1e10),
)


@given(st.lists(_results, min_size=1, max_size=8))
def test_a_wave_is_complete_only_if_every_server_is_launched(servers: list[ServerResult]) -> None:
    verdict = judge_wave(servers)
    launched = [s.launch_status is LaunchStatus.LAUNCHED for s in servers]
    if verdict.status is WaveStatus.COMPLETED:
        assert all(launched)
    if verdict.status is WaveStatus.PARTIAL:
        assert all(s.impact is Impact.OPTIONAL for s, u in zip(servers, launched, strict=True)
                   if not u)  # fmt: skip
    assert verdict.status.is_settled == all(s.is_final for s in servers)


@pytest.mark.parametrize(
    ("status", "is_settled", "satisfies"),
    [
        (WaveStatus.PENDING, False, False),
        (WaveStatus.WAITING, False, False),
        (WaveStatus.IN_PROGRESS, False, False),
        (WaveStatus.COMPLETED, True, True),
        (WaveStatus.PARTIAL, True, True),
        (WaveStatus.FAILED, True, False),
        (WaveStatus.TIMED_OUT, True, False),
        (WaveStatus.SKIPPED, True, False),
        (WaveStatus.CANCELLED, True, False),
    ],
)
def test_dependents_start_only_after_a_complete_or_partial_wave(
    status: WaveStatus, is_settled: bool, satisfies: bool
) -> None:
    assert (status.is_settled, status.satisfies) == (is_settled, satisfies)


def test_a_waves_changed_servers_replace_only_their_own_results_and_keep_their_order() -> None:
    state = WaveState(wave_id="db", wave_name="Database", servers=[up(1), up(2), up(3)])
    state.merge_servers([failed(3), failed(1), failed(99)])
    assert [s.source_server_id for s in state.servers] == [server_id(n) for n in (1, 2, 3)]
    assert [s.launch_status for s in state.servers] == [
        LaunchStatus.FAILED,
        LaunchStatus.LAUNCHED,
        LaunchStatus.FAILED,
    ]


def test_a_waves_duration_counts_from_acceptance_to_its_last_server() -> None:
    state = WaveState(wave_id="db", wave_name="Database", start_time=1000.25)
    state.ended(WaveStatus.COMPLETED, "2 of 2 launched", at=1533.5)
    assert (state.status, state.end_time) == (WaveStatus.COMPLETED, 1533.5)
    assert state.completion_duration == 533.25


def test_a_wave_that_drs_never_accepted_has_no_duration() -> None:
    state = WaveState(wave_id="db", wave_name="Database")
    state.ended(WaveStatus.FAILED, "refused", at=1533.5)
    assert state.completion_duration is None


def test_clocks_that_disagree_never_make_a_negative_duration() -> None:
    state = WaveState(wave_id="db", wave_name="Database", start_time=1000.0)
    state.ended(WaveStatus.FAILED, "failed at once", at=999.0)
    assert not state.completion_duration


def test_a_clock_that_is_behind_keeps_the_acceptance() -> None:
    state = WaveState(wave_id="db", wave_name="Database", start_time=1000.5)
    state.ended(WaveStatus.CANCELLED, "Cancelled; still running: drsjob-1", at=1000.0)
    assert state.start_time == 1000.5


def test_the_jobs_of_a_wave_are_named_once_each() -> None:
    servers = [
        ServerResult(source_server_id=server_id(n), recovery_job_id=job)
        for n, job in enumerate(["drsjob-b", "drsjob-a", "drsjob-b", None])
    ]
    state = WaveState(wave_id="db", wave_name="Database", servers=servers)
    assert state.job_ids == ("drsjob-b", "drsjob-a")


# A plan


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (["COMPLETED", "COMPLETED"], PlanStatus.COMPLETED),
        (["COMPLETED", "PARTIAL"], PlanStatus.PARTIAL),
        (["COMPLETED", "CANCELLED"], PlanStatus.PARTIAL),
        (["COMPLETED", "FAILED"], PlanStatus.FAILED),
        (["COMPLETED", "TIMED_OUT"], PlanStatus.FAILED),
        (["PARTIAL", "FAILED"], PlanStatus.FAILED),
        (["CANCELLED", "TIMED_OUT"], PlanStatus.FAILED),
    ],
)
def test_a_plans_status_follows_from_its_worst_wave(
    statuses: list[str], outcome: PlanStatus
) -> None:
    waves = [wave(WaveStatus(s), name=f"W{n}") for n, s in enumerate(statuses)]
    assert judge_plan(waves, cancelled=False)[0] is outcome


@pytest.mark.parametrize("status", ["COMPLETED", "PARTIAL", "FAILED", "TIMED_OUT", "SKIPPED"])
def test_a_cancelled_plan_is_cancelled_however_its_waves_ended(status: str) -> None:
    outcome, reason = judge_plan([wave(WaveStatus(status))], cancelled=True)
    assert outcome is PlanStatus.CANCELLED
    assert status in reason


def test_a_wave_skipped_because_of_a_failure_fails_the_plan() -> None:
    lost = wave(WaveStatus.FAILED)
    skipped = wave(WaveStatus.SKIPPED, name="App", caused_by=["database"])
    status, reason = judge_plan([lost, skipped], cancelled=False)
    assert status is PlanStatus.FAILED
    assert "Database FAILED" in reason
    assert "1 SKIPPED" in reason


@pytest.mark.parametrize("status", [WaveStatus.FAILED, WaveStatus.TIMED_OUT])
def test_a_failed_wave_that_an_operator_accepted_leaves_the_plan_partial(
    status: WaveStatus,
) -> None:
    accepted = wave(status)
    by = OperatorDecision(actor="ops", time=0.0)
    accepted.decisions = accepted.decisions.model_copy(update={"accepted_by": by})
    assert judge_plan([accepted], cancelled=False)[0] is PlanStatus.PARTIAL
    other = wave(WaveStatus.FAILED, name="App")
    assert judge_plan([accepted, other], cancelled=False)[0] is PlanStatus.FAILED


def test_the_outcome_of_an_acceptance_is_forecast_by_what_judges_the_plan() -> None:
    state = ExecutionState.begin(
        diamond(), execution_id="crm-1", execution_type=ExecutionType.RECOVERY, started_by="", now=0
    )
    waves = {each.wave_id: each for each in state.waves}
    waves["db"].status = WaveStatus.FAILED
    for skipped in ("app1", "app2", "web"):
        waves[skipped].status, waves[skipped].caused_by = WaveStatus.SKIPPED, ["db"]
    assert outcome_if_accepted(state, "db") is PlanStatus.PARTIAL
    waves["app1"].status, waves["app1"].caused_by = WaveStatus.FAILED, []
    assert outcome_if_accepted(state, "db") is PlanStatus.FAILED
    assert waves["db"].decisions.accepted_by is None


def test_a_wave_skipped_for_another_reason_than_a_failure_leaves_the_plan_partial() -> None:
    cancelled = wave(WaveStatus.CANCELLED)
    skipped = wave(WaveStatus.SKIPPED, name="App", caused_by=["database"])
    by_operator = wave(WaveStatus.SKIPPED, name="Extra")
    outcome = judge_plan([cancelled, skipped, by_operator], cancelled=False)
    assert outcome[0] is PlanStatus.PARTIAL


# The JSON


def test_an_execution_is_rendered_as_documented() -> None:
    state = ExecutionState.begin(
        diamond(),
        execution_id="crm-1",
        execution_type=ExecutionType.DRILL,
        started_by="ops@host",
        now=1732323600.0,
    )
    database = state.waves[0]
    database.account_id, database.start_time, database.attempt = "123456789012", 1732323600.0, 1
    database.merge_servers([up(1, at=1732323890.125)])
    database.servers[0].recovery_job_id = "drsjob-1"
    database.servers[0].recovery_instance_id = "i-1"
    database.ended(WaveStatus.COMPLETED, "1 of 1 launched", at=1732323890.125)
    rendered = json.loads(state.model_dump_json())
    outcome = {"ExecutionId", "PlanId", "PlanName", "PlanHash", "ExecutionType", "Status",
            "StartedBy", "StartTime", "EndTime", "Waves"}  # fmt: skip
    assert outcome <= rendered.keys()
    assert (rendered["ExecutionId"], rendered["PlanId"]) == ("crm-1", "crm")
    assert (rendered["ExecutionType"], rendered["Status"]) == ("DRILL", "IN_PROGRESS")
    assert rendered["StartTime"] == 1732323600
    first = rendered["Waves"][0]
    expected = {
        "WaveId": "db",
        "Status": "COMPLETED",
        "StatusReason": "1 of 1 launched",
        "Attempt": 1,
        "AccountId": "123456789012",
        "Region": "us-west-2",
        "StartTime": 1732323600,
        "EndTime": 1732323890.125,
        "CompletionDuration": 290.125,
    }
    assert {key: first[key] for key in expected} == expected
    server = {
        "SourceServerId": server_id(1),
        "RecoveryJobId": "drsjob-1",
        "LaunchStatus": "LAUNCHED",
        "Verified": "YES",
        "RecoveryInstanceId": "i-1",
        "LaunchTime": 1732323890.125,
        "Reason": None,
    }
    assert {key: first["Servers"][0][key] for key in server} == server


_times = st.none() | st.floats(0, 1e11)
_reasons = st.text(st.characters(codec="utf-8"), max_size=20)
_servers = made(
    ServerResult,
    source_server_id=st.integers(0, 99).map(server_id),
    impact=st.sampled_from(Impact),
    launch_status=st.sampled_from(LaunchStatus),
    verified=st.none() | st.sampled_from(Verified),
    recovery_job_id=st.none() | _reasons,
    launch_time=_times,
    end_time=_times,
    reason=st.none() | _reasons,
)
_waves = made(
    WaveState,
    wave_id=st.sampled_from(["db", "app"]),
    wave_name=_reasons,
    status=st.sampled_from(WaveStatus),
    status_reason=_reasons,
    attempt=st.integers(0, 9),
    revision=st.integers(0, 2**53),
    start_time=_times,
    end_time=_times,
    completion_duration=_times,
    late=st.booleans(),
    caused_by=st.lists(_reasons, max_size=2),
    servers=st.lists(_servers, max_size=3),
)


@given(_waves)
def test_a_wave_comes_back_from_json_as_it_was(state: WaveState) -> None:
    assert WaveState.model_validate_json(state.model_dump_json()) == state
    assert WaveState.model_validate_json(state.model_dump_json(exclude_none=True)) == state


def test_an_execution_recorded_before_a_key_was_known_still_loads() -> None:
    old: dict[str, Any] = {
        "ExecutionId": "crm-1",
        "PlanId": "crm",
        "PlanName": "CRM",
        "PlanHash": "0",
        "ExecutionType": "DRILL",
        "StartedBy": "ops",
        "StartTime": 1732323600,
        "Waves": [
            {"WaveId": "db", "WaveName": "Database", "Servers": [{"SourceServerId": server_id(1)}]}
        ],
    }
    state = ExecutionState.model_validate(old)
    assert state.status is PlanStatus.IN_PROGRESS
    assert state.waves[0].status is WaveStatus.PENDING
    assert state.waves[0].servers[0].launch_status is LaunchStatus.PENDING
    assert state.waves[0].servers[0].verified is None
