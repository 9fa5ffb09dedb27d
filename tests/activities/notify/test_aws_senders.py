"""SNS and EventBridge of the local AWS, each with a queue behind it."""

import json
from typing import Any

import pytest

from activities.notify.aws_senders import _batches, _require_all
from activities.notify.channel_clients import ChannelClients
from activities.notify.delivery import DeliveryError
from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from tests.activities.notify.conftest import channel, failure
from tests.aws_in_process import ACCOUNT, REGION, LocalAws
from tests.recovery.notify.examples import EVENTS, EXAMPLES, decision, execution, notification

SENT = notification(decision())


class Queue:
    """A queue of SQS."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self._sqs = aws.client("sqs")
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self._url = self._sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def bodies(self) -> list[Any]:
        """The messages in it, which are then gone."""
        found: list[Any] = []
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, AttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            for each in answer["Messages"]:
                found.append(json.loads(each["Body"]) | {"Attributes": each.get("Attributes")})
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=each["ReceiptHandle"])


def topic(aws: LocalAws, name: str, queue: Queue) -> Channel:
    sns = aws.client("sns")
    fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
    arn = sns.create_topic(Name=name, Attributes=fifo)["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
    return channel(SNS={"TopicArn": arn})


def bus(aws: LocalAws, queue: Queue) -> Channel:
    events = aws.client("events")
    arn = events.create_event_bus(Name="recovery")["EventBusArn"]
    pattern = json.dumps({"source": ["drs-waves"]})
    events.put_rule(Name="all", EventBusName="recovery", EventPattern=pattern)
    target = {"Id": "queue", "Arn": queue.arn}
    events.put_targets(Rule="all", EventBusName="recovery", Targets=[target])
    return channel(EventBridge={"Bus": arn})


async def test_a_topic_gets_subject_text_and_attributes(
    aws: LocalAws, clients: ChannelClients
) -> None:
    queue = Queue(aws, "mail")
    await clients.send(topic(aws, "recovery", queue), SENT)
    (body,) = queue.bodies()
    assert body["Subject"] == "RECOVERY CRM: App failed, decide"
    lines = body["Message"].splitlines()
    assert (lines[0], lines[-1]) == (
        "RECOVERY CRM: App failed, decide",
        "https://waves.example.com/executions/crm-0f3b52a1c7d9",
    )
    attributes = body["MessageAttributes"]
    assert attributes["NotificationId"]["Value"] == "n-1"
    assert json.loads(attributes["EventKinds"]["Value"]) == ["DECISION_NEEDED"]


async def test_the_subject_is_short_and_ascii(aws: LocalAws, clients: ChannelClients) -> None:
    queue = Queue(aws, "mail")
    name = "Größe\n日本 " * 20
    item = decision(wave_name=name).model_copy(update={"execution": execution(name)})
    await clients.send(topic(aws, "recovery", queue), notification(item))
    (body,) = queue.bodies()
    assert body["Subject"].isascii()
    assert body["Subject"].startswith("RECOVERY Groe Groe")
    assert len(body["Subject"]) <= 100


async def test_a_fifo_topic_takes_a_message_once(aws: LocalAws, clients: ChannelClients) -> None:
    queue = Queue(aws, "mail.fifo")
    to = topic(aws, "recovery.fifo", queue)
    await clients.send(to, SENT)
    await clients.send(to, SENT)
    (body,) = queue.bodies()
    assert body["Attributes"]["MessageGroupId"] == "drs-waves"


async def test_a_missing_topic_is_a_failure(aws: LocalAws, clients: ChannelClients) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:missing"
    error = await failure(clients, channel(SNS={"TopicArn": arn}), SENT)
    assert str(error).startswith("Publish: NotFound")


async def test_a_bus_gets_an_event_an_item(aws: LocalAws, clients: ChannelClients) -> None:
    queue = Queue(aws, "events")
    items = (*(decision() for _ in range(11)), EVENTS[EventKind.WAVE_UP])
    await clients.send(bus(aws, queue), notification(*items))
    found = queue.bodies()
    kinds = [each["detail-type"] for each in found]
    assert sorted(kinds) == ["DECISION_NEEDED"] * 11 + ["WAVE_UP"]
    assert {each["source"] for each in found} == {"drs-waves"}
    detail = next(each["detail"] for each in found if each["detail-type"] == "WAVE_UP")
    assert (detail["Version"], detail["NotificationId"]) == (1, "n-1")
    assert detail["Item"]["Execution"]["PlanId"] == "crm"
    assert aws.calls("PutEvents", "events") == 2


async def test_an_event_that_is_not_accepted_is_a_failure(
    aws: LocalAws, clients: ChannelClients
) -> None:
    error = await failure(clients, channel(EventBridge={"Bus": "missing"}), SENT)
    assert "PutEvents" in str(error)


def test_a_part_that_is_not_accepted_is_a_failure() -> None:
    accepted = {"EventId": "1"}
    refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "later"}
    _require_all({"FailedEntryCount": 0, "Entries": [accepted, accepted]}, 2)
    for answer in (
        {"FailedEntryCount": 1, "Entries": [accepted, refused]},
        {"FailedEntryCount": 0, "Entries": [accepted, refused]},
        {"FailedEntryCount": 0, "Entries": [accepted]},
        {},
    ):
        with pytest.raises(DeliveryError, match="of 2 events were not accepted"):
            _require_all(answer, 2)


def test_a_request_is_no_larger_than_the_service_takes() -> None:
    batches = _batches([{"Detail": "x" * 100_000}] * 5)
    assert [len(each) for each in batches] == [2, 2, 1]


@pytest.mark.usefixtures("impatient")
async def test_aws_that_hangs_is_a_failure(aws: LocalAws, clients: ChannelClients) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:recovery"
    aws.fault("Publish", Service="sns", Effect="hang")
    error = await failure(clients, channel(SNS={"TopicArn": arn}), EXAMPLES["digest"])
    aws.clear_faults()
    assert "no response within 0.4 s" in str(error)


async def test_what_aws_refuses_for_good_is_permanent(
    aws: LocalAws, clients: ChannelClients
) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:recovery"
    for code, is_permanent in (("AuthorizationError", True), ("ThrottlingException", False)):
        aws.fault("Publish", Service="sns", Error=code)
        error = await failure(clients, channel(SNS={"TopicArn": arn}), SENT)
        assert code in str(error)
        assert error.is_permanent is is_permanent
        aws.clear_faults()
