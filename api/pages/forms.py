"""The fields that the scripts of pages send, read once the user is known."""

from http import HTTPStatus

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from api.problems import ApiProblem

_FIELDS = TypeAdapter(dict[str, str])


async def sent_fields(request: Request, *, max_bytes: int) -> dict[str, str]:
    """The fields in the body of a request.

    Raises:
        ApiProblem: the body is too large, or not a JSON object of texts.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the form is not sent as JSON")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            detail = f"the form is larger than {max_bytes // 1000} kB"
            raise ApiProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    try:
        return _FIELDS.validate_json(bytes(body))
    except ValidationError as error:
        detail = "the form is not a JSON object of texts; load the page again"
        raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
