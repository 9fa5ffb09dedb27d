"""The log of API calls in the order of their responses, and the held responses."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from threading import Condition, Event
from typing import Any

from sandbox.http.aws_call import Call

OK = "OK"
HELD = "hold"
GONE = "gone"
_MAX_CALLS = 100_000


@dataclass
class LoggedCall:
    """One call. Field names are the JSON keys.

    Attributes:
        Number: The position of the call in the log, from 1.
        Time: Epoch seconds of the response, or of the start of the hold.
        Caller: `AWS_SDK_UA_APP_ID` of the caller, or empty if it is not set.
        Subjects: The IDs of the DRS resources in the request, and of the source servers of its
            jobs and instances.
        Result: OK, an error code, or the effect of a fault. For a held response: `hold` during the
            hold, then `gone` if the caller closed the connection before the release.
        Fault: The name of the applied fault.
        Held: Whether the response is held now.
    """

    Number: int
    Time: float
    Service: str
    Operation: str
    AccountId: str
    Region: str
    Caller: str
    Subjects: tuple[str, ...]
    Result: str
    Fault: str | None = None
    Held: bool = False


class CallLog:
    """An append-only log with blocking reads. It keeps the latest 100,000 calls."""

    def __init__(self) -> None:
        self._entries: deque[LoggedCall] = deque(maxlen=_MAX_CALLS)
        self._last = 0
        # By account, `service.Operation` and result.
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._held: dict[int, Event] = {}
        self._changed = Condition()

    def add(
        self, call: Call, result: str, *, now: float, fault: str | None = None, held: bool = False
    ) -> LoggedCall:
        """Log a call when its response is sent or its hold starts.

        Args:
            call: The API call.
            result: As `LoggedCall.Result`. A held call is counted at the end of the hold.
            now: Epoch seconds.
            fault: The name of the applied fault.
            held: Whether the response is held. The caller must then call `end_hold`.
        """
        with self._changed:
            self._last += 1
            entry = LoggedCall(
                self._last,
                now,
                call.service,
                call.operation,
                call.account_id,
                call.region,
                call.caller,
                call.resource_ids,
                result,
                fault,
                held,
            )
            self._entries.append(entry)
            if held:
                self._held[entry.Number] = Event()
            else:
                self._count(entry)
            self._changed.notify_all()
            return entry

    def is_released(self, entry: LoggedCall) -> bool:
        """Return whether a held response is released."""
        return self._held[entry.Number].is_set()

    def end_hold(self, entry: LoggedCall, result: str) -> None:
        """End the hold of a response and set the result of the call."""
        with self._changed:
            entry.Held, entry.Result = False, result
            del self._held[entry.Number]
            self._count(entry)

    def _count(self, entry: LoggedCall) -> None:
        name = f"{entry.Service}.{entry.Operation}"
        self._counts[entry.AccountId, name, entry.Result] += 1

    def release(self, numbers: Iterable[int] | None = None) -> int:
        """Release held responses.

        Args:
            numbers: The numbers of the calls; None means all calls that are held now.

        Returns:
            The number of released responses.
        """
        with self._changed:
            chosen = self._held if numbers is None else set(numbers) & set(self._held)
            for number in chosen:
                self._held[number].set()
            return len(chosen)

    def entries_after(self, number: int, *, wait: float = 0.0) -> list[dict[str, Any]]:
        """Return the calls after a number.

        Args:
            number: The number of the last known call, or 0.
            wait: Seconds to wait for the first call.
        """
        deadline = time.monotonic() + wait
        with self._changed:
            while self._last <= number and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            first = self._last - len(self._entries) + 1
            start = max(0, number + 1 - first)
            return [asdict(self._entries[index]) for index in range(start, len(self._entries))]

    def counts(self, account_id: str | None = None) -> dict[str, dict[str, int]]:
        """Return by `service.Operation` how often it was called with which result.

        Args:
            account_id: In which account; None means in all.
        """
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        with self._changed:
            for (account, name, result), count in self._counts.items():
                if account_id in (None, account):
                    found[name][result] += count
        return {name: dict(results) for name, results in sorted(found.items())}
