"""Sign-in at the OpenID provider: authorization code with PKCE (RFC 7636), state and nonce.

Nothing of a sign-in is kept in memory: the browser holds it, encrypted, so it may end at another
server than the one where it began.
"""

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx
import structlog
from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel

from api.auth.provider import PROVIDER_SECONDS, ProviderUnavailableError
from api.auth.tokens import Authenticator, NotAuthenticatedError
from settings import Settings

SIGN_IN_SECONDS = 600
# Providers' texts are shown; nobody needs more of them.
_MAX_CHARACTERS = 300


class SignInError(Exception):
    """A sign-in failed; the message says why."""


class Transaction(BaseModel):
    """A sign-in that has begun."""

    state: str
    nonce: str
    code_verifier: str
    redirect_uri: str
    next_path: str


class ProviderSignIn:
    """Signs people in at the provider.

    Attributes:
        host: the host of the provider.
    """

    def __init__(self, settings: Settings, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._provider = authenticator.provider
        self.host = self._provider.host
        self._client_id = str(settings.oidc_client_id)
        self._client_secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._cipher = Fernet(_cipher_key(settings))

    async def begin(self, redirect_uri: str, next_path: str) -> tuple[str, str]:
        """The address at the provider, and what the browser has to keep until it comes back.

        Args:
            redirect_uri: where the provider sends the browser back to.
            next_path: the page that the user wants.

        Raises:
            ProviderUnavailableError: the provider does not answer.
        """
        begun = Transaction(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(64),
            redirect_uri=redirect_uri,
            next_path=next_path,
        )
        digest = hashlib.sha256(begun.code_verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = _with_query(await self._provider.endpoint("authorization_endpoint"), query)
        return address, self._cipher.encrypt(begun.model_dump_json().encode()).decode()

    def begun(self, kept: str | None, answer: Mapping[str, str]) -> Transaction:
        """The sign-in that an answer of the provider belongs to.

        Args:
            kept: what the browser kept; None if it has nothing.
            answer: the parameters that the provider sent the browser back with.

        Raises:
            SignInError: the answer is not of this browser's sign-in.
        """
        try:
            found = Transaction.model_validate_json(
                self._cipher.decrypt((kept or "").encode(), ttl=SIGN_IN_SECONDS)
            )
        except InvalidToken as error:
            raise SignInError(
                "this sign-in began in another browser, has ended, or took longer than "
                f"{SIGN_IN_SECONDS // 60} minutes; sign in again"
            ) from error
        # A link of somebody else must not have its text shown, nor its code used.
        if not hmac.compare_digest(found.state.encode(), answer.get("state", "").encode()):
            raise SignInError("this answer belongs to another sign-in; sign in again")
        return found

    async def token(self, begun: Transaction, answer: Mapping[str, str]) -> str:
        """The token of the user who signed in.

        Raises:
            SignInError: the provider refuses the sign-in, or its ID token is not valid.
            NotAuthenticatedError: its tokens are not accepted.
            ProviderUnavailableError: the provider does not answer.
        """
        if "code" not in answer:
            raise SignInError(f"{self.host} did not sign you in: {_reason(answer)}")
        tokens = await self._tokens(answer["code"], begun)
        return await self._checked_token(tokens, begun.nonce)

    async def sign_out_address(self) -> str | None:
        """Where one signs out of the provider itself; None if it does not say."""
        try:
            endpoint = await self._provider.endpoint("end_session_endpoint")
        except ProviderUnavailableError:
            return None
        return _with_query(endpoint, {"client_id": self._client_id})

    async def _tokens(self, code: str, begun: Transaction) -> dict[str, Any]:
        """Exchange the code for tokens."""
        endpoint = await self._provider.endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.code_verifier,
        }
        auth, identification = await self._client_authentication()
        try:
            async with httpx.AsyncClient(timeout=PROVIDER_SECONDS) as client:
                response = await client.post(endpoint, data=form | identification, auth=auth)
            if response.is_server_error:
                raise ProviderUnavailableError(f"{endpoint} answered {response.status_code}")
            found = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            text = f"{endpoint}: {error or type(error).__name__}"
            raise ProviderUnavailableError(text) from error
        if not isinstance(found, dict):
            raise ProviderUnavailableError(f"{endpoint}: not a JSON object")
        if not response.is_success:
            raise SignInError(f"{self.host} refused the sign-in: {_reason(found)}")
        return found

    async def _client_authentication(self) -> tuple[httpx.Auth, dict[str, str]]:
        """How the client authenticates (RFC 6749, 2.3.1): by a header, or fields of the form."""
        if self._client_secret is None:
            return httpx.Auth(), {"client_id": self._client_id}
        secret = self._client_secret.get_secret_value()
        document = await self._provider.document()
        methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            return httpx.BasicAuth(quote_plus(self._client_id), quote_plus(secret)), {}
        return httpx.Auth(), {"client_id": self._client_id, "client_secret": secret}

    async def _checked_token(self, tokens: Mapping[str, Any], nonce: str) -> str:
        """The access token if it is a JWT that the API accepts, otherwise the ID token."""
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise SignInError(f"{self.host} sent no ID token; do the scopes contain openid?")
        try:
            claims = await self._authenticator.verified_claims(id_token, [self._client_id])
        except NotAuthenticatedError as error:
            raise SignInError(f"the ID token of {self.host} is refused: {error}") from error
        # Otherwise the code was made for another sign-in, and was put into this one.
        if not hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode()):
            raise SignInError(f"the ID token of {self.host} is of another sign-in; sign in again")
        if isinstance(access_token, str):
            # It may be no JWT, or one for another API.
            with contextlib.suppress(NotAuthenticatedError):
                await self._authenticator.authenticate_jwt(access_token)
                return access_token
        await self._authenticator.authenticate_jwt(id_token)
        return id_token


def _cipher_key(settings: Settings) -> bytes:
    if settings.session_key is None:
        structlog.get_logger().warning(
            "DRS_WAVES_SESSION_KEY is not set: a sign-in that begins at this server must end at "
            "it. Set the same key on all servers if there are several"
        )
        return Fernet.generate_key()
    digest = hashlib.sha256(settings.session_key.get_secret_value().encode()).digest()
    return base64.urlsafe_b64encode(digest)


def _with_query(address: str, query: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _reason(answer: Mapping[str, Any]) -> str:
    """Why a provider refuses (RFC 6749, 4.1.2.1 and 5.2)."""
    texts = [str(answer[key]) for key in ("error", "error_description") if answer.get(key)]
    return ": ".join(texts)[:_MAX_CHARACTERS] or "it gave no reason"
