"""Rejects incomplete responses of AWS."""

import json
from http import HTTPStatus
from typing import Any

from botocore.model import OperationModel

from aws.errors import IncompleteResponseError


def reject_incomplete(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    """Check that a response is complete, before botocore parses it.

    botocore 1.44 asks urllib3 not to compare a body with its Content-Length, and reads JSON that it
    cannot parse as an empty object. Without this check, a connection that breaks in the middle of a
    response looks like "no jobs" or "no instances".

    Raises:
        IncompleteResponseError: the connection broke, or a success is not a JSON object.
    """
    headers, body = response_dict["headers"], response_dict["body"]
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise IncompleteResponseError("the connection broke in the response's headers")
    if length is not None and len(body) != int(length):
        raise IncompleteResponseError(f"only {len(body)} of {length} bytes arrived")
    uses_json = operation_model.service_model.protocol in _JSON_PROTOCOLS
    if response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES and uses_json:
        try:
            parsed = json.loads(body)
        except ValueError as error:
            raise IncompleteResponseError(f"the response is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise IncompleteResponseError("the response is not a JSON object")


_JSON_PROTOCOLS = ("json", "rest-json")
