"""Recovery instances after relaunches and terminations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.drs.exceptions import SERVERS_IN_A_JOB
from tests.sandbox.local_aws import (
    DATABASE,
    STALLED,
    WEB,
    LocalAws,
    error_of,
    many_servers,
    server_id,
)


def launched(aws: LocalAws, *, drill: bool = True) -> str:
    """Launch the database server and return its recovery instance's ID."""
    aws.launch(DATABASE, drill=drill)
    aws.pass_time(600)
    return str(aws.instances(DATABASE)[0]["recoveryInstanceID"])


def test_a_relaunch_destroys_the_earlier_instance_when_its_launch_starts() -> None:
    with LocalAws() as aws:
        earlier = launched(aws, drill=False)
        job_id = aws.launch(DATABASE)
        aws.pass_time(200)
        assert [each["recoveryInstanceID"] for each in aws.instances(DATABASE)] == [earlier]
        aws.pass_time(60)
        assert aws.instances(DATABASE) == []
        assert aws.events(job_id)[-3:] == ["CLEANUP_START", "CLEANUP_END", "LAUNCH_START"]
        aws.pass_time(400)
        (instance,) = aws.instances(DATABASE)
        assert instance["jobID"] == job_id


def test_a_relaunch_that_fails_late_leaves_nothing_running() -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, Outcome: [launched, failed-late]}}]"
    with LocalAws(scenario) as aws:
        launched(aws)
        aws.launch(DATABASE)
        aws.pass_time(2000)
        assert aws.instances(DATABASE) == []


def test_a_relaunch_that_fails_early_leaves_the_earlier_instance() -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, Outcome: [launched, failed-early]}}]"
    with LocalAws(scenario) as aws:
        earlier = launched(aws)
        aws.launch(DATABASE)
        aws.pass_time(2000)
        assert [each["recoveryInstanceID"] for each in aws.instances(DATABASE)] == [earlier]


@pytest.mark.parametrize("outcome", ["failed-early", "failed-late", "launched"])
def test_a_relaunch_can_destroy_the_earlier_instance_at_its_start(outcome: str) -> None:
    keys = f"Outcome: [launched, {outcome}], EarlierInstanceCleanUp: at-start"
    with LocalAws(f"SourceServers: [{{SourceServerId: {DATABASE}, {keys}}}]") as aws:
        launched(aws)
        job_id = aws.launch(DATABASE)
        aws.pass_time(1)
        assert aws.instances(DATABASE) == []
        events = aws.events(job_id)
        assert events[:4] == ["JOB_START", "CLEANUP_START", "CLEANUP_END", "SNAPSHOT_START"]


def test_the_source_server_follows_its_launches() -> None:
    with LocalAws() as aws:

        def server() -> dict[str, object]:
            filters = {"sourceServerIDs": [DATABASE]}
            (item,) = aws.drs.describe_source_servers(filters=filters)["items"]  # type: ignore[arg-type]  # a plain dict
            last = item["lifeCycle"]["lastLaunch"]
            return {
                "result": item["lastLaunchResult"],
                "status": last.get("status"),
                "job": last["initiated"].get("jobID"),
                "type": last["initiated"].get("type"),
                "instance": item.get("recoveryInstanceId"),
            }

        assert server() == dict.fromkeys(("status", "job", "type", "instance")) | {
            "result": "NOT_STARTED"
        }
        job_id = aws.launch(DATABASE)
        assert server() == {
            "result": "PENDING",
            "status": "PENDING",
            "job": job_id,
            "type": "DRILL",
            "instance": None,
        }
        aws.pass_time(600)
        assert server() == {
            "result": "SUCCEEDED",
            "status": "LAUNCHED",
            "job": job_id,
            "type": "DRILL",
            "instance": aws.instances(DATABASE)[0]["recoveryInstanceID"],
        }


def test_a_termination_is_a_job_of_a_minute_after_which_the_instance_is_gone() -> None:
    with LocalAws() as aws:
        instance = launched(aws)
        job = aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])["job"]
        assert (job["type"], job["initiatedBy"]) == ("TERMINATE", "TERMINATE_RECOVERY_INSTANCES")
        aws.pass_time(30)
        assert aws.instances(DATABASE)[0]["ec2InstanceState"] == "SHUTTING-DOWN"
        aws.pass_time(31)
        assert aws.job(job["jobID"])["status"] == "COMPLETED"
        assert aws.statuses(job["jobID"]) == ["TERMINATED"]
        assert aws.instances(DATABASE) == []


