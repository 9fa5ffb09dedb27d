"""The last failure of a pending activity is short enough for Temporal to show it."""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from client.connection import MAX_FAILURE_BYTES, ShortFailureConverter

PAYLOADS = PayloadConverter.default


def converted(error: BaseException) -> Failure:
    failure = Failure()
    ShortFailureConverter().to_failure(error, PAYLOADS, failure)
    return failure


def raised(depth: int, text: str = "no answer") -> BaseException:
    """An error of an activity with as many causes, each raised in a function of its own."""

    def fail(left: int) -> None:
        if not left:
            raise ConnectionError(text)
        try:
            fail(left - 1)
        except Exception as error:
            raise RuntimeError(f"call {left}: {text}") from error

    try:
        try:
            fail(depth)
        except RuntimeError as error:
            raise ApplicationError(f"DRS: {text}", {"Known": 1}, type="THROTTLED") from error
    except ApplicationError as error:
        return error
    raise AssertionError


def test_of_a_long_chain_the_outermost_causes_stay() -> None:
    error = raised(30)
    longer = Failure()
    DefaultFailureConverter().to_failure(error, PAYLOADS, longer)
    assert longer.ByteSize() > 4096
    failure = converted(error)
    assert failure.ByteSize() <= MAX_FAILURE_BYTES
    assert failure.message == "DRS: no answer"
    assert failure.application_failure_info.type == "THROTTLED"
    assert failure.application_failure_info.details.payloads
    assert failure.cause.message == "call 30: no answer"
    assert "raise ApplicationError" in failure.stack_trace


def test_a_short_failure_stays_as_it_is() -> None:
    error = raised(1)
    usual = Failure()
    DefaultFailureConverter().to_failure(error, PAYLOADS, usual)
    assert usual.ByteSize() <= MAX_FAILURE_BYTES
    assert converted(error) == usual


def test_a_message_that_is_too_long_by_itself_stays() -> None:
    failure = converted(raised(3, "x" * 5000))
    assert failure.message == "DRS: " + "x" * 5000
    assert not failure.HasField("cause")
