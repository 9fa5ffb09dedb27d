"""A local OpenID provider: a discovery document and keys, over loopback HTTP."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "drs-waves"
_DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """An OpenID provider whose responses a test can change.

    Attributes:
        responses: the status and the body for each path.
        requests: the paths that were requested.
        on_post: answers a form that is sent to a path.
        issuer: the issuer URL.
    """

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
        }
        self.responses: dict[str, tuple[int, bytes]] = {}
        self.requests: list[str] = []
        self.on_post: Callable[[str, dict[str, str]], tuple[int, Any]] = lambda *_: (404, {})
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests.append(self.path)
                status, body = provider.responses.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = dict(parse_qsl(self.rfile.read(length).decode()))
                status, document = provider.on_post(self.path, form)
                body = json.dumps(document).encode()
                self.send_response(status)
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
        document = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        keys = [self._public_jwk(name) for name in self._keys]
        self.respond(_DISCOVERY, document)
        self.respond("/keys", {"keys": keys})
        self.requests.clear()

    def respond(self, path: str, document: Any, *, status: int = 200) -> None:
        """Set the response of a path."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.responses[path] = status, body

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

    def _public_jwk(self, name: str) -> dict[str, Any]:
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
