"""A local OpenID provider: discovery, keys, and sign-in by code with PKCE, over loopback HTTP."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "drs-waves"
CLIENT_ID = "drs-waves-pages"
_DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """An OpenID provider whose responses a test can change.

    Attributes:
        responses: the status and the body for each path.
        requests: the paths that were requested.
        on_post: answers a form that is sent to a path, if it is set.
        issuer: the issuer URL.
        asks: whether people press a link to sign in, as without a session at the provider.
        secret: the secret that its client must send; None for a public client.
        access_token: the access token that it gives; None for one that is no JWT.
        id_claims: the changed claims of its ID tokens.
        is_exchanging: whether it exchanges codes; otherwise it answers 502.
    """

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
        }
        self.asks = False
        self.secret: str | None = None
        self.access_token: str | None = None
        self.id_claims: dict[str, Any] = {}
        self.is_exchanging = True
        self._codes: dict[str, dict[str, str]] = {}
        self.responses: dict[str, tuple[int, bytes]] = {}
        self.requests: list[str] = []
        self.on_post: Callable[[str, dict[str, str]], tuple[int, Any]] | None = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                provider.requests.append(path)
                if path == "/authorize":
                    self.authorize(dict(parse_qsl(query)))
                else:
                    self.answer(*provider.responses.get(path, (404, b"{}")))

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                given = self.headers.get("Authorization")
                form = dict(parse_qsl(sent))
                if provider.on_post is not None:
                    status, body = provider.on_post(self.path, form)
                else:
                    status, body = provider.exchange(form, given)
                self.answer(status, json.dumps(body).encode())

            def authorize(self, query: dict[str, str]) -> None:
                address = provider.authorized(query)
                if provider.asks:
                    link = f'<!doctype html><a href="{escape(address)}">Sign in as ops</a>'
                    self.answer(200, link.encode(), {"Content-Type": "text/html"})
                else:
                    self.answer(302, b"", {"Location": address})

            def answer(
                self, status: int, body: bytes, headers: Mapping[str, str] | None = None
            ) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.reset()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Serve the discovery document and all keys again."""
        document = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/end",
        }
        self.asks, self.secret, self.access_token, self.id_claims = False, None, None, {}
        self.is_exchanging = True
        keys = [self.public_jwk(name) for name in self._keys]
        self.respond(_DISCOVERY, document)
        self.respond("/keys", {"keys": keys})
        self.requests.clear()

    def respond(self, path: str, document: Any, *, status: int = 200) -> None:
        """Set the response of a path."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.responses[path] = status, body

    def authorized(self, query: dict[str, str]) -> str:
        """Where a person who signs in is sent."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def exchange(self, form: dict[str, str], given: str | None) -> tuple[int, dict[str, Any]]:
        """The tokens of a code, which is used up (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
        if not self.is_exchanging:
            return 502, {}
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            begun is None
            or (begun["code_challenge"], begun["code_challenge_method"])
            != (_encoded(digest), "S256")
            or begun["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant", "error_description": "the code is not valid"}
        basic = base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode()).decode()
        is_known = (
            given == f"Basic {basic}"
            if self.secret
            else given is None and form.get("client_id") == CLIENT_ID
        )
        if not is_known:
            return 401, {"error": "invalid_client"}
        claims = {"aud": CLIENT_ID, "nonce": begun["nonce"], **self.id_claims}
        id_token = (
            self.unsigned(**claims) if claims.pop("unsigned", False) else self.token(**claims)
        )
        return 200, {"access_token": self.access_token or "opaque", "id_token": id_token}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a valid token, with changes; claims that are None are left out."""
        now = time.time()
        defaults = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "ops", "iat": now, "exp": now + 300,
            "roles": ["operator"],
        }  # fmt: skip
        return {key: value for key, value in (defaults | changed).items() if value is not None}

    def token(
        self, *, key: str = "rsa", kid: str | None = None, private: Any = None, **changed: Any
    ) -> str:
        """A signed token.

        Args:
            key: the provider's key that signs the token.
            kid: the key ID in the header. Default: `key`.
            private: another private key that signs instead.
            changed: claims; None leaves a claim out.
        """
        algorithm = "RS256" if key == "rsa" else "ES256"
        headers = {"kid": kid or key}
        signing = private or self._keys[key]
        return jwt.encode(self.claims(**changed), signing, algorithm=algorithm, headers=headers)

    def unsigned(self, **changed: Any) -> str:
        """A token with the algorithm `none`."""
        head = {"alg": "none", "typ": "JWT", "kid": "rsa"}
        return f"{_part(head)}.{_part(self.claims(**changed))}."

    def signed_with_the_public_key(self, **changed: Any) -> str:
        """A token with an HMAC whose secret is the public key."""
        public = self._keys["rsa"].public_key()
        secret = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(self.claims(**changed))}"
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_encoded(signature)}"

    def public_jwk(self, name: str) -> dict[str, Any]:
        """A public key as the provider publishes it."""
        public = self._keys[name].public_key()
        jwk: dict[str, Any]
        if isinstance(public, rsa.RSAPublicKey):
            jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
        else:
            jwk = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
        return {**jwk, "kid": name, "use": "sig"}


def _part(value: Any) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
