"""How often a caller may do what costs others something, counted by all servers together."""

import asyncio
import math
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import structlog
from fastapi.requests import HTTPConnection
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage

from settings import Settings
from storage.dynamodb import TableError
from storage.rate_counts import RateCountTable

# A start must not wait for a DynamoDB that does not answer, and only one request in a while may.
_ANSWER_SECONDS = 2.0
_UNAVAILABLE_SECONDS = 30.0


class TooManyRequestsError(Exception):
    """A limit is exceeded; the message says which one, and when to try again.

    Attributes:
        retry_after: whole seconds until the next window.
    """

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limit:
    """A limit a minute.

    Attributes:
        item: its name and its amount.
        text: that it is reached, with `{amount}` and `{who}`.
    """

    item: RateLimitItem
    text: str

    @classmethod
    def of(cls, name: str, amount: int, text: str) -> "Limit":
        """A limit of so many a minute."""
        return cls(RateLimitItemPerMinute(amount, namespace=name), text)


FAILED_SIGN_INS = Limit.of(
    "failed-sign-ins",
    10,
    "{amount} wrong tokens came from {who} within a minute, the limit",
)
READINESS = Limit.of(
    "readiness", 30, "{who} checked plans {amount} times within a minute, the limit"
)
JOB_LOGS = Limit.of("job-logs", 30, "{who} read job logs {amount} times within a minute, the limit")


def starts(settings: Settings) -> Limit:
    """The limit of starts."""
    text = "{who} started {amount} executions within a minute, the limit"
    text += " (DRS_WAVES_STARTS_A_MINUTE)"
    return Limit.of("starts", settings.starts_a_minute, text)


class RateLimits:
    """Counts in windows of a minute, which begin with the minutes of the clock.

    DynamoDB counts for all servers. While it does not answer, each server counts by itself: a
    recovery must start. A caller may use two windows in a row, so twice the amount around the full
    minute; no more is needed against floods.
    """

    def __init__(self, settings: Settings) -> None:
        self._table = RateCountTable(settings)
        self._own = MemoryStorage()
        self._unavailable_until = -math.inf

    async def count(self, limit: Limit, who: str) -> None:
        """Count one of somebody.

        Raises:
            TooManyRequestsError: it is one too many.
        """
        seconds, now = limit.item.get_expiry(), time.time()
        end = (int(now) // seconds + 1) * seconds
        counter = f"{limit.item.key_for(who)}/{end}"
        amount = limit.item.amount
        counted = self._own.incr(counter, seconds)
        # A caller above the limit here costs no further calls.
        if counted <= amount:
            counted = max(counted, await self._shared(counter, end))
        if counted > amount:
            retry_after = max(1, math.ceil(end - now))
            text = limit.text.format(amount=amount, who=who)
            if counted == amount + 1:
                structlog.get_logger().warning(f"{text}; more are refused until the minute ends")
            raise TooManyRequestsError(f"{text}; try again in {retry_after} s", retry_after)

    async def _shared(self, counter: str, end: int) -> int:
        """The count of all servers; 0 if it is not known."""
        if time.monotonic() < self._unavailable_until:
            return 0
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                # Kept for longer, as the clocks of servers differ.
                return await self._table.count(counter, expires=end + 3600)
        except (TableError, TimeoutError) as error:
            self._unavailable_until = time.monotonic() + _UNAVAILABLE_SECONDS
            why = str(error) or f"{self._table.name} does not answer within {_ANSWER_SECONDS:g} s"
            structlog.get_logger().warning(f"rate limits are counted by this server alone: {why}")
            return 0


def address_of(request: HTTPConnection) -> str:
    """The address of a client, or its network where one client has many (IPv6: /64).

    Behind a proxy of DRS_WAVES_TRUSTED_PROXIES it is the one that the proxy names; of other clients
    the one that is connected, whatever they claim.
    """
    host = request.client.host if request.client else "an unknown address"
    try:
        address = ip_address(host)
    except ValueError:
        return host[:100]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