def test_a_server_whose_instance_is_being_terminated_is_busy() -> None:
    with LocalAws() as aws:
        instance = launched(aws)
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        with pytest.raises(ClientError) as refusal:
            aws.launch(DATABASE)
        assert error_of(refusal.value)["text"] == SERVERS_IN_A_JOB
        aws.launch(WEB)
        aws.pass_time(61)
        aws.launch(DATABASE)


def test_an_instance_of_a_busy_server_cannot_be_terminated() -> None:
    with LocalAws() as aws:
        instance = launched(aws)
        aws.launch(DATABASE)
        with pytest.raises(ClientError) as refusal:
            aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        assert error_of(refusal.value)["error"] == "ConflictException"


def test_an_instance_is_deleted_from_drs_only_when_disconnected_and_then_runs_on() -> None:
    with LocalAws() as aws:
        instance = launched(aws)
        with pytest.raises(ClientError) as refusal:
            aws.drs.delete_recovery_instance(recoveryInstanceID=instance)
        assert error_of(refusal.value)["error"] == "ConflictException"
        aws.drs.disconnect_recovery_instance(recoveryInstanceID=instance)
        aws.drs.delete_recovery_instance(recoveryInstanceID=instance)
        assert aws.instances(DATABASE) == []
        server = aws.server.control.ledger()["Backends"][0]["Servers"][0]
        (up,) = server["InstancesUp"]
        assert (up["RecoveryInstanceId"], up["KnownToDrs"]) == (instance, False)


def test_only_completed_jobs_can_be_deleted() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE)
        with pytest.raises(ClientError) as refusal:
            aws.drs.delete_job(jobID=job_id)
        assert error_of(refusal.value)["status"] == 409
        aws.pass_time(600)
        aws.drs.delete_job(jobID=job_id)
        assert aws.drs.describe_jobs()["items"] == []
        assert len(aws.instances(DATABASE)) == 1


def test_a_server_can_start_with_a_live_instance_of_a_real_recovery() -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, LiveRecoveryInstance: RECOVERY}}]"
    with LocalAws(scenario) as aws:
        (instance,) = aws.instances(DATABASE)
        assert instance["isDrill"] is False
        assert aws.job(instance["jobID"])["initiatedBy"] == "START_RECOVERY"
        assert aws.job(instance["jobID"])["status"] == "COMPLETED"


@pytest.mark.parametrize(("keys", "ends"), [("", False), (", StuckSeconds: 900", True)])
def test_a_server_can_start_in_a_job_of_another_client(keys: str, ends: bool) -> None:
    scenario = f"SourceServers: [{{SourceServerId: {DATABASE}, RunningJob: true{keys}}}]"
    with LocalAws(scenario) as aws:
        with pytest.raises(ClientError) as refusal:
            aws.launch(DATABASE)
        assert error_of(refusal.value)["text"] == SERVERS_IN_A_JOB
        aws.pass_time(1000)
        (job,) = aws.drs.describe_jobs()["items"]
        assert (job["status"] == "COMPLETED") is ends


def test_a_server_that_lags_four_hours_is_recovered_to_a_point_four_hours_ago() -> None:
    with LocalAws(STALLED) as aws:
        called = aws.now
        launched(aws)
        (instance,) = aws.instances(DATABASE)
        recovered_to = _epoch(instance["pointInTimeSnapshotDateTime"])
        assert recovered_to == pytest.approx(called - 4 * 3600, abs=600)


def test_a_disconnected_instance_is_disconnected_and_not_stopped() -> None:
    with LocalAws() as aws:
        aws.drs.disconnect_recovery_instance(recoveryInstanceID=launched(aws))
        (after,) = aws.instances(DATABASE)
        assert after["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"


def test_an_instance_has_an_address_of_its_own_and_the_sources_only_where_that_is_copied() -> None:
    with LocalAws() as aws:

        def interface() -> Any:
            launched(aws)
            (instance,) = aws.instances(DATABASE)
            (only,) = instance["recoveryInstanceProperties"]["networkInterfaces"]
            return only

        (source,) = aws.source_server(DATABASE)["sourceProperties"]["networkInterfaces"]
        own = interface()
        assert own["ips"] != source["ips"]
        assert own["macAddress"] != source["macAddress"]
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, copyPrivateIp=True)
        copied = interface()
        assert copied["ips"] == source["ips"]
        assert copied["macAddress"] != source["macAddress"]


def test_recovery_instances_are_asked_for_by_any_number_of_source_servers() -> None:
    with LocalAws(many_servers(301)) as aws:
        aws.launch(server_id(300))
        aws.pass_time(900)
        (instance,) = aws.instances(*(server_id(number) for number in range(301)))
        assert instance["sourceServerID"] == server_id(300)


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
