"""Clients of the control API of the local AWS: scenarios, ledger, call log."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

_WAIT_SECONDS = 5.0
_RESPONSE_TIMEOUT_SECONDS = 30.0
_ATTEMPTS = 5
_RETRY_SECONDS = 0.2


class SandboxClient:
    """An asynchronous client of the control API. Each request runs in a thread."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def apply(self, **scenario: Any) -> None:
        """Apply a scenario, with the keys of the scenario file."""
        await self._request("POST", "scenario", body=json.dumps(scenario).encode())

    async def clear_faults(self, name: str = "") -> None:
        """Remove the faults whose names start with `name`, or all faults without a name."""
        await self._request("DELETE", "faults", {"name": name} if name else {})

    async def release(self, number: int | None = None) -> None:
        """Release the held response of a call, or all held responses without a number."""
        await self._request("POST", "release", {} if number is None else {"number": number})

    async def close_connections(self) -> None:
        """Close all connections of API clients, even during a request."""
        await self._request("DELETE", "connections")

    async def ledger(self) -> dict[str, Any]:
        """The events, jobs and server states of all accounts and Regions."""
        return await self._request("GET", "ledger")

    async def calls(self) -> dict[str, Any]:
        """The number of calls by operation and result, and the applied faults."""
        return await self._request("GET", "calls")

    async def log(self, *, after: int = 0, wait: float = 0.0) -> list[dict[str, Any]]:
        """The calls after a number. Waits up to `wait` seconds for the first."""
        response = await self._request("GET", "log", {"after": after, "wait": wait})
        return list(response["Calls"])

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Yield every new call, in order, as soon as its response is sent or held."""
        latest = await self.log()
        number = latest[-1]["Number"] if latest else 0
        while True:
            for entry in await self.log(after=number, wait=_WAIT_SECONDS):
                number = entry["Number"]
                yield entry

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: bytes | None = None,
    ) -> dict[str, Any]:
        url = f"{self._url}/_sandbox/{path}" + (f"?{urlencode(query)}" if query else "")
        return await asyncio.to_thread(_send, Request(url, data=body, method=method))


class CallLogPoller:
    """Polls the call log and returns new calls one at a time, with a timeout."""

    def __init__(self, aws: SandboxClient) -> None:
        self._aws = aws
        self._calls: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def next(self, *, within: float) -> dict[str, Any] | None:
        """The next call, or None if there is none in `within` seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._calls.get()
        except TimeoutError:
            return None

    async def _poll(self) -> None:
        async for entry in self._aws.follow():
            self._calls.put_nowait(entry)


def _send(request: Request) -> dict[str, Any]:
    for remaining in reversed(range(_ATTEMPTS)):
        try:
            with urlopen(request, timeout=_RESPONSE_TIMEOUT_SECONDS) as response:
                content: dict[str, Any] = json.load(response)
            return content
        except HTTPError as error:
            raise ValueError(
                f"the local AWS rejected the request: {error.read().decode()}"
            ) from error
        except OSError:
            # The connection was closed before the request was read, so it was not executed. After
            # that, the server does not close connections of control clients.
            if not remaining:
                raise
            time.sleep(_RETRY_SECONDS)
    raise AssertionError("the last attempt returns or raises")
