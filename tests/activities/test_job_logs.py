"""Job logs for users: all fields of DRS are shown, and none is invented."""

from typing import Any

import pytest

from activities.job_logs import JobLogActivities, line_of
from aws.drs.client import DrsClient
from aws.drs.models import JobLogItem
from aws.sessions import AwsSessions
from aws.targets import TargetClients
from contract.job_logs import JobLogs, JobLogsRequest
from settings import Settings
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal

UNKNOWN = "drsjob-0123456789abcdefg"


async def read(*job_ids: str) -> JobLogs:
    """Read job logs as a worker does."""
    activities = JobLogActivities(TargetClients(Settings()))
    asked = JobLogsRequest(target=TARGET, job_ids=list(job_ids))
    return await Attempt(Temporal()).run(activities.read_job_logs, asked)


async def launched(aws: LocalAws, **scenario: Any) -> tuple[str, str]:
    """A server and its job, which has ended."""
    servers = aws.servers(1, **scenario)
    job = await DrsClient(AwsSessions(), TARGET).start_recovery(
        servers, is_drill=True, launch_ids=["crm-1/db/1/1"], not_after=float("inf")
    )
    aws.pass_time(7200)
    return servers[0].source_server_id, job.job_id


async def test_a_failed_server_has_its_raw_error_and_every_line_its_time(aws: LocalAws) -> None:
    server_id, job_id = await launched(aws, Outcome="failed-late", RawError="no capacity")
    (job,) = (await read(job_id)).jobs
    assert (job.type, job.status, job.error) == ("LAUNCH", "COMPLETED", None)
    assert job.creation_time is not None
    assert job.end_time is not None
    assert [line.event for line in job.lines][:1] == ["JOB_START"]
    assert [(line.source_server_id, line.raw_error) for line in job.lines if line.raw_error] == [
        (server_id, "no capacity")
    ]
    times = [line.time for line in job.lines if line.time is not None]
    assert len(times) == len(job.lines)
    assert times == sorted(times)


async def test_a_job_that_cannot_be_read_says_so_and_hides_no_other(aws: LocalAws) -> None:
    _, job_id = await launched(aws)
    known, unknown = (await read(job_id, UNKNOWN)).jobs
    assert known.error is None
    assert known.lines
    assert unknown.job_id == UNKNOWN
    assert unknown.error is not None


async def test_an_aws_error_is_reported_for_each_job(aws: LocalAws) -> None:
    _, job_id = await launched(aws)
    aws.fault("DescribeJobLogItems", Error="AccessDeniedException")
    (job,) = (await read(job_id)).jobs
    assert job.status == "COMPLETED"
    assert "AccessDenied" in (job.error or "")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": "NEW_EVENT_OF_TOMORROW", "eventData": {"newField": {"a": 1}}},
        {"event": "LAUNCH_START", "eventData": None},
        {"event": "LAUNCH_START", "eventData": {"sourceServerID": 7, "rawError": ["x"]}},
        {"event": "CONVERSION_END", "eventData": {"conversionProperties": "soon"}},
        {"event": "CONVERSION_END", "eventData": {"conversionProperties": {"forceUefi": "?"}}},
        {"event": "NETWORK_RECOVERY_FAIL", "eventData": {"eventResourceData": []}},
        {"logDateTime": "yesterday"},
    ],
)
def test_a_line_of_an_unknown_form_keeps_its_known_fields(event: dict[str, Any]) -> None:
    line = line_of(JobLogItem.model_validate(event))
    assert line.event == event.get("event", "")
    assert (line.time, line.raw_error, line.conversion, line.network) == (None, None, None, None)


def test_all_fields_of_an_event_are_returned() -> None:
    event_data = {
        "event": "CONVERSION_END",
        "logDateTime": "2024-11-23T08:00:00+00:00",
        "eventData": {
            "sourceServerID": "s-1",
            "conversionServerID": "i-1",
            "targetInstanceID": "i-2",
            "rawError": "two\nlines",
            "attemptCount": 2,
            "maxAttemptsCount": 3,
            "conversionProperties": {
                "rootVolumeName": "/dev/sda1",
                "forceUefi": True,
                "dataTimestamp": "2024-11-23T07:59:00Z",
                "volumeToConversionMap": {"vol-1": {"EBS": "vol-2"}},
                "volumeToVolumeSize": {"vol-1": 8},
            },
            "eventResourceData": {
                "sourceNetworkData": {"sourceNetworkID": "sn-1", "sourceVpc": "vpc-1"}
            },
        },
    }
    line = line_of(JobLogItem.model_validate(event_data))
    assert line.model_dump(mode="json", exclude_none=True) == {
        "Event": "CONVERSION_END",
        "Time": 1_732_348_800.0,
        "SourceServerId": "s-1",
        "ConversionServerId": "i-1",
        "TargetInstanceId": "i-2",
        "RawError": "two lines",
        "AttemptCount": 2,
        "MaxAttemptsCount": 3,
        "Conversion": {
            "RootVolumeName": "/dev/sda1",
            "ForceUefi": True,
            "DataTimestamp": "2024-11-23T07:59:00Z",
            "VolumeToVolumeSize": {"vol-1": 8},
            "VolumeToConversionMap": {"vol-1": {"EBS": "vol-2"}},
        },
        "Network": {"SourceNetworkId": "sn-1", "SourceVpc": "vpc-1"},
    }
