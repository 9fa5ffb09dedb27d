"""Launching when a gateway answers instead of DRS. The ledger is the judge."""

import pytest

from activities.launch.launch_activities import LaunchActivities
from tests.activities.launch.test_attempt import launch
from tests.aws_in_process import Attempt, LocalAws, Temporal, batch, launch_result
from tests.gateway import HTML, Answer, gateway


@pytest.mark.parametrize("status", [403, 404])
async def test_a_launch_that_a_gateway_answers_with_html_is_looked_for_and_not_asked_again(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    def blocked(operation: str, answer: Answer) -> Answer:
        return (status, "", HTML) if operation == "StartRecovery" else answer

    servers = aws.servers()
    request = launch(servers)
    async with gateway(aws, blocked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        first = Attempt(temporal)
        error = await first.run_failing(launches.launch_batch, batch(request))
        assert not error.non_retryable
        assert first.heartbeats[-1]["Unanswered"] is True
        result = await launch_result(first.next(), launches, request)
    assert result.job_id == aws.accepted(servers[0])[0]["JobId"]
    assert aws.calls("StartRecovery") == 1


async def test_html_of_a_gateway_does_not_say_that_the_guard_may_not_be_read(
    aws: LocalAws, launches: LaunchActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocked(operation: str, answer: Answer) -> Answer:
        return (403, "", HTML) if operation == "DescribeRecoveryInstances" else answer

    async with gateway(aws, blocked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        error = await Attempt(temporal).run_failing(
            launches.launch_batch, batch(launch(aws.servers()))
        )
    assert not error.non_retryable
    assert aws.calls("StartRecovery") == 0
