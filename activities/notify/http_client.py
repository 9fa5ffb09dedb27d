"""Posts to receivers over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import httpx

from activities.notify.delivery import TIMEOUT_SECONDS, DeliveryError
from activities.outbound.addresses import AddressRefusedError, UnknownHostError
from activities.outbound.http_transport import CheckedTransport, beginning

_MAX_BODY_BYTES = 2000
_RETRYABLE = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class HttpClient:
    """Posts to receivers."""

    def __init__(self) -> None:
        transport = CheckedTransport(uses_proxy=True)
        self._client = httpx.AsyncClient(
            transport=transport, follow_redirects=False, timeout=TIMEOUT_SECONDS
        )

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
                    text = (await beginning(response, _MAX_BODY_BYTES)).decode(errors="replace")
                    raise _refusal(response.status_code, text, secrets)
        except TimeoutError:
            raise DeliveryError(f"no response within {TIMEOUT_SECONDS:g} s") from None
        except AddressRefusedError as error:
            raise DeliveryError(str(error), is_permanent=True, secrets=(url, *secrets)) from None
        except UnknownHostError as error:
            raise DeliveryError(str(error), secrets=(url, *secrets)) from None
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
