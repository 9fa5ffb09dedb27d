"""The problem answers that endpoints have in common."""

from http import HTTPStatus
from typing import Any

from api.problems import told

_CALLER = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_SENT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def looking(*more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Those of an endpoint that looks."""
    found = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)
    return told(*_CALLER, *found, *more)


def acting(*more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Those of an endpoint that takes a body."""
    return told(*_CALLER, *_SENT, HTTPStatus.SERVICE_UNAVAILABLE, *more)
