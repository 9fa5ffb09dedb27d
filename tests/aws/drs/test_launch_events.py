"""Launch results over SQS: each event is a hint, and no message ends the reading."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from structlog.testing import capture_logs

from aws.drs import launch_events
from aws.drs.launch_events import LaunchEvent, LaunchEventQueues
from sandbox.aws import SandboxAws
from sandbox.launch_event_queue import make_launch_event_queues
from sandbox.scenario import read_scenario

SERVERS = [f"s-{number:017x}" for number in range(1, 4)]
REGION = "eu-west-1"
KEY = "sandbox"


@pytest.fixture(name="aws")
def running_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxAws]:
    servers = [{"SourceServerId": each, "Region": REGION} for each in SERVERS]
    scenario = read_scenario(json.dumps({"SourceServers": servers}))
    with SandboxAws(scenarios=[scenario], speed=3000.0) as aws:
        for name, value in {
            "AWS_ENDPOINT_URL": aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            # The queue's own Region counts.
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield aws


def client(aws: SandboxAws, service: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
    )


def launch(aws: SandboxAws, *server_ids: str) -> str:
    """Launch servers; the ID of the job."""
    response = client(aws, "drs").start_recovery(
        isDrill=True, sourceServers=[{"sourceServerID": each} for each in server_ids]
    )
    return str(response["job"]["jobID"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def count(aws: SandboxAws, url: str) -> int:
    """The messages in a queue, also those that somebody has received."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = url.partition("#")[0]
    asked = client(aws, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(number) for number in asked["Attributes"].values())


async def test_each_launch_that_ends_is_a_hint_and_its_message_is_deleted(aws: SandboxAws) -> None:
    (url,) = make_launch_event_queues(aws.endpoint_url, [REGION], access_key=KEY)
    seen: list[LaunchEvent] = []

    def hint(event: LaunchEvent) -> bool:
        seen.append(event)
        return True

    async with LaunchEventQueues([url], hint):
        job_id = await asyncio.to_thread(launch, aws, *SERVERS)
        await until(lambda: len(seen) == len(SERVERS))
        await until(lambda: count(aws, url) == 0)
    assert {(event.region, event.detail.job_id) for event in seen} == {(REGION, job_id)}


async def test_what_nobody_here_waits_for_is_given_back_a_few_times(aws: SandboxAws) -> None:
    (url,) = make_launch_event_queues(aws.endpoint_url, [REGION], access_key=KEY)
    seen: list[LaunchEvent] = []

    def hint(event: LaunchEvent) -> bool:
        seen.append(event)
        return False

    async with LaunchEventQueues([url], hint):
        await asyncio.to_thread(launch, aws, SERVERS[0])
        await until(lambda: len(seen) == 5)
        await until(lambda: count(aws, url) == 0)
    assert len(seen) == 5


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "{}",
        json.dumps({"source": "aws.ec2", "detail-type": "DRS Source Server Launch Result"}),
        json.dumps({"source": "aws.drs", "detail-type": "Something else", "region": REGION}),
    ],
)
async def test_a_message_of_another_kind_is_deleted_and_reading_goes_on(
    aws: SandboxAws, body: str
) -> None:
    (url,) = make_launch_event_queues(aws.endpoint_url, [REGION], access_key=KEY)
    client(aws, "sqs").send_message(QueueUrl=url.partition("#")[0], MessageBody=body)
    seen: list[LaunchEvent] = []

    def hint(event: LaunchEvent) -> bool:
        seen.append(event)
        return True

    async with LaunchEventQueues([url], hint):
        await until(lambda: count(aws, url) == 0)
        assert not seen
        await asyncio.to_thread(launch, aws, SERVERS[0])
        await until(lambda: bool(seen))


async def test_messages_of_another_kind_are_logged_once_a_kind(aws: SandboxAws) -> None:
    (url,) = make_launch_event_queues(aws.endpoint_url, [REGION], access_key=KEY)
    for body in ("{}", "{}", "not JSON", "not JSON"):
        client(aws, "sqs").send_message(QueueUrl=url.partition("#")[0], MessageBody=body)
    with capture_logs() as logs:
        async with LaunchEventQueues([url], lambda _: True):
            await until(lambda: count(aws, url) == 0)
    assert sorted(each["problem"] for each in logs) == ["json_invalid", "missing"]


@pytest.mark.parametrize(
    "odd",
    [
        {"Messages": [{"Body": "{}"}]},
        {"Messages": [{"ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "many"}}]},
        {"Messages": "none"},
    ],
)
async def test_a_response_of_an_unknown_form_does_not_end_the_reading(
    odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_events, "_MIN_PAUSE_SECONDS", 0.01)
    responses = [odd, {}]

    class Sqs:
        def receive_message(self, **request: Any) -> dict[str, Any]:
            return responses.pop(0) if responses else {}

    monkeypatch.setattr(launch_events, "_client", lambda url, region: Sqs())
    with capture_logs() as logs:
        async with LaunchEventQueues(["http://127.0.0.1/1/q"], lambda event: True):
            await until(lambda: any("read again" in each["event"] for each in logs))
    assert "unknown form: Messages" in logs[0]["error"]


async def test_a_queue_that_is_not_there_yet_is_read_once_it_is(aws: SandboxAws) -> None:
    seen: list[LaunchEvent] = []

    def hint(event: LaunchEvent) -> bool:
        seen.append(event)
        return True

    url = f"{aws.endpoint_url}/123456789012/drs-waves-launch-results#{REGION}"
    async with LaunchEventQueues([url], hint):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(
            make_launch_event_queues, aws.endpoint_url, [REGION], access_key=KEY
        )
        await asyncio.to_thread(launch, aws, SERVERS[0])
        await until(lambda: bool(seen))


@pytest.mark.parametrize(
    ("how", "expected"),
    [({"Copies": 3}, 9), ({"LostRate": 1}, 0), ({"LateSeconds": 0.5}, 3)],
)
async def test_events_come_as_the_scenario_says(
    aws: SandboxAws, how: dict[str, float], expected: int
) -> None:
    (url,) = make_launch_event_queues(aws.endpoint_url, [REGION], access_key=KEY)
    aws.control.apply(json.dumps({"LaunchEvents": how}))
    await asyncio.to_thread(launch, aws, *SERVERS)
    await until(lambda: count(aws, url) == expected)
    await asyncio.sleep(0.7)
    assert count(aws, url) == expected
