"""Failures as short as Temporal shows them."""

from collections.abc import Iterator

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter

# Of an activity that is tried again, Temporal keeps up to 4 KB of the last failure, and of a longer
# one only that it was too long (dynamicconfig: mutableStateActivityFailureSizeLimitError).
MAX_BYTES = 3_500
_STACK_CHARACTERS = 500


class ShortFailureConverter(DefaultFailureConverter):
    """Shortens stack traces and leaves out the innermost causes, until Temporal shows the rest."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """See base class."""
        super().to_failure(exception, payload_converter, failure)
        if failure.ByteSize() <= MAX_BYTES:
            return
        for each in _chain(failure):
            each.stack_trace = each.stack_trace[-_STACK_CHARACTERS:]
        while failure.ByteSize() > MAX_BYTES and failure.HasField("cause"):
            *_, before, _last = _chain(failure)
            before.ClearField("cause")


def _chain(failure: Failure) -> Iterator[Failure]:
    """A failure and its causes, from the outermost."""
    yield failure
    while failure.HasField("cause"):
        failure = failure.cause
        yield failure
