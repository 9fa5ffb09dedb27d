"""Calls that DRS rejects: the error and its fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of, many_servers, server_id

NOT_RETRIED = range(400, 500)
# Codes that botocore's standard mode retries with any status.
RETRIED_CODES = ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")
# Moto warns about errors that are not in the model of the service.
pytestmark = pytest.mark.filterwarnings(r"ignore:Exception\(InjectedError\)")
CONFLICT = (
    "One or more of the Source Servers included in API call are currently being processed by a Job"
)


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """Return the error of a rejected call."""
    with pytest.raises(ClientError) as error:
        call()
    return error_of(error.value)


def test_a_server_is_in_one_job_at_a_time() -> None:
    with LocalAws() as aws:
        aws.launch(DATABASE)
        error = refusal(lambda: aws.launch(WEB, DATABASE))
        assert error == {
            "status": 409,
            "error": "ConflictException",
            "text": CONFLICT,
            "message": CONFLICT,
            "code": "ConflictException",
            "resourceId": DATABASE,
            "resourceType": "SOURCE_SERVER",
        }
        aws.pass_time(600)
        aws.launch(WEB, DATABASE)


def test_a_server_is_deleted_once_it_is_disconnected_and_has_no_instance() -> None:
    with LocalAws() as aws:
        drs = aws.drs_client()
        job_id = aws.launch(DATABASE)
        assert (
            refusal(lambda: drs.disconnect_source_server(sourceServerID=DATABASE))["status"] == 409
        )
        aws.pass_time(600)
        error = refusal(lambda: drs.disconnect_source_server(sourceServerID=DATABASE))
        assert "Recovery Instance" in error["message"]
        error = refusal(lambda: drs.delete_source_server(sourceServerID=WEB))
        assert error["message"] == "The Source Server must be disconnected first"
        replication = drs.disconnect_source_server(sourceServerID=WEB)["dataReplicationInfo"]
        assert replication["dataReplicationState"] == "DISCONNECTED"
        drs.delete_source_server(sourceServerID=WEB)
        listed = [each["sourceServerID"] for each in drs.describe_source_servers()["items"]]
        assert (DATABASE in listed, WEB in listed) == (True, False)
        assert refusal(lambda: aws.launch(WEB))["error"] == "ResourceNotFoundException"
        assert aws.job(job_id)["status"] == "COMPLETED"


def test_an_account_that_is_not_initialized_is_rejected() -> None:
    with LocalAws() as aws:
        ireland = aws.drs_client("eu-west-1")
        error = refusal(ireland.describe_jobs)
        assert (error["status"], error["error"]) == (400, "UninitializedAccountException")
        ireland.initialize_service()
        assert ireland.describe_jobs()["items"] == []


def test_the_twenty_first_job_in_progress_exceeds_the_quota() -> None:
    with LocalAws(many_servers(21)) as aws:
        for number in range(20):
            aws.launch(server_id(number))
        error = refusal(lambda: aws.launch(server_id(20)))
        assert (error["status"], error["error"]) == (402, "ServiceQuotaExceededException")
        assert (error["serviceCode"], error["quotaCode"]) == ("drs", "L-D88FAC3A")
        assert (error["resourceType"], error["resourceId"]) == ("JOB", "123456789012")
        aws.pass_time(600)
        aws.launch(server_id(20))


def test_a_job_of_more_than_a_hundred_servers_exceeds_the_quota() -> None:
    with LocalAws(many_servers(101)) as aws:
        every = [server_id(number) for number in range(101)]
        assert refusal(lambda: aws.launch(*every))["quotaCode"] == "L-B827C881"
        aws.launch(*every[:100])


def test_servers_in_all_jobs_are_counted_together() -> None:
    with LocalAws(many_servers(501)) as aws:
        for start in range(0, 500, 100):
            aws.launch(*(server_id(start + number) for number in range(100)))
        assert refusal(lambda: aws.launch(server_id(500)))["quotaCode"] == "L-05AFA8C6"


def test_quotas_can_be_set_in_the_scenario_and_count_each_region_apart() -> None:
    scenario = f"""
Quotas: {{JobsInProgress: 1}}
SourceServers:
  - {{SourceServerId: {DATABASE}}}
  - {{SourceServerId: {WEB}}}
  - {{SourceServerId: {server_id(1)}, Region: us-east-1}}
