"""Rejects responses that are incomplete, or not proven to be AWS's."""

import json
from http import HTTPStatus
from typing import Any

from botocore.model import OperationModel

from aws.errors import REQUEST_ID_HEADER, UnprovenResponseError


def reject_unproven(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    """Check that a response is complete and AWS's, before botocore parses it.

    A success of a gateway, such as a login page or `{}`, must not count as an answer. Errors are
    parsed, so that botocore repeats reads after them; `AwsError` checks whose they are.

    botocore 1.44 asks urllib3 not to compare a body with its Content-Length, and reads JSON that it
    cannot parse as an empty object. Without this check, a connection that breaks in the middle of a
    response looks like "no jobs" or "no instances".

    Raises:
        UnprovenResponseError: the connection broke, or a success has no request ID or is not a
            JSON object.
    """
    headers, body = response_dict["headers"], response_dict["body"]
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise UnprovenResponseError("the connection broke while the response headers were read")
    # What is read later, such as a function's answer, checks its length then.
    is_read = isinstance(body, bytes)
    if is_read and length is not None and len(body) != int(length):
        raise UnprovenResponseError(f"only {len(body)} of {length} bytes arrived")
    if response_dict["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
        return
    if REQUEST_ID_HEADER not in headers:
        raise UnprovenResponseError(
            "the response has no AWS request ID: a proxy or gateway between the worker and AWS "
            "answered"
        )
    if not body and operation_model.output_shape is None:
        # Such as CreateLogStream: its success has no content.
        return
    uses_json = operation_model.service_model.protocol in _JSON_PROTOCOLS
    if uses_json and is_read:
        try:
            parsed = json.loads(body)
        except ValueError as error:
            raise UnprovenResponseError(f"the response is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise UnprovenResponseError("the response is not a JSON object")


_JSON_PROTOCOLS = ("json", "rest-json")
