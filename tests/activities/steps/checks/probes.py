"""Probes of checks against the local AWS and its recovered servers."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from activities.steps.checks.registry import CHECKS
from activities.steps.interface import Probe
from activities.steps.resolving import CallResolver
from activities.steps.step_clients import StepClients
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.steps import StepCall, StepServer
from settings import Settings
from tests.activities.steps.step_calls import step_call
from tests.aws_in_process import TARGET, LocalAws

Prober = Callable[[StepCall], Awaitable[Probe]]


@pytest.fixture
def probe(fast: Settings) -> Prober:
    """Try a check once, as a worker does."""
    services = ServiceClient(TargetClients(fast))
    clients = StepClients(services, fast)

    async def once(call: StepCall) -> Probe:
        step = await CallResolver(services).resolve(call, time.time)
        return await CHECKS[call.step.kind](clients).probe(step)

    return once


def recovered(aws: LocalAws, count: int = 1, **behavior: Any) -> list[StepServer]:
    """Servers that are up, which behave as the scenario says."""
    servers = aws.servers(count, LiveRecoveryInstance="DRILL", **behavior)
    instances = [
        instance
        for page in aws.client("ec2").get_paginator("describe_instances").paginate()
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]
    by_server = {
        tag["Value"]: str(instance["InstanceId"])
        for instance in instances
        for tag in instance["Tags"]
        if tag["Key"] == "AWSElasticDisasterRecoverySourceServerID"
    }
    return [
        StepServer(
            source_server_id=each.source_server_id,
            instance_id=by_server[each.source_server_id],
            name=f"web-{number}",
            target=TARGET,
        )
        for number, each in enumerate(servers, start=1)
    ]


def check(servers: list[StepServer], **step: Any) -> StepCall:
    """A check of servers."""
    ids = [each.source_server_id for each in servers]
    return step_call(call={"servers": servers, "server_ids": ids}, **step)
