"""Launch actions that DRS runs after a launch."""

from __future__ import annotations

from typing import Any

from tests.sandbox.drs.model_conformance import deviations
from tests.sandbox.local_aws import DATABASE, LocalAws


def scenario(*actions: str, enabled: bool = True) -> str:
    """Return a scenario whose database server has launch actions."""
    keys = f"LaunchSeconds: 10, PostLaunchEnabled: {str(enabled).lower()}"
    listed = ", ".join(f"{{{each}}}" for each in actions)
    return f"SourceServers: [{{SourceServerId: {DATABASE}, {keys}, LaunchActions: [{listed}]}}]"


def runs(aws: LocalAws, job_id: str) -> list[tuple[str, str, str | None]]:
    """Return name, status and failure reason of each run of the only server."""
    (server,) = aws.job(job_id)["participatingServers"]
    found: Any = server["launchActionsStatus"]["runs"]
    return [(each["action"]["name"], each["status"], each.get("failureReason")) for each in found]


def test_actions_run_one_after_the_other_after_the_launch() -> None:
    first = "Name: Check disks, Order: 2, Seconds: 30"
    second = "Name: Install agent, Order: 3, Seconds: 20, Outcome: failed, FailureReason: no route"
    with LocalAws(scenario(second, first), speed=2.0) as aws:
        job_id = aws.launch(DATABASE)
        assert "launchActionsStatus" not in aws.job(job_id)["participatingServers"][0]
        aws.pass_time(6)
        assert runs(aws, job_id) == [("Check disks", "IN_PROGRESS", None)]
        aws.pass_time(15)
        assert runs(aws, job_id) == [
            ("Check disks", "SUCCEEDED", None),
            ("Install agent", "IN_PROGRESS", None),
        ]
        aws.pass_time(10)
        assert runs(aws, job_id)[1] == ("Install agent", "FAILED", "no route")
        assert aws.job(job_id)["status"] == "COMPLETED"


def test_an_action_can_go_on_for_ever() -> None:
    with LocalAws(scenario("Name: Wait, Outcome: in-progress", "Name: Later, Order: 3")) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(86_400)
        assert runs(aws, job_id) == [("Wait", "IN_PROGRESS", None)]


def test_a_job_says_nothing_of_actions_that_are_not_enabled() -> None:
    with LocalAws(scenario("Name: Check", enabled=False)) as aws:
        job_id = aws.launch(DATABASE)
        aws.pass_time(60)
        assert "launchActionsStatus" not in aws.job(job_id)["participatingServers"][0]
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, postLaunchEnabled=True)
        job_id = aws.launch(DATABASE)
        aws.pass_time(60)
        assert runs(aws, job_id) == [("Check", "SUCCEEDED", None)]


def test_the_actions_of_a_server_are_listed_as_the_model_says() -> None:
    actions = ("Name: Check, Optional: true", "Name: Promote, Type: SSM_AUTOMATION, Order: 3")
    with LocalAws(scenario(*actions)) as aws:
        found = aws.drs.list_launch_actions(resourceId=DATABASE)
        assert [
            (each["name"], each["type"], each["optional"], each["order"]) for each in found["items"]
        ] == [("Check", "SSM_COMMAND", True, 2), ("Promote", "SSM_AUTOMATION", False, 3)]
        one = found["items"][1]["actionId"]
        only = aws.drs.list_launch_actions(resourceId=DATABASE, filters={"actionIds": [one]})
        assert [each["name"] for each in only["items"]] == ["Promote"]
        job_id = aws.launch(DATABASE)
        aws.pass_time(60)
        job = aws.drs.describe_jobs(filters={"jobIDs": [job_id]})
        model = aws.drs.meta.service_model
        for operation, answer in (("DescribeJobs", job), ("ListLaunchActions", found)):
            shape = model.operation_model(operation).output_shape
            body = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
            assert deviations(body, shape) == []
