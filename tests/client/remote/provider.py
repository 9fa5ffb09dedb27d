"""The local OpenID provider with the endpoints that people sign in at; it checks PKCE itself."""

import base64
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.api.oidc import Provider

CLIENT_ID = "drs-waves-cli"


@dataclass
class SignInProvider:
    """What a provider does when people sign in.

    Attributes:
        tokens: makes access tokens, which the API accepts.
        pending: how often a device's request is answered that nobody has signed in yet.
        forms: what the token endpoint received.
        lasts: for how many seconds access tokens are valid.
    """

    tokens: Provider
    pending: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    lasts: float = 300.0
    gives_refresh_tokens: bool = True
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def offer(self, *, device: bool = True) -> None:
        """Serve the discovery document with the endpoints."""
        issuer = self.tokens.issuer
        document = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/keys",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
        }
        if device:
            document["device_authorization_endpoint"] = f"{issuer}/device"
        self.tokens.respond("/.well-known/openid-configuration", document)
        self.tokens.on_post = self.answer

    def approve(self, url: str, **changed: str) -> str:
        """Sign a person in on the page that the browser was sent to; where it is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert urlsplit(query["redirect_uri"]).hostname == "127.0.0.1"
        code = f"code-{next(self._numbers)}"
        self.codes[code] = query
        return str(
            httpx.URL(
                query["redirect_uri"], params={"code": code, "state": query["state"]} | changed
            )
        )

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The response to a form."""
        if path == "/device":
            return 200, {
                "device_code": "device-1",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.tokens.issuer}/activate",
                "expires_in": 60,
                "interval": 0,
            }
        self.forms.append(form)
        error = self._error(form)
        return (400, {"error": error}) if error else (200, self._given())

    def _error(self, form: dict[str, str]) -> str | None:
        if form.get("client_id") != CLIENT_ID:
            return "invalid_client"
        is_wrong = False
        match form["grant_type"]:
            case "authorization_code":
                asked = self.codes.pop(form["code"], {})
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                expected = {"code_challenge": challenge, "redirect_uri": form["redirect_uri"]}
                is_wrong = not expected.items() <= asked.items()
            case "refresh_token":
                is_wrong = form["refresh_token"] not in self.refresh_tokens
                self.refresh_tokens.discard(form["refresh_token"])
            case _:
                return self.pending.pop(0) if self.pending else None
        return "invalid_grant" if is_wrong else None

    def _given(self) -> dict[str, Any]:
        token = self.tokens.token(sub="ann", jti=str(next(self._numbers)))
        given: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        given["expires_in"] = self.lasts
        if self.gives_refresh_tokens:
            refresh = f"refresh-{next(self._numbers)}"
            self.refresh_tokens.add(refresh)
            given["refresh_token"] = refresh
        return given
