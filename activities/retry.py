"""Turns AWS errors into errors that Temporal retries."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from aws.errors import AwsError, TargetRefusedError


def retry_later(error: AwsError, *, after: float) -> ApplicationError:
    """An expected failure that Temporal retries after some seconds, with jitter."""
    delay = max(error.retry_after or 0.0, after) * random.uniform(0.8, 1.2)
    return ApplicationError(
        str(error),
        type=error.kind,
        next_retry_delay=timedelta(seconds=delay),
        category=ApplicationErrorCategory.BENIGN,
    )


@contextmanager
def retried_later(*, after: float) -> Iterator[None]:
    """Raise an AWS error of the block as one that Temporal retries; a refused target is lasting."""
    try:
        yield
    except TargetRefusedError as refused:
        raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from refused
    except AwsError as error:
        raise retry_later(error, after=after) from error
