"""A faulty local DRS: responses are late, repeated, incomplete or lost, never invented."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sandbox.http.aws_call import identify
from sandbox.http.wsgi_server import ResponseWithheld

T = TypeVar("T")

LISTINGS = ("DescribeJobs", "DescribeJobLogItems", "DescribeRecoveryInstances")
OPERATIONS = (*LISTINGS, "GetLaunchConfiguration")
UNKNOWN_VALUE = "UNHEARD_OF"


_MARKED = (("Content-Type", "application/json"), ("x-amzn-requestid", "0f3b52a1-c7d9"))


class Fault(StrEnum):
    """What replaces a response."""

    THROTTLED = "throttled"
    BROKEN = "broken"
    LOST = "lost"
    CUT_OFF = "cut off"


@dataclass(frozen=True)
class Faults:
    """The faults of one operation's responses.

    Attributes:
        fault: replaces every response.
        age: by how many responses to the same request the response is outdated.
        is_empty: the listing is empty.
        is_reversed: the items are in reverse order.
        without: the omitted fields.
        unknown_value_of: the fields with unknown values.
        every_other: only the first, third, … item of each list is changed.
    """

    fault: Fault | None = None
    age: int = 0
    is_empty: bool = False
    is_reversed: bool = False
    without: frozenset[str] = frozenset()
    unknown_value_of: frozenset[str] = frozenset()
    every_other: bool = False

    @property
    def is_fault_free(self) -> bool:
        """Whether responses are unchanged."""
        return self == NO_FAULTS

    def change(self, answer: dict[str, Any]) -> dict[str, Any]:
        """A response with these faults."""
        arriving: dict[str, Any] = self._changed(answer)
        if "items" in answer:
            if self.is_empty:
                arriving["items"] = []
            if self.is_reversed:
                arriving["items"].reverse()
        return arriving

    def _changed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [
                each if self.every_other and number % 2 else self._changed(each)
                for number, each in enumerate(value)
            ]
        if not isinstance(value, dict):
            return value
        return {
            key: UNKNOWN_VALUE if key in self.unknown_value_of else self._changed(each)
            for key, each in value.items()
            if key not in self.without
        }


NO_FAULTS = Faults()


@dataclass(frozen=True)
class Response(Generic[T]):
    """A response that arrived, and the ledger when DRS created it."""

    operation: str
    snapshot: T
    faults: Faults


@dataclass
class FaultyDrs(Generic[T]):
    """A WSGI application in front of the sandbox's.

    Attributes:
        sandbox: the application with the correct responses.
        snapshot: returns the current ledger.
        faults: by operation; none for the others.
        arrived: the responses that arrived, oldest first.
    """

    sandbox: Callable[[dict[str, Any], Any], Iterable[bytes]]
    snapshot: Callable[[], T]
    faults: dict[str, Faults] = field(default_factory=dict)
    arrived: list[Response[T]] = field(default_factory=list)
    _responses: dict[bytes, list[tuple[T, dict[str, Any]]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Remove all responses and faults."""
        self.faults, self.arrived, self._responses = {}, [], {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Handle one request."""
        body: bytes = environ["wsgi.input"].getvalue()
        call = identify(environ, body)
        operation = call.operation if call else ""
        faults = self.faults.get(operation, NO_FAULTS)
        if faults.fault is not None:
            return _fault(faults.fault, start_response)
        status, content = self._ask(environ)
        headers = [*_MARKED]
        if not status.startswith("2") or operation not in OPERATIONS:
            start_response(status, [*headers, ("x-amzn-errortype", "ValidationException")])
            return [content]
        given = self._responses.setdefault(environ["PATH_INFO"].encode() + body, [])
        given.append((self.snapshot(), json.loads(content)))
        snapshot, answer = given[max(0, len(given) - 1 - faults.age)]
        self.arrived.append(Response(operation, snapshot, faults))
        start_response(status, headers)
        return [json.dumps(faults.change(answer)).encode()]

    def _ask(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        statuses: list[str] = []
        content = b"".join(self.sandbox(environ, lambda status, *_: statuses.append(status)))
        return statuses[0], content


def _fault(fault: Fault, start_response: Any) -> Iterable[bytes]:
    match fault:
        case Fault.LOST:
            raise ResponseWithheld
        case Fault.CUT_OFF:
            start_response("200 OK", [*_MARKED])
            return [b'{"items": [{"jobID": "drsj']
        case Fault.THROTTLED:
            status, code = "429 Too Many Requests", "ThrottlingException"
        case Fault.BROKEN:
            status, code = "500 Internal Server Error", "InternalServerException"
    start_response(status, [*_MARKED, ("x-amzn-errortype", code)])
    return [b'{"message": "not now"}']
