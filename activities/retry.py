"""Turns AWS errors into errors that Temporal retries."""

import random
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from aws.errors import AwsError


def retry_later(error: AwsError, *, after: float) -> ApplicationError:
    """An expected failure that Temporal retries after some seconds, with jitter."""
    delay = max(error.retry_after or 0.0, after) * random.uniform(0.8, 1.2)
    return ApplicationError(
        str(error),
        type=error.kind,
        next_retry_delay=timedelta(seconds=delay),
        category=ApplicationErrorCategory.BENIGN,
    )
