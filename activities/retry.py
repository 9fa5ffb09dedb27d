"""How an activity leaves to Temporal what AWS did not answer."""

import random
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from aws.errors import AwsTrouble


def retry_later(trouble: AwsTrouble, *, after: float) -> ApplicationError:
    """An expected failure that Temporal tries again after some seconds, with jitter."""
    delay = max(trouble.retry_after or 0.0, after) * random.uniform(0.8, 1.2)
    return ApplicationError(
        str(trouble),
        type=trouble.kind,
        next_retry_delay=timedelta(seconds=delay),
        category=ApplicationErrorCategory.BENIGN,
    )
