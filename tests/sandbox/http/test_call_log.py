"""The call log, held responses, and faults that are bound to calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.sandbox.local_aws import DATABASE, SESSION, TWO_SERVERS, WEB, LocalAws, error_of


def drs_of(aws: LocalAws, caller: str, read_timeout: float = 20.0) -> Any:
    """Return a DRS client with an application ID."""
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "read_timeout": read_timeout,
        # As AWS_SDK_UA_APP_ID does.
        "user_agent_appid": caller,
    }
    return SESSION.client(
        "drs",
        region_name="us-west-2",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        endpoint_url=aws.server.endpoint_url,
        config=Config(**settings),
    )


def launch(client: Any, *servers: str, **more: Any) -> str:
    """Start a drill and return its job's ID."""
    asked = [{"sourceServerID": each} for each in servers]
    response = client.start_recovery(sourceServers=asked, isDrill=True, **more)
    return str(response["job"]["jobID"])


def log(aws: LocalAws, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
    """Return the log entries after a number."""
    status, response = aws.control("GET", f"log?after={after}&wait={wait}")
    assert status == 200
    entries: list[dict[str, Any]] = response["Calls"]
    return entries


@contextmanager
def held_launch(aws: LocalAws, client: Any) -> Iterator[tuple[list[str], threading.Thread]]:
    """Start a launch whose response is held. Yield its future result and its thread."""
    returned: list[str] = []

    def ask() -> None:
        try:
            returned.append(launch(client, DATABASE))
        except (ReadTimeoutError, ConnectionClosedError) as error:
            returned.append(type(error).__name__)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield returned, thread
    finally:
        aws.control("POST", "release")
        thread.join()


HOLD = f"{TWO_SERVERS}\nFaults: [{{Operation: StartRecovery, Effect: hold, Name: pause}}]"


def test_the_log_contains_the_caller_the_order_and_the_result_of_calls() -> None:
    with LocalAws() as aws:
        job_id = launch(drs_of(aws, "worker-1"), DATABASE)
        drs_of(aws, "worker-2").describe_jobs(filters={"jobIDs": [job_id]})
        with pytest.raises(ClientError):
            launch(aws.drs, DATABASE)
        told = [
            (e["Number"], e["Operation"], e["Caller"], e["Result"], e["Held"]) for e in log(aws)
        ]
        assert told == [
            (1, "StartRecovery", "worker-1", "OK", False),
            (2, "DescribeJobs", "worker-2", "OK", False),
            (3, "StartRecovery", "", "ConflictException", False),
        ]
        assert log(aws)[1]["Subjects"] == [job_id, DATABASE]
        assert [e["Number"] for e in log(aws, after=2)] == [3]
        assert log(aws, after=3) == []


def test_the_log_waits_for_the_next_call() -> None:
    with LocalAws() as aws:
        seen: list[dict[str, Any]] = []
        waiting = threading.Thread(target=lambda: seen.extend(log(aws, wait=20)))
        waiting.start()
        aws.drs.describe_jobs()
        waiting.join()
        assert [e["Operation"] for e in seen] == ["DescribeJobs"]


def test_a_held_call_is_executed_and_its_response_is_sent_after_the_release() -> None:
    with (
        LocalAws(HOLD) as aws,
        held_launch(aws, drs_of(aws, "worker-1")) as (returned, thread),
    ):
        (entry,) = log(aws, wait=20)
        assert (entry["Result"], entry["Held"]) == ("hold", True)
        assert (entry["Caller"], entry["Fault"]) == ("worker-1", "pause")
        (job,) = aws.drs.describe_jobs()["items"]
        assert returned == []
        assert aws.control("POST", f"release?number={entry['Number']}") == (200, {"Released": 1})
        thread.join()
        assert returned == [job["jobID"]]
        assert (log(aws)[0]["Result"], log(aws)[0]["Held"]) == ("OK", False)
        assert aws.control("GET", "calls")[1]["Calls"]["drs.StartRecovery"] == {"OK": 1}


def test_releasing_another_call_leaves_a_response_held() -> None:
    with LocalAws(HOLD) as aws, held_launch(aws, aws.drs) as (returned, _):
        (entry,) = log(aws, wait=20)
        number = entry["Number"] + 1
        assert aws.control("POST", f"release?number={number}")[1] == {"Released": 0}
        assert log(aws)[0]["Held"]
        assert returned == []


def test_a_hold_ends_when_the_caller_disconnects_and_its_job_stays() -> None:
    impatient = 0.3
    with LocalAws(HOLD) as aws:
        with held_launch(aws, drs_of(aws, "worker-1", impatient)) as (returned, thread):
            (entry,) = log(aws, wait=20)
            thread.join()
            assert returned == ["ReadTimeoutError"]
            while log(aws)[0]["Held"]:
                pass
        assert log(aws)[0]["Result"] == "gone"
        assert entry["Subjects"] == [DATABASE]
        assert len(aws.drs.describe_jobs()["items"]) == 1


def test_a_fault_can_start_after_some_calls() -> None:
    fault = "Operation: DescribeJobs, Error: ThrottlingException, After: 2, Times: 1"
    with LocalAws(f"Faults: [{{{fault}}}]\n{TWO_SERVERS}") as aws:
        results = []
        for _ in range(4):
            try:
                aws.drs.describe_jobs()
                results.append("OK")
            except ClientError as error:
                results.append(str(error_of(error)["error"]))
        assert results == ["OK", "OK", "ThrottlingException", "OK"]


def test_faults_count_the_calls_that_another_fault_applies_to() -> None:
    scenario = f"""{TWO_SERVERS}
Faults:
  - {{Operation: DescribeJobs, Error: ThrottlingException, Times: 1}}
  - {{Operation: DescribeJobs, Error: InternalServerException, After: 1, Times: 1}}
"""
    with LocalAws(scenario) as aws:
        codes = []
        for _ in range(2):
            with pytest.raises(ClientError) as refusal:
                aws.drs.describe_jobs()
            codes.append(error_of(refusal.value)["error"])
        assert codes == ["ThrottlingException", "InternalServerException"]


def test_a_fault_can_be_limited_to_a_caller() -> None:
    fault = "Operation: DescribeJobs, Error: ThrottlingException, Caller: worker-2"
    with LocalAws(f"{TWO_SERVERS}\nFaults: [{{{fault}}}]") as aws:
        drs_of(aws, "worker-1").describe_jobs()
        with pytest.raises(ClientError):
            drs_of(aws, "worker-2").describe_jobs()


def test_a_fault_can_be_limited_to_a_server_a_launch_and_their_jobs() -> None:
    with LocalAws() as aws:
        one = launch(aws.drs, DATABASE, tags={"launch": "crm/1"})
        other = launch(aws.drs, WEB, tags={"launch": "crm/2"})
        for mention in (DATABASE, "crm/1", one):
            fault = f"Operation: DescribeJobs, Error: ThrottlingException, Mentions: [{mention}]"
            aws.control("POST", "scenario", f"Faults: [{{{fault}}}]")
            aws.drs.describe_jobs(filters={"jobIDs": [other]})
            with pytest.raises(ClientError):
                aws.drs.describe_jobs(filters={"jobIDs": [one]})
            aws.control("DELETE", "faults")


def test_faults_can_be_removed_by_the_beginning_of_their_name() -> None:
    scenario = f"""{TWO_SERVERS}
Faults:
  - {{Operation: DescribeJobs, Error: ThrottlingException, Name: crm/1}}
  - {{Operation: DescribeSourceServers, Error: ThrottlingException, Name: web/1}}
"""
    with LocalAws(scenario) as aws:
        aws.control("DELETE", "faults?name=crm/")
        aws.drs.describe_jobs()
        with pytest.raises(ClientError):
            aws.drs.describe_source_servers()


def test_connections_can_be_closed_except_those_of_control_clients() -> None:
    with LocalAws(HOLD) as aws, held_launch(aws, aws.drs) as (returned, thread):
        last = log(aws, wait=20)[-1]["Number"]
        following: list[dict[str, Any]] = []
        follower = threading.Thread(target=lambda: following.extend(log(aws, last, wait=20)))
        follower.start()
        assert aws.control("DELETE", "connections")[0] == 200
        thread.join()
        assert returned == ["ConnectionClosedError"]
        aws.drs.describe_jobs()
        follower.join()
        assert [e["Operation"] for e in following] == ["DescribeJobs"]


def test_the_ledger_contains_the_result_of_each_job() -> None:
    scenario = f"""
SourceServers:
  - {{SourceServerId: {DATABASE}, LaunchSeconds: 100}}
  - {{SourceServerId: {WEB}, LaunchSeconds: 100, Outcome: failed-late}}
"""
    with LocalAws(scenario) as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(100)
        (job,) = aws.control("GET", "ledger")[1]["Backends"][0]["Jobs"]
        up, failed = job["Servers"]
        assert (job["JobId"], job["Created"]) == (job_id, aws.now - 100)
        assert (up["LaunchStatus"], up["FinalStatus"]) == ("LAUNCHED", "LAUNCHED")
        assert up["FinalTime"] == aws.now
        assert (failed["LaunchStatus"], failed["FinalStatus"]) == ("IN_PROGRESS", "FAILED")
        assert aws.now < failed["FinalTime"] < job["Ends"]
        (instance,) = aws.instances(DATABASE)
        assert up["RecoveryInstanceId"] == instance["recoveryInstanceID"]


def test_an_invalid_control_request_returns_400() -> None:
    with LocalAws() as aws:
        assert aws.control("GET", "log?after=yesterday")[0] == 400
