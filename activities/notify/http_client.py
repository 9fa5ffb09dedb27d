"""Posts to receivers over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import httpx

from activities.notify.delivery import TIMEOUT_SECONDS, DeliveryError

_MAX_BODY_BYTES = 2000
_RETRYABLE = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class HttpClient:
    """Posts to receivers; one connection pool for all."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=TIMEOUT_SECONDS)

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        accepted: range = range(200, 300),
    ) -> None:
        """Post JSON.

        Args:
            url: where to.
            body: the JSON.
            headers: besides Content-Type.
            secrets: what no error may say.
            accepted: the statuses that mean success.

        Raises:
            DeliveryError: the receiver did not accept it in time.
        """
        sent = {"Content-Type": "application/json", "User-Agent": "drs-waves", **(headers or {})}
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._client.stream("POST", url, content=body, headers=sent) as response,
            ):
                if response.status_code not in accepted:
                    raise _refusal(response.status_code, await _text(response), secrets)
        except TimeoutError:
            raise DeliveryError(f"no response within {TIMEOUT_SECONDS:g} s") from None
        except httpx.InvalidURL as error:
            reason = f"the URL cannot be used: {error}"
            raise DeliveryError(reason, is_permanent=True, secrets=(url, *secrets)) from None
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise DeliveryError(reason, secrets=(url, *secrets)) from None


def _refusal(status: int, text: str, secrets: Sequence[str]) -> DeliveryError:
    reason = f"the receiver answered HTTP {status}"
    if 300 <= status < 400:
        reason = f"{reason}, a redirect, which is not followed"
    reason = f"{reason}: {text}" if text else reason
    is_permanent = 300 <= status < 500 and status not in _RETRYABLE
    return DeliveryError(reason, is_permanent=is_permanent, secrets=secrets)


async def _text(response: httpx.Response) -> str:
    """The beginning of a body, as it came."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            break
    return body[:_MAX_BODY_BYTES].decode("utf-8", errors="replace")
