"""DRS's launch results from EventBridge, over SQS: a hint to look at once, never the truth.

Nothing is concluded from a message. It only makes the next poll of its account and Region due, so
a message that is late, repeated, forged or lost changes no result.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from botocore.config import Config
from pydantic import AliasPath, BaseModel, Field, ValidationError

from aws.errors import AwsError, AwsErrorKind
from aws.sessions import CallThreads, call, checked_session, client_config

# A worker that stops waits for the last call. SQS returns at most ten messages.
_WAIT_SECONDS = 5
_MESSAGES = 10
# A message that no poll waits for is given back to other workers; after as many receipts nobody
# waits for it.
_MAX_RECEIPTS = 5
_MIN_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 60.0


class _Detail(BaseModel):
    job_id: str = Field(alias="job-id")


class LaunchEvent(BaseModel):
    """The event `DRS Source Server Launch Result`, as far as it is read.

    Source: https://docs.aws.amazon.com/drs/latest/userguide/monitoring-event-bridge.html
    """

    source: Literal["aws.drs"]
    detail_type: Literal["DRS Source Server Launch Result"] = Field(alias="detail-type")
    account: str | None = None
    region: str
    detail: _Detail


Hint = Callable[[LaunchEvent], bool]
"""Make the poll due that an event is about; whether one waits for its job."""


class _Message(BaseModel):
    body: str = Field(default="", alias="Body")
    receipt_handle: str = Field(alias="ReceiptHandle")
    receipts: int = Field(
        default=1, validation_alias=AliasPath("Attributes", "ApproximateReceiveCount")
    )


class _Received(BaseModel):
    messages: list[_Message] = Field(default=[], alias="Messages")


class LaunchEventQueues:
    """Reads the queues of launch results for as long as a worker runs."""

    def __init__(self, urls: Sequence[str], on_event: Hint) -> None:
        """Prepare.

        Args:
            urls: of the SQS queues, which the worker reads with its own credentials. One that does
                not name its Region, such as that of a local AWS, is followed by `#` and the Region.
            on_event: called for each event.
        """
        self._urls = urls
        self._on_event = on_event
        # A call that waits for messages keeps its thread.
        self._threads = CallThreads(2 * len(urls) or 1)
        self._reading: list[asyncio.Task[None]] = []
        # By problem: what sends one message that is not understood sends many.
        self._logged: set[str] = set()

    async def __aenter__(self) -> None:
        """Begin to read."""
        self._reading = [asyncio.create_task(self._read(url)) for url in self._urls]

    async def __aexit__(self, *error: object) -> None:
        """Stop reading; what was not handled comes back to other workers."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def _read(self, given: str) -> None:
        url, _, region = given.partition("#")
        log = structlog.get_logger().bind(queue=url)
        client, pause, last = None, 0.0, ""
        while True:
            try:
                client = client or await call(self._threads, "CreateClient", _client, url, region)
                await self._read_once(client, url)
            except AwsError as error:
                if str(error) != last:
                    last = str(error)
                    log.warning("launch results cannot be read; polls go on alone", error=last)
                pause = min(max(_MIN_PAUSE_SECONDS, 2 * pause), _MAX_PAUSE_SECONDS)
                await asyncio.sleep(pause)
            else:
                if last:
                    log.info("launch results are read again")
                pause, last = 0.0, ""

    async def _read_once(self, client: Any, url: str) -> None:
        response = await call(
            self._threads,
            "ReceiveMessage",
            client.receive_message,
            QueueUrl=url,
            WaitTimeSeconds=_WAIT_SECONDS,
            MaxNumberOfMessages=_MESSAGES,
            AttributeNames=["ApproximateReceiveCount"],
        )
        messages = _messages(response)
        not_ours = [each for each in messages if not self._is_done(each)]
        done = [each for each in messages if each not in not_ours]
        if done:
            entries = _entries(done)
            await call(
                self._threads,
                "DeleteMessageBatch",
                client.delete_message_batch,
                QueueUrl=url,
                Entries=entries,
            )
        if not_ours:
            entries = [each | {"VisibilityTimeout": 0} for each in _entries(not_ours)]
            await call(
                self._threads,
                "ChangeMessageVisibilityBatch",
                client.change_message_visibility_batch,
                QueueUrl=url,
                Entries=entries,
            )

    def _is_done(self, message: _Message) -> bool:
        """Pass on the hint of a message; whether no other worker needs it."""
        try:
            event = LaunchEvent.model_validate_json(message.body)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]["type"]
            if problem not in self._logged:
                self._logged.add(problem)
                structlog.get_logger().warning(
                    "messages that are no launch results of DRS are deleted", problem=problem
                )
            return True
        return self._on_event(event) or message.receipts >= _MAX_RECEIPTS


def _client(url: str, region: str) -> Any:
    """A client for a queue, in its Region or the one that its address names."""
    parts = (urlsplit(url).hostname or "").split(".")
    if not region and parts[0] == "sqs" and len(parts) > 2:
        region = parts[1]
    config = client_config(retries=False).merge(Config(read_timeout=_WAIT_SECONDS + 10))
    return checked_session(region_name=region or None).client("sqs", config=config)


def _messages(response: dict[str, Any]) -> list[_Message]:
    try:
        return _Received.model_validate(response).messages
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        text = f"ReceiveMessage: the response has an unknown form: {place}"
        raise AwsError(AwsErrorKind.UNCLEAR, text) from None


def _entries(messages: Iterable[_Message]) -> list[dict[str, Any]]:
    return [
        {"Id": str(number), "ReceiptHandle": each.receipt_handle}
        for number, each in enumerate(messages)
    ]
