"""The codec endpoint of Temporal's Web UI and CLI, for the payloads that drs-waves encrypts."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from pydantic import BaseModel, Field, JsonValue
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from temporalio.api.common.v1 import Payload, Payloads

from api.auth.access import AuthenticatedRoute, Caller, Operator
from api.pages.sign_in import token_of
from api.problems import BODY_PROBLEMS, problem_responses
from client.connection import configured_codec, configured_namespace
from client.errors import RefusedError
from settings import get_settings

router = APIRouter(prefix="/codec", tags=["Codec"], route_class=AuthenticatedRoute)
_RESPONSES = problem_responses(*BODY_PROBLEMS)
PreserveStorageRefs = Annotated[
    bool,
    Query(
        alias="preserveStorageRefs",
        description="Sent by the Web UI; without effect, because no payload is stored elsewhere.",
    ),
]


class CodecPayloads(BaseModel):
    """Payloads, as the JSON of Temporal's API has them."""

    payloads: list[dict[str, JsonValue]] = Field(default=[], max_length=10_000)


@router.post("/decode", summary="Decrypt payloads of Temporal", responses=_RESPONSES)
async def decode_payloads(
    given: CodecPayloads, _: Caller, preserve: PreserveStorageRefs = False
) -> CodecPayloads:
    """Return the payloads, those that are encrypted in clear; every caller may read."""
    codec = configured_codec(get_settings(), configured_namespace())
    return _written(await codec.decode(_parsed(given).payloads))


@router.post("/encode", summary="Encrypt payloads for Temporal", responses=_RESPONSES)
async def encode_payloads(
    given: CodecPayloads, _: Operator, preserve: PreserveStorageRefs = False
) -> CodecPayloads:
    """Return the payloads, encrypted if encryption is on."""
    codec = configured_codec(get_settings(), configured_namespace())
    return _written(await codec.encode(_parsed(given).payloads))


def _parsed(given: CodecPayloads) -> Payloads:
    try:
        return ParseDict(given.model_dump(), Payloads())
    except ParseError as error:
        raise RefusedError(f"these are no payloads of Temporal: {error}") from error


def _written(payloads: list[Payload]) -> CodecPayloads:
    return CodecPayloads.model_validate(MessageToDict(Payloads(payloads=payloads)))


class CodecOrigin:
    """Lets pages of Temporal's Web UI, and of no other site, call the codec endpoint.

    Such a call counts as one of our own pages: the cookie of a sign-in is its token, unless the Web
    UI passes one. Browsers send that cookie only if the Web UI is on the same site.
    """

    def __init__(self, app: ASGIApp, ui: str) -> None:
        """Wrap an application; `ui` is the address of the Web UI."""
        parts = urlsplit(ui)
        self._app = app
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._shared = CORSMiddleware(
            self._as_own_page,
            allow_origins=[self._origin],
            allow_methods=["POST"],
            # The Web UI sends the ID token of its own sign-in in the third.
            allow_headers=["Authorization", "Content-Type", "Authorization-Extras", "X-Namespace"],
            allow_credentials=True,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        is_codec = scope["type"] == "http" and scope["path"].startswith("/api/codec/")
        await (self._shared if is_codec else self._app)(scope, receive, send)

    async def _as_own_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        if Headers(scope=scope).get("origin") == self._origin:
            token = token_of(Request(scope))
            scope = {**scope}
            headers = MutableHeaders(scope=scope)
            del headers["origin"]
            del headers["sec-fetch-site"]
            if token is not None:
                headers.setdefault("authorization", f"Bearer {token}")
        await self._app(scope, receive, send)
