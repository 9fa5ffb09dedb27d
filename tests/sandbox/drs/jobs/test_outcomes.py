"""Launch outcomes of the scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.drs.jobs.timeline import (
    CleanUp,
    LaunchBehavior,
    LaunchStatus,
    Outcome,
    launch_timeline,
)
from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of, offsets

if TYPE_CHECKING:
    from types_boto3_drs.type_defs import StartRecoveryRequestSourceServerTypeDef

DEAD: list[StartRecoveryRequestSourceServerTypeDef] = [
    {"sourceServerID": DATABASE, "recoverySnapshotID": "pit-00000000000000000"}
]


def scenario(keys: str) -> str:
    """Return a scenario with a database server of these keys and a plain web server."""
    return f"""
SourceServers:
  - {{SourceServerId: {DATABASE}, {keys}}}
  - {{SourceServerId: {WEB}}}
"""


def test_a_windows_server_boots_twenty_minutes() -> None:
    with LocalAws(scenario("Os: windows")) as aws:
        start = aws.now
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(2000)
        times = {(event, server): at for event, at, server in offsets(aws.log(job_id), start)}
        boot = times["LAUNCH_END", DATABASE] - times["LAUNCH_START", DATABASE]
        assert boot == pytest.approx(1200, rel=0.05)
        assert times["LAUNCH_END", WEB] == pytest.approx(529, rel=0.05)


def test_an_early_failure_ends_within_a_second_of_its_snapshot() -> None:
    with LocalAws(scenario("Outcome: failed-early")) as aws:
        start = aws.now
        job_id = aws.launch(DATABASE)
        aws.pass_time(2)
        assert aws.job(job_id)["status"] == "COMPLETED"
        assert aws.statuses(job_id) == ["FAILED"]
        log = offsets(aws.log(job_id), start)
        assert [event for event, _, _ in log] == [
            "JOB_START",
            "SNAPSHOT_START",
            "SNAPSHOT_END",
            "JOB_END",
        ]
        assert log[3][1] - log[2][1] < 1


def test_an_early_failure_does_not_stop_the_other_server() -> None:
    with LocalAws(scenario("Outcome: failed-early, RawError: no permission")) as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(600)
        assert aws.job(job_id)["status"] == "COMPLETED"
        assert aws.statuses(job_id) == ["FAILED", "LAUNCHED"]
        reasons = [line["eventData"].get("rawError") for line in aws.log(job_id)]
        assert "no permission" in reasons


def test_a_late_failure_comes_ten_minutes_after_the_others_with_its_reason() -> None:
    with LocalAws(scenario("Outcome: failed-late, RawError: UnauthorizedOperation")) as aws:
        start = aws.now
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(1000)
        assert aws.job(job_id)["status"] == "STARTED"
        assert aws.statuses(job_id) == ["IN_PROGRESS", "LAUNCHED"]
        aws.pass_time(200)
        assert aws.job(job_id)["status"] == "COMPLETED"
        assert aws.statuses(job_id) == ["FAILED", "LAUNCHED"]
        failed = next(line for line in aws.log(job_id) if line["event"] == "LAUNCH_FAILED")
        assert failed["eventData"]["rawError"] == "UnauthorizedOperation"
        assert offsets([failed], start)[0][1] == pytest.approx(1130, rel=0.05)
        assert aws.instances(DATABASE) == []


def test_a_late_failure_has_a_reason_by_default() -> None:
    with LocalAws(scenario("Outcome: failed-late")) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(2000)
        failed = next(line for line in aws.log(job_id) if line["event"] == "LAUNCH_FAILED")
        assert "instance" in failed["eventData"]["rawError"]


def test_a_stuck_server_never_leaves_conversion_and_its_job_never_ends() -> None:
    with LocalAws(scenario("Outcome: stuck")) as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(100 * 86_400)
        assert aws.job(job_id)["status"] == "STARTED"
        assert "endDateTime" not in aws.job(job_id)
        assert aws.statuses(job_id) == ["PENDING", "LAUNCHED"]


def test_a_stuck_server_arrives_late_if_the_scenario_says_when() -> None:
    with LocalAws(scenario("Outcome: stuck, StuckSeconds: 7200")) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(6000)
        assert aws.statuses(job_id) == ["PENDING"]
        aws.pass_time(1201)
        assert aws.statuses(job_id) == ["LAUNCHED"]
        assert len(aws.instances(DATABASE)) == 1


def test_successive_launches_take_successive_outcomes_and_repeat_the_last() -> None:
    with LocalAws(scenario("Outcome: [failed-late, failed-early, launched]")) as aws:
        seen = []
        for _ in range(4):
            job_id = aws.launch(DATABASE)
            aws.pass_time(3000)
            seen += aws.statuses(job_id)
        assert seen == ["FAILED", "FAILED", "LAUNCHED", "LAUNCHED"]


def test_launch_seconds_say_when_the_server_is_launched() -> None:
    with LocalAws(scenario("LaunchSeconds: 90")) as aws:
        start = aws.now
        job_id = aws.launch(DATABASE)
        aws.pass_time(100)
        times = {event: at for event, at, _ in offsets(aws.log(job_id), start)}
        assert times["LAUNCH_END"] == pytest.approx(90)
        assert times["SNAPSHOT_END"] == pytest.approx(0.95, rel=0.05)


@pytest.mark.parametrize("state", ["INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED"])
def test_a_server_that_never_synced_is_skipped_and_fails_with_the_reason(state: str) -> None:
    with LocalAws(scenario(f"ReplicationState: {state}, LagDuration: PT4H")) as aws:
        info = aws.drs.describe_source_servers(filters={"sourceServerIDs": [DATABASE]})["items"][0]
        assert info["dataReplicationInfo"]["dataReplicationState"] == state
        assert info["dataReplicationInfo"]["lagDuration"] == "PT4H"
        job_id = aws.launch(DATABASE)
        aws.pass_time(3)
        assert aws.statuses(job_id) == ["FAILED"]
        skipped = aws.log(job_id)[1]
        assert skipped["event"] == "SERVER_SKIPPED"
        assert state in skipped["eventData"]["rawError"]


@pytest.mark.parametrize("state", ["BACKLOG", "RESCAN", "PAUSED", "STALLED"])
def test_a_server_that_lags_can_be_launched(state: str) -> None:
    with LocalAws(scenario(f"ReplicationState: {state}")) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(600)
        assert aws.statuses(job_id) == ["LAUNCHED"]


def test_a_launched_server_shows_its_instance_in_the_job_if_asked_to_and_in_drs() -> None:
    with LocalAws(scenario("RecoveryInstanceIdMissing: false")) as aws:
        job_id = aws.launch(DATABASE)
        assert "recoveryInstanceID" not in aws.job(job_id)["participatingServers"][0]
        assert aws.instances(DATABASE) == []
        aws.pass_time(600)
        (server,) = aws.job(job_id)["participatingServers"]
        shown = server["recoveryInstanceID"]
        (instance,) = aws.instances(DATABASE)
        assert instance["recoveryInstanceID"] == instance["ec2InstanceID"] == shown
        assert instance["jobID"] == job_id
        assert instance["isDrill"] is True
        assert instance["ec2InstanceState"] == "RUNNING"


def test_a_job_can_miss_the_instance_id_that_the_log_and_drs_have() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(600)
        assert aws.statuses(job_id) == ["LAUNCHED"]
        assert "recoveryInstanceID" not in aws.job(job_id)["participatingServers"][0]
        (instance,) = aws.instances(DATABASE)
        logged = next(line for line in aws.log(job_id) if line["event"] == "LAUNCH_END")
        assert instance["ec2InstanceID"] == logged["eventData"]["targetInstanceID"]


def test_a_stopped_launch_disposition_leaves_the_instance_stopped() -> None:
    with LocalAws() as aws:
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, launchDisposition="STOPPED")
        aws.launch(DATABASE)
        aws.pass_time(600)
        assert aws.instances(DATABASE)[0]["ec2InstanceState"] == "STOPPED"


LAUNCH_BEHAVIORS = st.builds(
    LaunchBehavior,
    outcome=st.sampled_from(Outcome),
    windows=st.booleans(),
    launch_seconds=st.none() | st.floats(0.001, 100_000),
    stuck_seconds=st.none() | st.floats(0.001, 100_000),
    conversion_seconds=st.none() | st.floats(0.001, 1000),
    boot_seconds=st.none() | st.floats(0.001, 1000),
    missing_permission=st.sampled_from(["kms:CreateGrant", "ec2:StartInstances"]),
    fast=st.booleans(),
    from_snapshot=st.booleans(),
    cleans_up=st.none() | st.sampled_from(CleanUp),
)


@given(st.lists(LAUNCH_BEHAVIORS, min_size=1, max_size=8))
def test_any_mixture_of_servers_gives_an_ordered_log_that_agrees_with_the_statuses(
    conducts: list[LaunchBehavior],
) -> None:
    timeline = launch_timeline(conducts)
    offsets_ = [event.offset for event in timeline.events]
    assert offsets_ == sorted(offsets_)
    assert timeline.events[0].event == "JOB_START"
    assert (timeline.events[-1].event == "JOB_END") == (timeline.end is not None)
    for place, server in enumerate(timeline.servers):
        own = [event for event in timeline.events if event.server == place]
        assert own == list(server.events)
        ended = {"LAUNCH_END": LaunchStatus.LAUNCHED, "LAUNCH_FAILED": LaunchStatus.FAILED}
        if own[-1].event in ended:
            assert server.status(own[-1].offset) is ended[own[-1].event]
        if server.launch_start is not None and server.end is not None:
            middle = (server.launch_start + server.end) / 2
            assert server.status(middle) is LaunchStatus.IN_PROGRESS


def test_a_launch_of_an_explicit_snapshot_says_that_it_uses_that_one() -> None:
    with LocalAws() as aws:
        (chosen, *_) = aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE)["items"]
        response = aws.drs.start_recovery(
            sourceServers=[{"sourceServerID": DATABASE, "recoverySnapshotID": chosen["snapshotID"]}]
        )
        aws.pass_time(900)
        events = aws.events(response["job"]["jobID"])
        assert "USING_PREVIOUS_SNAPSHOT" in events
        assert "SNAPSHOT_START" not in events


def test_a_fast_launch_skips_the_conversion_and_is_up_that_much_sooner() -> None:
    with LocalAws() as aws:
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, recoveryMode="FAST")
        job_id = aws.launch(DATABASE)
        # The fastest recorded launch with a conversion takes 506 s.
        aws.pass_time(400)
        assert aws.statuses(job_id) == ["LAUNCHED"]
        assert not any(event.startswith("CONVERSION") for event in aws.events(job_id))


def test_the_recovery_mode_is_each_server_s_own_and_shortens_given_seconds_too() -> None:
    servers = (
        f"SourceServers: [{{SourceServerId: {DATABASE}, LaunchSeconds: 500, RecoveryMode: FAST}},"
        f" {{SourceServerId: {WEB}, LaunchSeconds: 500}}]"
    )
    with LocalAws(f"Durations: recorded\n{servers}") as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(499)
        assert aws.statuses(job_id) == ["LAUNCHED", "IN_PROGRESS"]
        converted = {
            line["eventData"].get("sourceServerID")
            for line in aws.log(job_id)
            if line["event"].startswith("CONVERSION")
        }
        assert converted == {WEB}
        up = next(at for name, at, _ in offsets(aws.log(job_id), aws.now) if name == "LAUNCH_END")
        # Conversion takes 197 of the recorded 530 s, and what follows it 1 s.
        assert 499 + up == pytest.approx(500 * (1 - 198 / 530), rel=0.02)
        aws.pass_time(2)
        assert aws.statuses(job_id) == ["LAUNCHED", "LAUNCHED"]


@pytest.mark.parametrize(
    ("permission", "failure"),
    [
        ("ec2:CreateLaunchTemplateVersion", "LAUNCH_FAILED"),
        ("ec2:StartInstances", "LAUNCH_FAILED"),
        ("iam:PassRole", "CONVERSION_FAIL"),
        ("kms:CreateGrant", "CONVERSION_FAIL"),
    ],
)
def test_a_missing_permission_fails_in_the_job_and_is_named_in_its_log(
    permission: str, failure: str
) -> None:
    with LocalAws(scenario(f"MissingPermission: '{permission}'")) as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(900)
        assert aws.job(job_id)["status"] == "COMPLETED"
        assert aws.statuses(job_id) == ["FAILED", "LAUNCHED"]
        (failed,) = (line for line in aws.log(job_id) if line["event"] == failure)
        assert "UnauthorizedOperation" in failed["eventData"]["rawError"]
        assert permission in failed["eventData"]["rawError"]


def test_a_permission_that_is_given_meanwhile_lets_the_next_launch_succeed() -> None:
    keys = "Outcome: [missing-permission, launched], MissingPermission: 'ec2:StartInstances'"
    with LocalAws(scenario(keys)) as aws:
        seen = []
        for _ in range(2):
            job_id = aws.launch(DATABASE)
            aws.pass_time(900)
            seen += aws.statuses(job_id)
        assert seen == ["FAILED", "LAUNCHED"]


def test_a_completed_job_can_say_pending_of_a_server_that_is_up() -> None:
    with LocalAws(scenario("StatusLagSeconds: 120, LaunchSeconds: 500")) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(510)
        assert aws.job(job_id)["status"] == "COMPLETED"
        assert aws.statuses(job_id) == ["PENDING"]
        assert len(aws.instances(DATABASE)) == 1
        aws.pass_time(120)
        assert aws.statuses(job_id) == ["LAUNCHED"]


@pytest.mark.parametrize(
    ("form", "error"),
    [("invalid", "ValidationException"), ("not-found", "ResourceNotFoundException")],
)
def test_a_dead_snapshot_is_refused_in_either_form(form: str, error: str) -> None:
    with LocalAws(scenario(f"DeadSnapshot: {form}")) as aws:
        with pytest.raises(ClientError) as refusal:
            aws.drs.start_recovery(sourceServers=DEAD)
        assert error_of(refusal.value)["error"] == error
        assert aws.drs.describe_jobs()["items"] == []


def test_a_dead_snapshot_can_fail_its_server_in_the_job() -> None:
    with LocalAws(scenario("DeadSnapshot: fails-in-job")) as aws:
        job_id = aws.drs.start_recovery(sourceServers=[*DEAD, {"sourceServerID": WEB}])["job"][
            "jobID"
        ]
        aws.pass_time(900)
        assert aws.statuses(job_id) == ["FAILED", "LAUNCHED"]
        (lost,) = (x for x in aws.log(job_id) if x["event"] == "USING_PREVIOUS_SNAPSHOT_FAILED")
        assert DEAD[0]["recoverySnapshotID"] in lost["eventData"]["rawError"]
