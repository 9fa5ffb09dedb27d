"""Signs a person in at the identity provider of the API, in the browser or with a device code.

OAuth 2.0 for native apps (RFC 8252) with PKCE (RFC 7636), and the device grant (RFC 8628).
"""

import asyncio
import base64
import hashlib
import html
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from client.remote.sign_in_options import SignInOptions
from client.remote.token_store import StoredToken
from recovery.text_format import visible
from settings import is_loopback

_PROVIDER_SECONDS = 15.0
_PERSON_SECONDS = 300.0
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DISCOVERY = "/.well-known/openid-configuration"
_PAGE = (
    "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
    "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    "<!doctype html><title>drs-waves</title><p>{text}</p>"
)


class SignInError(Exception):
    """The sign-in failed; the message says why."""


class ProviderLostError(SignInError):
    """The identity provider does not answer."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"the identity provider at {place} does not answer: {why}")


class SignIn:
    """One sign-in at a provider."""

    def __init__(
        self, options: SignInOptions, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Create it; `transport` is to the provider, by default the network."""
        self._options = options
        self._transport = transport
        self._provider: dict[str, Any] = {}

    async def read_provider(self) -> None:
        """Read the provider's endpoints.

        Raises:
            SignInError: it does not answer, or is another one.
        """
        issuer = str(self._options.issuer)
        _require_tls(issuer)
        found = await _answer("GET", issuer.rstrip("/") + _DISCOVERY, None, self._transport)
        if found.get("issuer") != issuer:
            raise SignInError(f"{issuer} answers as another issuer, {found.get('issuer')!r}")
        self._provider = found

    @property
    def has_device_flow(self) -> bool:
        """Whether the provider signs people in with a code that they type elsewhere."""
        return "device_authorization_endpoint" in self._provider

    async def in_browser(self, open_page: Callable[[str], object]) -> StoredToken:
        """Sign in on a page of the provider, which sends the browser back to this machine.

        Args:
            open_page: opens an address in the browser.

        Raises:
            SignInError: the person or the provider refused, or nobody signed in in time.
        """
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        digest = hashlib.sha256(verifier.encode()).digest()
        async with _redirected(state) as (redirect_uri, answer):
            query = {
                **self._asked(),
                "response_type": "code",
                "redirect_uri": redirect_uri,
                "state": state,
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
            page = self._endpoint("authorization_endpoint")
            open_page(f"{page}{'&' if '?' in page else '?'}{urlencode(query)}")
            try:
                async with asyncio.timeout(_PERSON_SECONDS):
                    received = await answer
            except TimeoutError as error:
                raise SignInError(f"nobody signed in within {_PERSON_SECONDS:g} s") from error
        if received.get("iss", self._options.issuer) != self._options.issuer:
            raise SignInError("another provider answered the sign-in")
        if "code" not in received:
            raise SignInError(_refusal(received))
        return await self._token(
            grant_type="authorization_code",
            code=received["code"],
            redirect_uri=redirect_uri,
            code_verifier=verifier,
        )

    async def with_device(self, show: Callable[[str, str], object]) -> StoredToken:
        """Sign in with a code that the person types on another machine.

        Args:
            show: shows an address and a code.

        Raises:
            SignInError: the person or the provider refused, or nobody signed in in time.
        """
        endpoint = self._endpoint("device_authorization_endpoint")
        asked = await _answer("POST", endpoint, self._asked(), self._transport)
        try:
            device, page = asked["device_code"], asked["verification_uri"]
            show(visible(asked.get("verification_uri_complete", page)), visible(asked["user_code"]))
            pause, ends = float(asked.get("interval", 5)), time.monotonic() + asked["expires_in"]
        except (KeyError, TypeError, ValueError) as error:
            raise SignInError(f"{endpoint} does not answer as RFC 8628 says") from error
        while time.monotonic() < ends:
            await asyncio.sleep(pause)
            try:
                return await self._token(grant_type=_DEVICE_GRANT, device_code=device)
            except _PendingError as pending:
                pause += pending.longer
        raise SignInError("nobody signed in before the code ended")

    def _asked(self) -> dict[str, str]:
        asked = {"client_id": str(self._options.client_id), "scope": self._options.scopes}
        # Not of a standard, but some providers need it; others ignore it.
        return asked | ({"audience": self._options.audience} if self._options.audience else {})

    def _endpoint(self, name: str) -> str:
        url = str(self._provider.get(name) or "")
        if not url:
            raise SignInError(f"{self._options.issuer} has no {name}")
        _require_tls(url)
        return url

    async def _token(self, **grant: str) -> StoredToken:
        endpoint, client_id = self._endpoint("token_endpoint"), str(self._options.client_id)
        form = grant | {"client_id": client_id}
        return _stored(await _answer("POST", endpoint, form, self._transport), endpoint, client_id)


async def refreshed(
    known: StoredToken, transport: httpx.AsyncBaseTransport | None = None
) -> StoredToken:
    """A new access token for one that has ended.

    Raises:
        SignInError: the provider does not give one.
    """
    if known.refresh_token is None or known.token_endpoint is None or known.client_id is None:
        raise SignInError("the provider gave no refresh token")
    form = {
        "grant_type": "refresh_token",
        "refresh_token": known.refresh_token.get_secret_value(),
        "client_id": known.client_id,
    }
    answer = await _answer("POST", known.token_endpoint, form, transport)
    found = _stored(answer, known.token_endpoint, known.client_id)
    # Without a new one, the old one stays valid (RFC 6749, section 6).
    found.refresh_token = found.refresh_token or known.refresh_token
    return found


class _PendingError(SignInError):
    """The person has not signed in yet; asking again is `longer` seconds later."""

    def __init__(self, longer: float) -> None:
        super().__init__("nobody has signed in yet")
        self.longer = longer


def _stored(answer: dict[str, Any], endpoint: str, client_id: str) -> StoredToken:
    token, lasts = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token:
        raise SignInError(f"{endpoint} gave no access token")
    return StoredToken.model_validate(
        {
            "access_token": token,
            "refresh_token": answer.get("refresh_token"),
            "expires_time": time.time() + lasts if isinstance(lasts, int | float) else None,
            "token_endpoint": endpoint,
            "client_id": client_id,
        }
    )


async def _answer(
    method: str,
    url: str,
    form: dict[str, str] | None,
    transport: httpx.AsyncBaseTransport | None,
) -> dict[str, Any]:
    """A provider's JSON; its texts are shown only as far as a standard has them."""
    place = urlsplit(url).netloc
    try:
        async with httpx.AsyncClient(timeout=_PROVIDER_SECONDS, transport=transport) as client:
            response = await client.request(method, url, data=form)
        found = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = "no JSON" if isinstance(error, ValueError) else str(error) or type(error).__name__
        # Not `from`: the error of a body that is not JSON has the body.
        raise ProviderLostError(place, why) from None
    if not isinstance(found, dict):
        raise ProviderLostError(place, "no JSON object")
    match found.get("error"):
        case None if response.is_success:
            return found
        case "authorization_pending":
            raise _PendingError(0.0)
        case "slow_down":
            # RFC 8628, section 3.5.
            raise _PendingError(5.0)
    raise SignInError(_refusal(found))


def _refusal(answer: dict[str, Any]) -> str:
    parts = [str(answer.get(key)) for key in ("error", "error_description") if answer.get(key)]
    return visible(f"the identity provider refused: {': '.join(parts) or 'without a reason'}")[:300]


def _require_tls(url: str) -> None:
    if not url.startswith("https://") and not is_loopback(url):
        raise SignInError(f"{urlsplit(url).netloc} is not asked, because it has no https://")


@asynccontextmanager
async def _redirected(state: str) -> AsyncIterator[tuple[str, asyncio.Future[dict[str, str]]]]:
    """Listen on loopback for the browser; the address, and what it will bring with this state."""
    received: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).split(b" ")[1:2]
        address = urlsplit(target[0].decode("ascii", "replace") if target else "")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        is_ours = address.path == "/callback" and secrets.compare_digest(
            query.get("state", "").encode(), state.encode()
        )
        status, text = "400 Bad Request", "This is not the answer to a sign-in of drs-waves."
        if is_ours:
            status, text = "200 OK", "Signed in. You can close this page."
            if "code" not in query:
                text = f"Not signed in: {html.escape(query.get('error', 'refused'))}."
        if is_ours and not received.done():
            received.set_result(query)
        writer.write(_PAGE.format(status=status, text=text).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback", received
