"""Keeps a call from being sent later than it is safe to send it."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aws.errors import AwsError, AwsErrorKind


@dataclass
class Sending:
    """A call that has an effect.

    Attributes:
        not_after: when it must no longer be sent (`time.monotonic`).
        began: it was signed, and may have been sent; else it certainly was not.
    """

    not_after: float = math.inf
    began: bool = False


_sending: ContextVar[Sending | None] = ContextVar("sending", default=None)


@contextmanager
def sending_as(sending: Sending) -> Iterator[None]:
    """Send the call of the block in its time, or not at all, and note that.

    Only one of a client that `refuse_late_calls` has prepared.
    """
    token = _sending.set(sending)
    try:
        yield
    finally:
        _sending.reset(token)


def refuse_late_calls(client: Any) -> None:
    """Prepare a client of boto3; again has no effect."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(
        f"before-send.{service}", _refuse_late_call, unique_id="drs-waves-late"
    )


def _refuse_late_call(**_: object) -> None:
    """Called by botocore after it resolved credentials and signed, right before it sends."""
    sending = _sending.get()
    if sending is None:
        return
    if time.monotonic() > sending.not_after:
        raise AwsError(
            AwsErrorKind.THROTTLED,
            "AWS or its credentials answer too slowly to call AWS safely, so nothing was sent",
        )
    sending.began = True
