"""What counts as a live instance of a real recovery: absence from a listing is no proof."""

from typing import Any

import pytest

from aws.drs.live_recovery import live_recoveries
from aws.drs.models import Job, RecoveryInstance


def job(number: int, kind: str | None = "START_RECOVERY", **fields: Any) -> Job:
    """The job of a minute, which is over."""
    status = "TERMINATED" if fields.get("type") == "TERMINATE" else "LAUNCHED"
    answer = {
        "jobID": f"drsjob-{number}",
        "type": "LAUNCH",
        "status": "COMPLETED",
        "initiatedBy": kind,
        "creationDateTime": f"2023-11-14T22:{number:02}:00Z",
        "participatingServers": [{"sourceServerID": "s-1", "launchStatus": status}],
    }
    return Job.model_validate(answer | fields)


def termination(number: int, **fields: Any) -> Job:
    return job(number, "TERMINATE_RECOVERY_INSTANCES", **{"type": "TERMINATE"} | fields)


@pytest.mark.parametrize("is_drill", [False, None])
@pytest.mark.parametrize("state", ["RUNNING", "STOPPED", "PENDING", "SOMETHING_NEW", None])
def test_an_instance_counts_as_live_unless_it_is_known_to_be_a_drill_or_gone(
    state: str | None, is_drill: bool | None
) -> None:
    one = RecoveryInstance(source_server_id="s-1", ec2_instance_state=state, is_drill=is_drill)
    assert set(live_recoveries(["s-1"], [one], [])) == {"s-1"}


@pytest.mark.parametrize(
    "gone",
    [
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="RUNNING", is_drill=True),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="TERMINATED"),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="SHUTTING-DOWN"),
        RecoveryInstance(source_server_id="s-1", ec2_instance_state="NOT_FOUND"),
    ],
)
def test_a_drills_instance_or_one_that_is_gone_guards_nothing(gone: RecoveryInstance) -> None:
    assert live_recoveries(["s-1"], [gone], []) == {}
    live = RecoveryInstance(source_server_id="s-1", ec2_instance_state="RUNNING")
    for listed in ([live, gone], [gone, live]):
        assert set(live_recoveries(["s-1"], listed, [])) == {"s-1"}


@pytest.mark.parametrize("kind", ["START_RECOVERY", None])
def test_what_a_recoverys_job_launched_is_live_though_no_instance_is_listed(
    kind: str | None,
) -> None:
    found = live_recoveries(["s-1", "s-2"], [], [job(1, kind)])
    assert {i: live.job_id for i, live in found.items()} == {"s-1": "drsjob-1"}
    assert "neither DRS nor EC2 reports" in str(found["s-1"])


FAILED = [{"sourceServerID": "s-1", "launchStatus": "FAILED"}]


@pytest.mark.parametrize(
    ("jobs", "is_live"),
    [
        ([job(1), termination(2)], False),
        ([job(1), job(2, "START_DRILL")], False),
        ([job(1, participatingServers=FAILED)], False),
        ([job(1, "START_DRILL")], False),
        ([termination(1), job(2)], True),
        ([job(1), termination(2, status="STARTED")], True),
        ([job(1), termination(2, participatingServers=FAILED)], True),
        ([job(1), job(2, "START_DRILL", participatingServers=FAILED)], True),
        ([job(2), job(1, "START_DRILL")], True),
    ],
)
def test_only_a_termination_or_a_later_launch_ends_a_recovery(
    jobs: list[Job], is_live: bool
) -> None:
    assert bool(live_recoveries(["s-1"], [], jobs)) is is_live


@pytest.mark.parametrize("state", ["TERMINATED", "SHUTTING-DOWN", "NOT_FOUND"])
def test_ec2_saying_that_this_instance_is_gone_ends_a_recovery(state: str) -> None:
    gone = RecoveryInstance(
        source_server_id="s-1", job_id="drsjob-1", ec2_instance_state=state, is_drill=False
    )
    assert live_recoveries(["s-1"], [gone], [job(1)]) == {}
    earlier = gone.model_copy(update={"job_id": "drsjob-0"})
    assert set(live_recoveries(["s-1"], [earlier], [job(1)])) == {"s-1"}
