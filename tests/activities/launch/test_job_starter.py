"""StartRecovery is sent while its fence holds, and without the servers that DRS refuses."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities import fence
from activities.launch.launch_activities import LaunchActivities
from aws.drs.client import DrsClient
from aws.errors import AwsError
from aws.sessions import AwsSessions
from recovery.execution.server import LaunchStatus
from recovery.plan.model import Target
from settings import Settings
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import (
    OTHER_ACCOUNT,
    REGION,
    Attempt,
    LocalAws,
    Temporal,
    batch,
    launch_activities,
    launch_result,
)

DEAD_SNAPSHOT = "pit-0123456789abcdef0"


async def test_a_call_whose_credentials_come_too_late_is_not_sent(aws: LocalAws) -> None:
    servers = aws.servers(1, AccountId=OTHER_ACCOUNT)
    aws.fault("AssumeRole", Service="sts", Effect="delay", Seconds=0.8)
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"
    api = DrsClient(AwsSessions(), Target(region=REGION, role_arn=role))
    not_after = time.monotonic() + 0.4
    with suppress(AwsError):
        await api.start_recovery(
            servers, is_drill=True, launch_ids=["crm-1/db/1/0"], not_after=not_after
        )
    assert aws.accepted(servers[0]) == []
    assert aws.calls("StartRecovery") == 0


class SlowFromTheFenceOn(Temporal):
    """Confirms the attempt, after which credentials take long to renew."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker
        self.confirmed: list[float] = []

    async def heartbeat(self, *details: Any, **how: Any) -> None:
        self.confirmed.append(time.time())
        self.marker.touch()


async def test_no_launch_arrives_later_than_its_fence_allows_however_slow_credentials_are(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seconds = 0.3
    monkeypatch.setattr(fence, "FENCE_SECONDS", seconds)
    marker, script, profile = (tmp_path / each for each in ("slow", "credentials", "config"))
    # Credentials that end so soon are renewed before each call.
    script.write_text(
        f"#!/bin/sh\n[ -e {marker} ] && sleep 0.8\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"key\\", \\"SecretAccessKey\\": \\"s\\", '
        '\\"SessionToken\\": \\"t\\", '
        '\\"Expiration\\": \\"$(date -u -d +5minutes +%Y-%m-%dT%H:%M:%SZ)\\"}"\n'
    )
    script.chmod(0o700)
    profile.write_text(f"[default]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    temporal = SlowFromTheFenceOn(marker)
    servers = aws.servers()
    launches = launch_activities(fast)
    with suppress(ApplicationError):
        await Attempt(temporal).run(launches.launch_batch, batch(launch(servers)))
    (confirmed, *_) = temporal.confirmed
    late = [each["Time"] - confirmed for each in aws.accepted(servers[0])]
    assert all(each <= seconds + 0.2 for each in late)


@pytest.mark.parametrize("names_it", [True, False])
async def test_a_dead_snapshot_of_one_server_holds_back_none_of_the_others(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, names_it: bool
) -> None:
    first, dead, last = aws.servers(3)
    dead.recovery_snapshot_id = DEAD_SNAPSHOT
    if not names_it:
        message = "One of the parameters is not valid"
        what = {"Error": "ValidationException", "Message": message}
        aws.fault("StartRecovery", Mentions=[DEAD_SNAPSHOT], **what)
    result = await launch_result(Attempt(temporal), launches, launch([first, dead, last]))
    assert aws.accepted(dead) == []
    for server, told in ((first, result.servers[0]), (last, result.servers[2])):
        assert told.reason is None
        (accepted,) = aws.accepted(server)
        assert told.recovery_job_id == accepted["JobId"]
    assert result.servers[1].launch_status is LaunchStatus.FAILED
    assert result.servers[1].recovery_job_id is None
    assert "Validation" in str(result.servers[1].reason)


async def test_several_servers_that_drs_refuses_without_a_name_hold_back_none_of_the_others(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    servers = aws.servers(7)
    refused = [servers[1], servers[4], servers[5]]
    for server in refused:
        what = {"Error": "AccessDeniedException", "Message": "Not you"}
        aws.fault("StartRecovery", Mentions=[server.source_server_id], **what)
    result = await launch_result(Attempt(temporal), launches, launch(servers))
    for server, told in zip(servers, result.servers, strict=True):
        jobs = [each["JobId"] for each in aws.accepted(server)]
        assert jobs == ([] if server in refused else [told.recovery_job_id])
        assert (told.launch_status is LaunchStatus.FAILED) == (server in refused)
        assert not told.taken_over


async def test_a_part_whose_answer_was_lost_is_found_and_not_sent_again(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal
) -> None:
    first, refused, last = servers = aws.servers(3)
    what = {"Error": "ValidationException", "Message": "One of them is not valid"}
    aws.fault("StartRecovery", Mentions=[refused.source_server_id], **what)
    aws.fault("StartRecovery", Effect="answer-lost", Times=1, After=1)
    attempt = Attempt(temporal)
    error = await attempt.run_failing(launches.launch_batch, batch(launch(servers)))
    assert not error.non_retryable
    assert attempt.heartbeats[-1]["Unanswered"] is True
    assert len(aws.accepted(first)) == 1
    result = await launch_result(attempt.next(), launches, launch(servers))
    for server, told in ((first, result.servers[0]), (last, result.servers[2])):
        (accepted,) = aws.accepted(server)
        assert told.recovery_job_id == accepted["JobId"]
    assert aws.accepted(refused) == []
