"""Sends requests to the API; its problem details become the errors of other client functions."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from client.errors import ApiUnreachableError, NoWorkerError, RefusedError, UnreachableError

API_VERSION = "1"
"""What this client understands; a server of another version refuses it."""
READ_SECONDS = 10.0
# A worker takes up to 30 s for a message, 150 s for readiness and for the end of a drill.
CHANGE_SECONDS = 180.0
# For the way to the API, and what it does before and after.
_MARGIN_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_PAUSES = (0.5, 1.0, 2.0, 4.0)
# A proxy's answers for a server that did not answer it, or not in time.
_LOST = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
_PROBLEM = "application/problem+json"
SIGN_IN = "Sign in again: `drs-waves login`"

# Returns the token to send, None for none; with True, another one than was just refused.
TokenSource = Callable[[bool], Coroutine[Any, Any, str | None]]


class ApiRefusedError(RefusedError):
    """The API refused a request.

    Attributes:
        status: HTTP's.
    """

    def __init__(self, text: str, status: int, *, command: str = "") -> None:
        super().__init__(text, command=command)
        self.status = status


def api_base(url: str) -> str:
    """The address of the API, given that of its pages or its own."""
    return url.rstrip("/").removesuffix("/api") + "/api"


class ApiClient:
    """The API at one address, to which alone the token is sent."""

    def __init__(
        self,
        url: str,
        token: TokenSource,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        if_lost: str = "",
    ) -> None:
        """Create a client.

        Args:
            url: of the API or its pages.
            token: returns the token.
            transport: default: the network.
            if_lost: what to do when it is lost; errors end with it.
        """
        self.url = url
        self._token = token
        self._if_lost = if_lost
        # Redirects are not followed: a token belongs to its address.
        self._http = httpx.AsyncClient(
            base_url=api_base(url),
            headers={"API-Version": API_VERSION},
            timeout=httpx.Timeout(READ_SECONDS, connect=_CONNECT_SECONDS),
            transport=transport,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a resource; parameters that are None are left out.

        Raises:
            RefusedError: the API refuses, or has no such resource.
            UnreachableError: the API, or what it needs, does not answer.
        """
        known = {name: value for name, value in parameters.items() if value is not None}
        try:
            return self._content(await self._sent("GET", path, params=known))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> tuple[Any, int]:
        """Send a request, again while no response arrives.

        Args:
            path: of the resource.
            body: sent as JSON.
            key: an idempotency key, for a request that would else be carried out twice.
            parameters: of the query.
            seconds: how long the API itself may need, if that is longer than usual.

        Returns:
            The JSON of the response, and its status.

        Raises:
            RefusedError: the API refuses.
            UnreachableError: the API, or what it needs, does not answer.
        """
        headers = {} if key is None else {"Idempotency-Key": key}
        timeout = max(CHANGE_SECONDS, seconds + _MARGIN_SECONDS)
        for pause in (*_PAUSES, None):
            try:
                response = await self._sent(
                    "POST",
                    path,
                    json=body,
                    params=parameters,
                    headers=headers,
                    timeout=httpx.Timeout(timeout, connect=_CONNECT_SECONDS),
                )
                if response.status_code not in _LOST:
                    return self._content(response), response.status_code
                error: Exception = httpx.HTTPError(f"HTTP {response.status_code} of a proxy")
            except httpx.ReadTimeout as late:
                raise self._unreachable(late, is_change=True) from late
            except httpx.TransportError as lost:
                error = lost
            if pause is None:
                raise self._unreachable(error, is_change=True) from error
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _sent(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        response = await self._http.request(
            method, path, headers=await self._headers(headers, renew=False), **request
        )
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            renewed = await self._headers(headers, renew=True)
            response = await self._http.request(method, path, headers=renewed, **request)
        return response

    async def _headers(self, more: Mapping[str, str] | None, *, renew: bool) -> dict[str, str]:
        token = await self._token(renew)
        return {**(more or {}), **({"Authorization": f"Bearer {token}"} if token else {})}

    def _unreachable(self, error: Exception, *, is_change: bool = False) -> ApiUnreachableError:
        why = str(error) or type(error).__name__
        hint = "Check DRS_WAVES_API_URL and the network"
        if is_change:
            hint = "If it was done all the same, `drs-waves status` shows it"
        return self._lost(f"the API at {self.url} does not answer ({why})", hint)

    def _content(self, response: httpx.Response) -> Any:
        """The JSON of a response.

        Raises:
            RefusedError: the API refused.
            UnreachableError: what the API needs does not answer.
        """
        kind = response.headers.get("content-type", "").partition(";")[0]
        try:
            found = response.json() if response.is_success or kind == _PROBLEM else None
        except ValueError:
            found = None
        if response.is_success and found is not None:
            return found
        if not response.is_success and isinstance(found, dict):
            raise _error_of(found, response.status_code, self._if_lost)
        place = f"{response.url.scheme}://{response.url.netloc.decode()}"
        raise self._lost(
            f"{place} answers HTTP {response.status_code}, and not as the API of drs-waves does",
            "Check DRS_WAVES_API_URL",
        )

    def _lost(self, text: str, hint: str) -> ApiUnreachableError:
        return ApiUnreachableError(
            text, command=f"{hint}. {self._if_lost}" if self._if_lost else hint
        )


def _error_of(
    problem: Mapping[str, Any], status: int, if_lost: str
) -> RefusedError | UnreachableError:
    remedy = problem.get("command_line")
    text = remedy or problem.get("detail", "")
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return ApiRefusedError(str(text).partition(";")[0], status, command=SIGN_IN)
        case HTTPStatus.SERVICE_UNAVAILABLE if problem.get("is_worker_missing"):
            return NoWorkerError(str(text))
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # What it says for the command line has its own remedy.
            return UnreachableError(str(text), command="" if remedy else if_lost)
        case _:
            return ApiRefusedError(_with_places(str(text), problem.get("problems") or []), status)


def _with_places(text: str, problems: list[dict[str, Any]]) -> str:
    """The text, with the problems of a plan that it only counts."""
    if len(problems) < 2 and not any(each.get("wave") for each in problems):
        return text
    return "\n".join([text, *(f"  {each.get('detail')}" for each in problems)])
