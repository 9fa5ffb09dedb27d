"""The response of every operation matches botocore's model of DRS, over HTTP with boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from tests.sandbox.drs.model_conformance import deviations
from tests.sandbox.local_aws import DATABASE, WEB, LocalAws

MODEL = botocore.session.get_session().get_service_model("drs")
OPERATIONS = [
    "InitializeService",
    "DescribeSourceServers",
    "DescribeRecoverySnapshots",
    "StartRecovery",
    "DescribeJobs",
    "DescribeJobLogItems",
    "DescribeRecoveryInstances",
    "TerminateRecoveryInstances",
    "DisconnectRecoveryInstance",
    "DeleteRecoveryInstance",
    "DeleteJob",
    "GetLaunchConfiguration",
    "UpdateLaunchConfiguration",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
]
SCENARIO = f"""
TimestampForm: {{form}}
SourceServers:
  - {{{{SourceServerId: {DATABASE}, Os: windows, Outcome: [failed-late, launched]}}}}
  - {{{{SourceServerId: {WEB}, LiveRecoveryInstance: DRILL}}}}
  - {{{{SourceServerId: s-00000000000000001, ReplicationState: INITIAL_SYNC, LagDuration: PT4H}}}}
  - {{{{SourceServerId: s-00000000000000002, ReplicationState: STALLED}}}}
  - {{{{SourceServerId: s-00000000000000003, RunningJob: true}}}}
"""


class Watched:
    """A DRS client whose raw answers are compared with the model."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.seen: set[str] = set()
        client.meta.events.register("after-call.drs", self._compare)

    def _compare(self, http_response: Any, model: Any, **_: Any) -> None:
        self.seen.add(model.name)
        assert http_response.status_code == model.http["responseCode"], model.name
        body = json.loads(http_response.content) if http_response.content else None
        assert deviations(body, model.output_shape) == [], model.name


def exercise(aws: LocalAws, drs: Any) -> None:
    """Call every operation, some in several states of a job."""
    servers = [DATABASE, WEB, "s-00000000000000001", "s-00000000000000002"]
    drs.initialize_service()
    job = drs.start_recovery(
        sourceServers=[{"sourceServerID": each} for each in servers], tags={"Plan": "crm"}
    )["job"]
    for seconds in (0, 0.5, 60, 200, 300, 3000):
        aws.pass_time(seconds)
        drs.describe_source_servers()
        drs.describe_jobs()
        drs.describe_job_log_items(jobID=job["jobID"])
        drs.describe_recovery_instances()
    drs.describe_recovery_snapshots(sourceServerID=WEB, order="ASC")
    drs.get_launch_configuration(sourceServerID=WEB)
    drs.update_launch_configuration(
        sourceServerID=WEB, launchDisposition="STOPPED", licensing={"osByol": True}
    )
    arn = job["arn"]
    drs.tag_resource(resourceArn=arn, tags={"Wave": "1"})
    drs.untag_resource(resourceArn=arn, tagKeys=["Plan"])
    assert drs.list_tags_for_resource(resourceArn=arn)["tags"] == {"Wave": "1"}
    filters = {"sourceServerIDs": [WEB, "s-00000000000000002"]}
    web, other = (
        each["recoveryInstanceID"]
        for each in drs.describe_recovery_instances(filters=filters)["items"]
    )
    drs.terminate_recovery_instances(recoveryInstanceIDs=[web])
    drs.describe_recovery_instances()
    aws.pass_time(100)
    drs.describe_jobs()
    drs.disconnect_recovery_instance(recoveryInstanceID=other)
    drs.describe_recovery_instances()
    drs.delete_recovery_instance(recoveryInstanceID=other)
    drs.delete_job(jobID=job["jobID"])


@pytest.mark.parametrize("form", ["offset", "z"])
def test_every_response_matches_the_model_except_for_the_known_deviations(form: str) -> None:
    with LocalAws(SCENARIO.format(form=form)) as aws:
        watched = Watched(aws.drs)
        exercise(aws, watched.client)
        assert watched.seen == set(OPERATIONS)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda job: job.update(colour="blue"), "job.colour: is not in the model"),
        (lambda job: job.update(status="FAILED"), "job.status: 'FAILED' is not one of"),
        (lambda job: job.update(jobID=7), "job.jobID: 7 is not a string"),
        (lambda job: job.pop("jobID"), "job.jobID: is missing"),
        (lambda job: job.update(jobID="drsjob-1"), "job.jobID: 'drsjob-1' is too short"),
    ],
)
def test_the_comparison_with_the_model_finds(spoil: Callable[[Any], Any], found: str) -> None:
    job = {"jobID": "drsjob-556c7b1d99221f996", "status": "COMPLETED"}
    shape = MODEL.operation_model("StartRecovery").output_shape
    assert deviations({"job": job}, shape) == []
    spoil(job)
    assert found in deviations({"job": job}, shape)[0]
