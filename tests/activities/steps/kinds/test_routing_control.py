"""Routing controls: any endpoint of the cluster will do, and safety rules hold."""

import socket
from typing import Any

import pytest

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

PANEL = f"arn:aws:route53-recovery-control::123456789012:controlpanel/{'0' * 32}"
ARN, OTHER = f"{PANEL}/routingcontrol/{'1' * 16}", f"{PANEL}/routingcontrol/{'2' * 16}"
SERVICE = "route53-recovery-cluster"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


@pytest.fixture
def steps(aws: LocalAws, fast: Settings) -> StepActivities:
    controls = [
        {"RoutingControlArn": ARN, "Name": "shop", "State": "Off"},
        {"RoutingControlArn": OTHER, "Name": "old", "State": "On"},
    ]
    aws.apply(RoutingControls=controls)
    return step_activities(fast)


def control(aws: LocalAws, **keys: Any) -> Any:
    url = aws.server.endpoint_url
    endpoints = {each: f"{url}/_recovery-cluster/{each}/v1" for each in REGIONS}
    spec = {"RoutingControlArn": ARN, "State": "On", "ClusterEndpoints": endpoints} | keys
    return step_call(RoutingControl=spec)


async def test_a_control_is_set_and_what_was_there_is_kept(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    start = await Attempt(temporal).run(steps.start_step, control(aws))
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert start.before == {"Was": "Off", "SetTo": "On"}
    again = await Attempt(temporal).run(steps.start_step, control(aws))
    assert again.before == {"Was": "On", "SetTo": "On"}


@pytest.mark.parametrize("effect", ["drop", "gateway-before", "answer-lost"])
async def test_the_next_endpoint_is_tried(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, effect: str
) -> None:
    for region in REGIONS[:2]:
        aws.fault("*", Service=SERVICE, Effect=effect, Region=region)
    start = await Attempt(temporal).run(steps.start_step, control(aws))
    assert start.outcome is StartOutcome.STARTED


async def test_without_an_endpoint_it_is_tried_again_later(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    aws.fault("*", Service=SERVICE, Effect="drop")
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, control(aws))


async def test_a_safety_rule_fails_the_step_with_its_text(
    aws: LocalAws, steps: StepActivities, temporal: Temporal
) -> None:
    rule = {"Name": "one-is-on", "RoutingControlArns": [ARN, OTHER], "AtLeast": 1}
    aws.apply(SafetyRules=[rule])
    call = control(aws, RoutingControlArn=OTHER, State="Off")
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "ConflictException" in start.reason


async def test_what_is_checked_of_an_endpoint_is_what_is_connected_to(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose address changes after the check does not lead anywhere else."""
    looked_up, real = [], socket.getaddrinfo

    def answers(host: Any, *args: Any, **keys: Any) -> Any:
        if host != "cluster.example.com":
            return real(host, *args, **keys)
        looked_up.append(host)
        return real("127.0.0.1" if len(looked_up) % 2 else "169.254.169.254", *args, **keys)

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    url = aws.server.endpoint_url.replace("127.0.0.1", "cluster.example.com")
    assert "cluster.example.com" in url
    endpoints = {"us-east-1": f"{url}/_recovery-cluster/us-east-1/v1"}
    # The state before, then the change: a look-up each.
    start = await Attempt(temporal).run(steps.start_step, control(aws, ClusterEndpoints=endpoints))
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "link-local" in start.reason
    assert looked_up == ["cluster.example.com"] * 2


@pytest.mark.parametrize("url", ["https://169.254.169.254/v1", "file:///etc/passwd", "https://["])
async def test_an_endpoint_that_is_refused_is_not_called(
    aws: LocalAws, steps: StepActivities, temporal: Temporal, url: str
) -> None:
    call = control(aws, ClusterEndpoints={"us-east-1": url})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