"""
    with LocalAws(scenario) as aws:
        aws.launch(DATABASE)
        assert refusal(lambda: aws.launch(WEB))["quotaCode"] == "L-D88FAC3A"
        aws.drs_client("us-east-1").start_recovery(sourceServers=[{"sourceServerID": server_id(1)}])


def test_of_many_calls_at_once_for_one_server_a_single_one_is_accepted() -> None:
    with LocalAws() as aws, ThreadPoolExecutor(8) as threads:

        def attempt(_: int) -> str:
            try:
                return aws.launch(DATABASE)
            except ClientError as error:
                return str(error_of(error)["error"])

        responses = list(threads.map(attempt, range(24)))
        assert responses.count("ConflictException") == 23


@pytest.mark.parametrize(
    ("servers", "status", "error"),
    [
        ([{"sourceServerID": server_id(9)}], 404, "ResourceNotFoundException"),
        ([{"sourceServerID": DATABASE}] * 2, 400, "ValidationException"),
        ([{"sourceServerID": "s-not_a_server_id!!"}], 400, "ValidationException"),
        (
            [{"sourceServerID": DATABASE, "recoverySnapshotID": "pit_0123456789abcdef0"}],
            400,
            "ValidationException",
        ),
        (
            [{"sourceServerID": DATABASE, "recoverySnapshotID": "pit-0123456789abcdef0"}],
            400,
            "ValidationException",
        ),
        ([{"sourceServerID": server_id(n)} for n in range(201)], 400, "ValidationException"),
    ],
)
def test_a_recovery_of_these_servers_is_refused(
    servers: list[dict[str, str]], status: int, error: str
) -> None:
    with LocalAws() as aws:
        response = refusal(lambda: aws.drs.start_recovery(sourceServers=servers))  # type: ignore[arg-type]  # plain dicts
        assert (response["status"], response["error"]) == (status, error)
        assert aws.drs.describe_jobs()["items"] == []


def test_a_validation_error_names_the_field() -> None:
    with LocalAws() as aws:
        too_many = [f"drsjob-{number:017x}" for number in range(1001)]
        error = refusal(lambda: aws.drs.describe_jobs(filters={"jobIDs": too_many}))
        assert error["error"] == "ValidationException"
        assert error["reason"] == "fieldValidationFailed"
        assert error["fieldList"][0]["name"] == "filters.jobIDs"


def test_filters_of_more_than_two_hundred_ids_are_refused() -> None:
    with LocalAws() as aws:
        servers = [server_id(number) for number in range(201)]
        instances = [f"i-{number:017x}" for number in range(201)]
        for call in (
            lambda: aws.drs.describe_source_servers(filters={"sourceServerIDs": servers}),
            lambda: aws.drs.describe_recovery_instances(filters={"recoveryInstanceIDs": instances}),
            lambda: aws.drs.terminate_recovery_instances(recoveryInstanceIDs=instances),
        ):
            assert refusal(call)["error"] == "ValidationException"


def test_a_snapshot_of_the_server_can_be_recovered_and_dates_its_instance() -> None:
    with LocalAws() as aws:
        snapshots = aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE)["items"]
        assert snapshots[0]["expectedTimestamp"] > snapshots[-1]["expectedTimestamp"]
        chosen = snapshots[-1]
        aws.drs.start_recovery(
            sourceServers=[{"sourceServerID": DATABASE, "recoverySnapshotID": chosen["snapshotID"]}]
        )
        aws.pass_time(600)
        (instance,) = aws.instances(DATABASE)
        assert instance["pointInTimeSnapshotDateTime"] == chosen["expectedTimestamp"]


def test_unknown_resources_are_not_found() -> None:
    with LocalAws() as aws:
        instance, job = "i-00000000000000000", "drsjob-00000000000000000"
        arn = f"arn:aws:drs:us-west-2:123456789012:source-server/{server_id(9)}"
        for call in (
            lambda: aws.drs.disconnect_recovery_instance(recoveryInstanceID=instance),
            lambda: aws.drs.delete_recovery_instance(recoveryInstanceID=instance),
            lambda: aws.drs.delete_job(jobID=job),
            lambda: aws.drs.describe_job_log_items(jobID=job),
            lambda: aws.drs.get_launch_configuration(sourceServerID=server_id(9)),
            lambda: aws.drs.list_tags_for_resource(resourceArn=arn),
        ):
            error = refusal(call)
            assert (error["status"], error["error"]) == (404, "ResourceNotFoundException")
            assert error["resourceId"]


@pytest.mark.parametrize("date", ["2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20"])
@pytest.mark.parametrize("name", ["fromDate", "toDate"])
def test_jobs_are_not_filtered_by_a_date_without_z(name: str, date: str) -> None:
    with LocalAws() as aws:
        error = refusal(lambda: aws.drs.describe_jobs(filters={name: date}))  # type: ignore[misc]  # the name varies
        assert (error["status"], error["error"]) == (400, "ValidationException")


@pytest.mark.parametrize("name", ["fromDateTime", "toDateTime"])
def test_snapshots_are_not_filtered_by_a_date_without_z(name: str) -> None:
    with LocalAws() as aws:
        filters: Any = {name: "2023-11-14T22:13:20+00:00"}
        error = refusal(
            lambda: aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE, filters=filters)
        )
        assert (error["status"], error["error"]) == (400, "ValidationException")


def test_terminating_an_instance_that_is_gone_is_a_conflict() -> None:
    with LocalAws() as aws:
        aws.launch(DATABASE)
        aws.pass_time(900)
        instance = aws.instances(DATABASE)[0]["recoveryInstanceID"]
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        aws.pass_time(120)
        assert aws.instances(DATABASE) == []
        error = refusal(
            lambda: aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        )
        assert (error["status"], error["error"]) == (409, "ConflictException")


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("ListStagingAccounts", {}),
        ("StopReplication", {"sourceServerID": DATABASE}),
        ("CreateSourceNetwork", {"vpcID": "vpc-0123456789abcdef0", "originAccountID": "1" * 12,
                                 "originRegion": "us-east-1"}),
    ],
)  # fmt: skip
def test_an_unsupported_operation_is_named_and_not_retried(
    operation: str, asked: dict[str, Any]
) -> None:
    with LocalAws() as aws:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        error = refusal(lambda: getattr(aws.drs, name)(**asked))
        assert error["status"] in NOT_RETRIED
        assert error["status"] != 429
        assert error["error"] not in RETRIED_CODES
        assert operation in error["text"]
