"""Refuses answers of AWS that are not whole."""

import json
from http import HTTPStatus
from typing import Any

from botocore.model import OperationModel

from aws.errors import IncompleteAnswerError


def refuse_incomplete(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    """See that an answer is whole, before botocore reads it.

    botocore 1.44 asks urllib3 not to compare a body with its Content-Length, and reads JSON that it
    cannot parse as an empty object. A connection that breaks in the middle of an answer would so
    look like "no jobs", "no instances".

    Raises:
        IncompleteAnswerError: the connection broke, or a success is no JSON object.
    """
    headers, body = response_dict["headers"], response_dict["body"]
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise IncompleteAnswerError("the connection broke in the answer's headers")
    if length is not None and len(body) != int(length):
        raise IncompleteAnswerError(f"only {len(body)} of {length} bytes came")
    speaks_json = operation_model.service_model.protocol in _JSON_PROTOCOLS
    if response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES and speaks_json:
        try:
            said = json.loads(body)
        except ValueError as error:
            raise IncompleteAnswerError(f"the answer is no JSON: {error}") from error
        if not isinstance(said, dict):
            raise IncompleteAnswerError("the answer is no JSON object")


_JSON_PROTOCOLS = ("json", "rest-json")
