"""Who is signed in at the API: the token of the environment, or that of `drs-waves login`."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from client.remote.api_client import ApiClient
from client.remote.sign_in import SignInError, refreshed
from client.remote.token_store import StoredToken, TokenStore
from settings import Settings

# A request that is under way when it ends would be refused.
_EARLY_SECONDS = 30.0


class Session:
    """Gives the token for each request to one API, and renews it.

    Attributes:
        url: the address of the API, as it is set.
    """

    def __init__(
        self,
        url: str,
        fixed: SecretStr | None,
        store: TokenStore,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Create a session.

        Args:
            url: the API's address, for which alone the token is.
            fixed: the token of the environment, which has precedence.
            store: has the tokens of earlier sign-ins.
            transport: to the provider; default: the network.
        """
        self.url = url.rstrip("/")
        self._fixed = fixed
        self._store = store
        self._transport = transport
        self._known: StoredToken | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Session":
        """The session of this process."""
        assert settings.api_url is not None
        return cls(settings.api_url, settings.api_token, TokenStore())

    @property
    def is_fixed(self) -> bool:
        """Whether the token is that of the environment."""
        return self._fixed is not None

    @asynccontextmanager
    async def api(self, token: str | None = None, *, if_lost: str = "") -> AsyncIterator[ApiClient]:
        """The API; with another token than that of the session, if one is given.

        `if_lost` is what its errors say to do when it is lost.
        """

        async def given(_: bool) -> str | None:
            return token

        api = ApiClient(self.url, self.token if token is None else given, if_lost=if_lost)
        try:
            yield api
        finally:
            await api.close()

    def keep(self, token: StoredToken) -> str:
        """Keep the token of a sign-in; returns where it is, for people."""
        return self._store.put(self.url, token)

    def stored(self) -> StoredToken | None:
        """The token of the last sign-in."""
        return self._store.get(self.url)

    async def token(self, renew: bool = False) -> str | None:
        """The token to send; None if nobody is signed in.

        Args:
            renew: the API has refused the last one.
        """
        if self._fixed is not None:
            return self._fixed.get_secret_value()
        refused = self._known
        if refused is None or renew or _ends_soon(refused):
            # Another command may have renewed it.
            self._known = self.stored()
        known = self._known
        if known is None:
            return None
        is_refused = renew and known == refused
        if known.refresh_token and (is_refused or _ends_soon(known)):
            try:
                known = await refreshed(known, self._transport)
            except SignInError:
                # The API says that the token has ended, if it has.
                return known.access_token.get_secret_value()
            self._store.put(self.url, known)
            self._known = known
        return known.access_token.get_secret_value()


def _ends_soon(token: StoredToken) -> bool:
    return token.expires_time is not None and time.time() > token.expires_time - _EARLY_SECONDS
