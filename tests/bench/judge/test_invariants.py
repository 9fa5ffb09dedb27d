"""The invariants accept a correct drill and report each violation."""

import pytest

from bench.chaos.judge.drill_record import DrillRecord, EarlierExecution, PlanLedger, SentMessage
from bench.chaos.judge.invariants import check, check_cleaned_up
from bench.chaos.judge.launch_checks import check_order
from recovery.execution.server import LaunchStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import OperatorDecision, WaveAttempt, WaveStatus
from recovery.plan.model import OnFailure
from tests.bench.judge.drill_builder import (
    APP,
    DATABASE,
    EXECUTION_ID,
    REPLICA,
    DrillBuilder,
    completed_drill,
    failed_drill,
    instance_id,
)

LATER = "crm-2"


def violation(drill: DrillBuilder) -> str:
    """Return the only violation of a drill."""
    found = check(drill.build())
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("drill", [completed_drill(), failed_drill()], ids=["completed", "failed"])
def test_a_correct_drill_passes(drill: DrillBuilder) -> None:
    assert check(drill.build()) == []


# Launched once


def test_a_launch_that_was_accepted_twice_is_reported() -> None:
    drill = completed_drill()
    drill.accept("database", REPLICA, at=1001.5, job_id="drsjob-9", ended=1006.0)
    found = check(drill.build())
    assert f"the launch {EXECUTION_ID}/database/1/0 was accepted 2 times" in found
    assert any(f"{REPLICA} was launched twice in attempt 1" in each for each in found)


def test_a_server_that_was_launched_again_although_it_was_up_is_reported() -> None:
    drill = completed_drill()
    drill.accept("app", APP, at=1020.0, job_id="drsjob-9", attempt=2)
    assert any("had not failed before" in each for each in check(drill.build()))


def test_a_server_that_was_launched_again_before_its_failure_was_known_is_reported() -> None:
    drill = failed_drill()
    drill.accept("database", DATABASE, at=1005.0, job_id="drsjob-9", attempt=2)
    assert any("had not failed before" in each for each in check(drill.build()))


