"""Reads the API call from an HTTP request to AWS, and the error code from a response."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from
from werkzeug.exceptions import HTTPException

UNKNOWN_OPERATION = "?"

_CALLER = re.compile(r"(?:^|\s)app/(\S+)")
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
# Services whose signing name differs from botocore's service name.
_SIGNED_AS = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
}
# The path of an operation in smithy-rpc-v2-cbor.
_RPC_PATH = re.compile(r"/service/[^/]+/operation/([A-Za-z]+)")
_ACCOUNT_ID = re.compile(r"\d{12}")
_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")


@dataclass(frozen=True)
class Call:
    """One AWS API call.

    Attributes:
        service: The service name in botocore.
        operation: The API operation, or `?` if the request matches none.
        caller: The caller's `AWS_SDK_UA_APP_ID`, or empty if it is not set.
        resource_ids: The DRS resources in the request, and the source servers of these.
        text: The request's path and body, the resource IDs, and the tags of jobs in the request.
        access_key: The ID of the key that the request is signed with.
        body: The request's body.
    """

    service: str
    operation: str
    region: str
    account_id: str
    caller: str = ""
    resource_ids: tuple[str, ...] = ()
    text: str = ""
    access_key: str = ""
    body: str = ""

    @property
    def name(self) -> str:
        """`service.Operation`."""
        return f"{self.service}.{self.operation}"


def identify(environ: dict[str, Any], body: bytes) -> Call | None:
    """Identify the API call of a signed request.

    An access key of twelve digits acts in the account of that ID, as with LocalStack.

    Args:
        environ: The WSGI environment; gets the header that tells moto of such an account.
        body: The request's body.

    Returns:
        The call, or None if the request is not signed for an AWS service.
    """
    signature = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if signature is None:
        return None
    access_key, region, signed_for = signature.groups()
    service = _SIGNED_AS.get(signed_for, signed_for)
    if _ACCOUNT_ID.fullmatch(access_key):
        # What moto looks at first.
        environ.setdefault("HTTP_X_MOTO_ACCOUNT_ID", access_key)
    account_id = environ.get("HTTP_X_MOTO_ACCOUNT_ID") or get_account_id_from(access_key)
    caller = _CALLER.search(environ.get("HTTP_USER_AGENT", ""))
    text = body.decode(errors="replace")
    return Call(
        service,
        _operation(service, environ, body),
        region,
        account_id,
        caller=caller.group(1) if caller else "",
        text=f"{environ['PATH_INFO']}\n{text}",
        access_key=access_key,
        body=text,
    )


def _operation(service: str, environ: dict[str, Any], body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if found := _RPC_PATH.fullmatch(environ["PATH_INFO"]):
        return found[1]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode(errors="replace")).get("Action", [UNKNOWN_OPERATION])[0]
    try:
        if not get_service_model(service).protocol.startswith("rest"):
            return UNKNOWN_OPERATION
        operation, _ = get_service_router(service).match(Request(dict(environ)))
    except (HTTPException, NotImplementedError, LookupError, ValueError):
        return UNKNOWN_OPERATION
    return str(operation.name)


def error_code(headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """Read the error code of an error response of any AWS protocol."""
    named = {name.lower(): value for name, value in headers}
    code = named.get("x-amzn-errortype")
    if code is None and (found := _XML_CODE.search(body)):
        code = found.group(1).decode()
    if code is None:
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        code = content.get("__type") if isinstance(content, dict) else None
    return (code or "Unknown").rpartition("#")[2]
