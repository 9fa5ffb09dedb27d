"""The problem responses that endpoints share, for the OpenAPI document."""

from http import HTTPStatus
from typing import Any

from api.problems import problem_responses

_CALLER = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def read_responses(*more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem responses of an endpoint that reads."""
    parameters = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)
    return problem_responses(*_CALLER, *parameters, *more)


def write_responses(*more: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem responses of an endpoint that takes a body."""
    return problem_responses(*_CALLER, *_BODY, HTTPStatus.SERVICE_UNAVAILABLE, *more)
