"""Checks of request parameters that botocore does not make."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.core.utils import get_service_model

from .exceptions import ValidationException

SOURCE_SERVER_ID = re.compile(r"s-[0-9a-zA-Z]{17}")
RECOVERY_INSTANCE_ID = re.compile(r"i-[0-9a-fA-F]{8,17}")
RECOVERY_SNAPSHOT_ID = re.compile(r"pit-[0-9a-zA-Z]{17}")
JOB_ID = re.compile(r"drsjob-[0-9a-zA-Z]{17}")

_MAX_TAGS = 50


def check_id(field: str, value: str, pattern: re.Pattern[str]) -> None:
    """Reject a malformed ID."""
    if not pattern.fullmatch(value):
        raise ValidationException(field, f"{value!r} does not match {pattern.pattern}")


def check_ids(
    field: str, values: Sequence[str], pattern: re.Pattern[str], *, minimum: int = 0, maximum: int
) -> None:
    """Reject a list that is too short or too long, or that contains a malformed ID."""
    if not minimum <= len(values) <= maximum:
        raise ValidationException(
            field, f"must have {minimum} to {maximum} members, not {len(values)}"
        )
    for value in values:
        check_id(field, value, pattern)


def check_new_job_ids(field: str, values: Sequence[str], pattern: re.Pattern[str]) -> None:
    """Reject a list of servers or instances that cannot be in one job."""
    check_ids(field, values, pattern, minimum=1, maximum=200)
    if len(set(values)) != len(values):
        raise ValidationException(field, "must not contain a member twice")


def check_tags(tags: dict[str, str]) -> None:
    """Reject tags that AWS does not allow."""
    if len(tags) > _MAX_TAGS:
        raise ValidationException("tags", f"must have at most {_MAX_TAGS} members")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise ValidationException("tags", f"the key {key!r} is not valid")
        if len(value) > 256:
            raise ValidationException("tags", f"the value of {key!r} is longer than 256")


def check_launch_configuration(changes: dict[str, Any]) -> None:
    """Reject launch configuration values that the model of the API does not admit."""
    shape = get_service_model("drs").operation_model("UpdateLaunchConfiguration").input_shape
    for field, value in changes.items():
        limits = shape.members[field].metadata
        if value not in limits.get("enum", [value]):
            raise ValidationException(field, f"must be one of {', '.join(limits['enum'])}")
        if isinstance(value, str) and len(value) > limits.get("max", math.inf):
            raise ValidationException(field, f"is longer than {limits['max']}")


def is_admitted(value: str, filter_values: Collection[str]) -> bool:
    """Return whether a filter admits a value. An empty filter admits every value."""
    return not filter_values or value in filter_values


def read_date(field: str, text: str | None, *, default: float) -> float:
    """Convert an ISO 8601 date and time to epoch seconds."""
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationException(field, f"{text!r} is not an ISO 8601 date and time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
