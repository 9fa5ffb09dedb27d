"""Checks of request parameters that botocore does not make."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from .exceptions import ValidationException

SOURCE_SERVER_ID = re.compile(r"s-[0-9a-zA-Z]{17}")
RECOVERY_INSTANCE_ID = re.compile(r"i-[0-9a-fA-F]{8,17}")
RECOVERY_SNAPSHOT_ID = re.compile(r"pit-[0-9a-zA-Z]{17}")
JOB_ID = re.compile(r"drsjob-[0-9a-zA-Z]{17}")

_MAX_TAGS = 50
_LAUNCH_CONFIGURATION_ENUMS = {
    "launchDisposition": ("STOPPED", "STARTED"),
    "targetInstanceTypeRightSizingMethod": ("NONE", "BASIC", "IN_AWS"),
    "recoveryMode": ("FAST", "OPTIMAL"),
}


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
    """Reject launch configuration values that are not in the enumeration."""
    for field, admitted in _LAUNCH_CONFIGURATION_ENUMS.items():
        if field in changes and changes[field] not in admitted:
            raise ValidationException(field, f"must be one of {', '.join(admitted)}")
    if len(changes.get("name", "")) > 128:
        raise ValidationException("name", "is longer than 128")


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
