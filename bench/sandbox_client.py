"""A client of the control API of the local AWS: scenarios, ledger, call log."""

import math
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import httpx

_RESPONSE_TIMEOUT_SECONDS = 30.0
_CONNECT_ATTEMPTS = 5
_WAIT_SECONDS = 5.0


class SandboxClient:
    """An asynchronous client of the control API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url}/_sandbox/",
            timeout=_RESPONSE_TIMEOUT_SECONDS,
            transport=httpx.AsyncHTTPTransport(
                retries=_CONNECT_ATTEMPTS,
                # The server may close an idle connection while the next request is sent.
                limits=httpx.Limits(max_keepalive_connections=0),
            ),
        )

    async def apply(self, **scenario: Any) -> None:
        """Apply a scenario, with the keys of the scenario file."""
        await self._request("POST", "scenario", json=scenario)

    async def clear_faults(self, name: str = "") -> None:
        """Remove the faults whose names start with `name`, or all faults without a name."""
        await self._request("DELETE", "faults", params={"name": name})

    async def release(self, number: int | None = None) -> None:
        """Release the held response of a call, or all held responses without a number."""
        await self._request("POST", "release", params={} if number is None else {"number": number})

    async def close_connections(self) -> None:
        """Close all connections of API clients, even during a request."""
        await self._request("DELETE", "connections")

    async def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """The parts of the ledgers of all accounts and Regions."""
        backends = (await self._request("GET", "ledger"))["Backends"]
        return {
            part: [entry for backend in backends for entry in backend[part]]
            for part in ("Events", "Jobs", "Servers", "Launches", "Templates")
        }

    async def effects(self) -> list[dict[str, Any]]:
        """The acts that services other than DRS accepted, without idempotent repeats."""
        effects = (await self._request("GET", "effects"))["Effects"]
        return [each for each in effects if not each["IsRepeat"]]

    async def faults_applied(self) -> dict[str, int]:
        """The number of applied faults, by `service.Operation Error`."""
        return dict((await self._request("GET", "calls"))["FaultsApplied"])

    async def log(self, *, after: int = 0, wait: float = 0.0) -> list[dict[str, Any]]:
        """The calls after a number. Waits up to `wait` seconds for the first."""
        response = await self._request("GET", "log", params={"after": after, "wait": wait})
        return list(response["Calls"])

    async def close(self) -> None:
        """Close the client."""
        await self._http.aclose()

    async def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = await self._http.request(method, path, **options)
        if response.is_error:
            raise ValueError(f"the local AWS rejected the request: {response.text}")
        return dict(response.json())


class CallLogReader:
    """Reads the calls in order, each as soon as its response is sent or held."""

    def __init__(self, aws: SandboxClient) -> None:
        self._aws = aws
        self._last = 0
        self._unread: deque[dict[str, Any]] = deque()

    async def follow(self, *, within: float = math.inf) -> AsyncIterator[dict[str, Any]]:
        """Yield the calls that were not read before, and new calls for `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            while self._unread:
                yield self._unread.popleft()
            wait = min(deadline - time.monotonic(), _WAIT_SECONDS)
            if wait <= 0:
                return
            self._unread.extend(await self._aws.log(after=self._last, wait=wait))
            if self._unread:
                self._last = self._unread[-1]["Number"]