def test_a_failed_server_may_be_launched_again_in_a_retry() -> None:
    drill = completed_drill()
    drill.ledger["Jobs"][1]["Servers"][0]["FinalStatus"] = "FAILED"
    drill.accept("app", APP, at=1020.0, job_id="drsjob-3", attempt=2, ended=1025.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-3", start=1020.0, end=1025.0)
    drill.wave("app").attempt = 2
    assert check(drill.build()) == []


def test_a_job_that_carries_no_launch_id_of_ours_is_reported() -> None:
    drill = completed_drill()
    drill.ledger["Events"][1]["Tags"] = {}
    assert any("a job of another execution" in each for each in check(drill.build()))


# Order


def test_a_wave_that_was_launched_before_its_dependency_was_up_is_reported() -> None:
    drill = completed_drill()
    drill.ledger["Jobs"][0]["Servers"][0]["FinalTime"] = 1007.5
    drill.server(DATABASE).end_time = drill.wave("database").end_time = 1007.5
    assert "app was launched at 1007.000, before database was up" in violation(drill)


def test_a_wave_that_was_launched_although_its_dependency_failed_is_reported() -> None:
    drill = failed_drill()
    drill.accept("app", APP, at=1007.0, job_id="drsjob-2", ended=1012.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-2", start=1007.0, end=1012.0)
    assert "before database was up, without a decision" in violation(drill)


def launched_without_database() -> DrillBuilder:
    """Database failed, but App was launched."""
    drill = failed_drill()
    drill.accept("app", APP, at=1010.0, job_id="drsjob-2", ended=1012.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-2", start=1010.0, end=1012.0)
    drill.wave("app").caused_by = []
    return drill


def test_the_policy_continue_allows_it() -> None:
    drill = launched_without_database()
    drill.on_failure("database", OnFailure.CONTINUE)
    assert check(drill.build()) == []


def test_the_policy_continue_does_not_allow_it_before_the_failure() -> None:
    drill = launched_without_database()
    drill.on_failure("database", OnFailure.CONTINUE)
    drill.ledger["Jobs"][0]["Servers"][0]["FinalTime"] = 1011.0
    assert "before database was up" in violation(drill)


def test_the_policy_continue_allows_it_though_a_retry_has_begun() -> None:
    drill = launched_without_database()
    drill.on_failure("database", OnFailure.CONTINUE)
    drill.accept("database", DATABASE, at=1009.0, job_id="drsjob-3", attempt=2, ended=1015.0)
    database = drill.wave("database")
    database.status, database.attempt, database.end_time = WaveStatus.COMPLETED, 2, 1015.0
    server = drill.server(DATABASE)
    server.launch_status, server.recovery_job_id = LaunchStatus.LAUNCHED, "drsjob-3"
    server.recovery_instance_id, server.end_time = instance_id(DATABASE, "drsjob-3"), 1015.0
    drill.state.status, drill.closed = PlanStatus.COMPLETED, "COMPLETED"
    assert check(drill.build()) == []


@pytest.mark.parametrize(("at", "allowed"), [(1009.0, True), (1011.0, False)])
def test_the_policy_continue_allows_it_after_a_failure_before_any_launch(
    at: float, allowed: bool
) -> None:
    drill = DrillBuilder()
    drill.on_failure("database", OnFailure.CONTINUE)
    drill.accept("database", DATABASE, REPLICA, at=1010.0, job_id="drsjob-1", attempt=2, ended=1015)
    drill.record("database", WaveStatus.COMPLETED, job_id="drsjob-1", start=1010.0, end=1015.0)
    failed = WaveAttempt(number=1, status=WaveStatus.FAILED, end_time=at)
    drill.wave("database").attempt, drill.wave("database").past_attempts = 2, [failed]
    drill.accept("app", APP, at=1010.0, job_id="drsjob-2", ended=1012.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-2", start=1010.0, end=1012.0)
    drill.state.status, drill.state.end_time = PlanStatus.COMPLETED, 1016.0
    assert (list(check_order(drill.build())) == []) is allowed


@pytest.mark.parametrize(("at", "allowed"), [(1009.0, True), (1011.0, False)])
def test_an_acceptance_allows_it_from_its_time_on(at: float, allowed: bool) -> None:
    drill = launched_without_database()
    drill.message("accept_wave", "database", at=at)
    assert (check(drill.build()) == []) is allowed


def test_a_rejected_acceptance_allows_nothing() -> None:
    drill = launched_without_database()
    drill.message("accept_wave", "database", at=1009.0, accepted=False)
    assert "before database was up" in violation(drill)


@pytest.mark.parametrize(("at", "allowed"), [(1002.0, True), (1011.0, False)])
def test_a_skipped_dependency_does_not_block_from_its_time_on(at: float, allowed: bool) -> None:
    drill = DrillBuilder()
    drill.accept("app", APP, at=1010.0, job_id="drsjob-2", ended=1012.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-2", start=1010.0, end=1012.0)
    database = drill.wave("database")
    database.status = WaveStatus.SKIPPED
    database.decisions.skipped_by = OperatorDecision(actor="test", time=at)
    drill.state.status, drill.state.end_time = PlanStatus.PARTIAL, 1013.0
    assert (check(drill.build()) == []) is allowed


def test_a_failed_optional_server_does_not_block_dependents() -> None:
    drill = completed_drill()
    drill.ledger["Jobs"][0]["Servers"][1]["FinalStatus"] = "FAILED"
    drill.remove_instances(REPLICA)
    drill.record_failure(REPLICA)
    drill.wave("database").status = WaveStatus.PARTIAL
    drill.state.status = PlanStatus.PARTIAL
    assert check(drill.build()) == []


def test_a_later_execution_may_launch_a_failed_optional_server_again() -> None:
    drill = completed_drill()
    drill.ledger["Jobs"][0]["Servers"][1]["FinalStatus"] = "FAILED"
    later = f"{LATER}/database/1/0"
    drill.accept("database", REPLICA, at=1020.0, job_id="drsjob-3", launch_id=later)
    drill.server(REPLICA).recovery_job_id = "drsjob-3"
    drill.server(REPLICA).recovery_instance_id = instance_id(REPLICA, "drsjob-3")
    drill.server(REPLICA).end_time = 1025.0
    drill.wave("database").start_time, drill.wave("database").end_time = 1020.0, 1025.0
    earlier = EarlierExecution(drill.state.model_copy(), "COMPLETED", 1013.0)
    drill.state.execution_id = LATER
    record = drill.build()
    record.earlier.append(earlier)
    assert check(record) == []


def relaunched_replica(*, app_by: str) -> DrillRecord:
    """A later execution launches the replica at 1020; App is launched again while that runs."""
    drill = completed_drill()
    drill.ledger["Jobs"][0]["Servers"][1]["FinalStatus"] = "FAILED"
    drill.ledger["Jobs"][1]["Servers"][0]["FinalStatus"] = "FAILED"
    later = f"{LATER}/database/1/0"
    drill.accept("database", REPLICA, at=1020.0, job_id="drsjob-3", launch_id=later)
    drill.accept("app", APP, at=1021.0, job_id="drsjob-4", launch_id=f"{app_by}/app/2/0")
    earlier = EarlierExecution(drill.state.model_copy(), "TERMINATED", 1013.0)
    drill.state.execution_id = LATER
    record = drill.build()
    record.earlier.append(earlier)
    return record


def test_a_queued_launch_of_a_terminated_execution_does_not_wait_for_the_later_one() -> None:
    assert list(check_order(relaunched_replica(app_by=EXECUTION_ID))) == []


def test_a_later_execution_waits_for_the_servers_that_it_launches_again() -> None:
    (found,) = check_order(relaunched_replica(app_by=LATER))
    assert found.startswith("app was launched at 1021.000, before database was up")


# Waves and servers


def test_a_wave_recorded_completed_whose_server_is_not_up_is_reported() -> None:
    drill = completed_drill()
    drill.remove_instances(APP)
    assert f"app is recorded COMPLETED, but it is FAILED (not up: {APP})" in violation(drill)


def test_a_wave_recorded_completed_whose_optional_server_failed_is_reported() -> None:
    drill = completed_drill()
    drill.remove_instances(REPLICA)
    assert "database is recorded COMPLETED, but it is PARTIAL" in violation(drill)


def test_a_wave_recorded_partial_whose_critical_server_failed_is_reported() -> None:
    drill = failed_drill()
    drill.wave("database").status = WaveStatus.PARTIAL
    found = check(drill.build())
    assert any("database is recorded PARTIAL, but it is FAILED" in each for each in found)


def test_a_wave_recorded_failed_that_is_up_is_reported() -> None:
    drill = completed_drill()
    drill.wave("app").status = WaveStatus.FAILED
    found = check(drill.build())
    assert any("app is recorded FAILED, but it is COMPLETED" in each for each in found)


def test_a_wave_that_never_settled_is_reported() -> None:
    drill = completed_drill()
    drill.wave("app").status = WaveStatus.IN_PROGRESS
    assert violation(drill) == "app is still IN_PROGRESS"


def test_a_skipped_wave_that_was_launched_is_reported() -> None:
    drill = failed_drill()
    drill.on_failure("database", OnFailure.CONTINUE)
    drill.accept("app", APP, at=1010.0, job_id="drsjob-2")
    found = check(drill.build())
    assert "app is SKIPPED but drsjob-2 launched it" in found


def test_a_server_recorded_up_that_failed_is_reported() -> None:
    drill = failed_drill()
    drill.server(DATABASE).launch_status = LaunchStatus.LAUNCHED
    assert f"{DATABASE} is recorded LAUNCHED, but drsjob-1 left it FAILED" in check(drill.build())


def test_a_server_recorded_failed_that_is_up_is_reported() -> None:
    drill = completed_drill()
    drill.record_failure(REPLICA)
    assert violation(drill) == f"{REPLICA} is recorded FAILED, but drsjob-1 left it LAUNCHED"


def test_a_server_recorded_up_that_aws_never_launched_is_reported() -> None:
    drill = failed_drill()
    drill.server(APP).launch_status = LaunchStatus.LAUNCHED
    assert violation(drill) == f"{APP} is recorded LAUNCHED, but AWS never launched it"


def test_a_retry_that_was_cancelled_before_its_launch_has_no_job() -> None:
    drill = failed_drill()
    failed = drill.server(DATABASE)
    failed.recovery_job_id, failed.reason, failed.end_time = None, None, None
    failed.launch_status = LaunchStatus.PENDING
    wave = drill.state.waves[0]
    wave.status, wave.attempt = WaveStatus.CANCELLED, 2
    assert not [each for each in check(drill.build()) if DATABASE in each]
    wave.attempt = 1
    assert "is recorded with job None" in next(v for v in check(drill.build()) if DATABASE in v)


def test_a_job_that_was_accepted_and_is_not_recorded_is_reported() -> None:
    drill = completed_drill()
    drill.server(APP).recovery_job_id = None
    assert "is recorded with job None, its last is drsjob-2" in violation(drill)


def test_an_instance_that_is_another_jobs_is_reported() -> None:
    drill = completed_drill()
    drill.server(APP).recovery_instance_id = instance_id(APP, "drsjob-1")
    assert "is recorded with instance" in violation(drill)


# Times


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_start_that_is_not_the_acceptance_is_reported(shift: float) -> None:
    drill = completed_drill()
    drill.wave("app").start_time = 1007.0 + shift
    assert "launched at 1007.000" in violation(drill)


def test_a_launched_wave_without_a_start_is_reported() -> None:
    drill = completed_drill()
    drill.wave("app").start_time = None
    assert violation(drill) == "app has no StartTime, but was launched at 1007.000"


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_server_that_came_up_at_another_time_is_reported(shift: float) -> None:
    drill = completed_drill()
    drill.server(REPLICA).end_time = 1006.0 + shift
    assert "but was launched at 1006.000" in violation(drill)


def test_a_wave_whose_recorded_end_is_too_early_is_reported() -> None:
    drill = completed_drill()
    drill.wave("app").end_time = 1011.0
    assert "app has EndTime 1011.000, its last server ended at 1012.000" in violation(drill)


# Outcome


@pytest.mark.parametrize("status", [PlanStatus.PARTIAL, PlanStatus.FAILED, PlanStatus.CANCELLED])
def test_a_completed_drill_with_another_status_is_reported(status: PlanStatus) -> None:
    drill = completed_drill()
    drill.state.status = status
    found = check(drill.build())
    assert any(f"the execution is {status}, not COMPLETED" in each for each in found)


def test_a_failed_drill_that_is_called_completed_is_reported() -> None:
    drill = failed_drill()
    drill.state.status, drill.closed = PlanStatus.COMPLETED, "COMPLETED"
    assert "the execution is COMPLETED, not FAILED" in violation(drill)


def test_a_cancelled_drill_must_be_called_cancelled() -> None:
    drill = completed_drill()
    drill.message("cancel", None, at=1012.5)
    assert "the execution is COMPLETED, not CANCELLED" in violation(drill)


def test_an_accepted_failure_makes_a_drill_partial() -> None:
    drill = launched_without_database()
    drill.message("accept_wave", "database", at=1009.0)
    drill.wave("database").decisions.accepted_by = OperatorDecision(actor="test", time=1009.0)
    assert "the execution is FAILED, not PARTIAL" in violation(drill)
    drill.state.status, drill.closed = PlanStatus.PARTIAL, "COMPLETED"
    assert check(drill.build()) == []


def test_a_wave_that_arrived_late_leaves_the_plan_completed_or_failed() -> None:
    drill = completed_drill()
    drill.wave("app").late = True
    assert check(drill.build()) == []
    drill.state.status, drill.closed = PlanStatus.FAILED, "FAILED"
    assert check(drill.build()) == []
    drill.state.status, drill.closed = PlanStatus.PARTIAL, "COMPLETED"
    assert "not COMPLETED or FAILED" in violation(drill)


def test_an_execution_without_an_end_is_reported() -> None:
    drill = completed_drill()
    drill.state.end_time = None
    assert "has no recorded end" in violation(drill)


@pytest.mark.parametrize("closed", ["FAILED", "CANCELED", "TERMINATED", "RUNNING"])
def test_a_workflow_that_closed_with_another_status_is_reported(closed: str) -> None:
    drill = completed_drill()
    drill.closed = closed
    assert violation(drill) == f"the execution is COMPLETED, but its workflow closed as {closed}"


# Messages


def test_a_message_that_was_rejected_and_is_recorded_as_accepted_is_reported() -> None:
    drill = completed_drill()
    drill.sent.append(SentMessage("pause", "message 1", accepted=False))
    drill.message("pause", None, at=1003.0, accepted=True, reason="message 1")
    assert violation(drill).endswith("was rejected, but the history has it accepted")


def test_a_message_that_is_recorded_with_another_answer_is_reported() -> None:
    drill = completed_drill()
    drill.sent.append(SentMessage("pause", "message 1", accepted=True))
    drill.message("pause", None, at=1003.0, accepted=False, reason="message 1")
    assert violation(drill).endswith("was accepted, but the history does not say so")


def test_messages_that_are_recorded_as_answered_or_were_not_answered_pass() -> None:
    drill = completed_drill()
    drill.sent += [
        SentMessage("pause", "message 1", accepted=True),
        SentMessage("resume", "message 2", accepted=None),
    ]
    drill.message("pause", None, at=1003.0, reason="message 1")
    assert check(drill.build()) == []


# Clean-up


def test_instances_after_the_clean_up_are_reported() -> None:
    drill = completed_drill()
    for server_id in (DATABASE, REPLICA):
        drill.remove_instances(server_id)
    left = check_cleaned_up(PlanLedger.read(drill.ledger, drill.plan))
    assert left == [f"{instance_id(APP, 'drsjob-2')} of {APP} exists after the clean-up"]
    drill.remove_instances(APP)
    assert check_cleaned_up(PlanLedger.read(drill.ledger, drill.plan)) == []
