"""Converts items of a job's log for users."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from aws.drs.models import JobLogEvent, epoch
from contract.job_logs import Conversion, JobLogLine, SourceNetwork
from recovery.base_model import Model
from recovery.text_format import shortened

M = TypeVar("M", bound=Model)

_MAX_ERROR_LENGTH = 2000


def line_of(item: JobLogEvent) -> JobLogLine:
    """A line from an item of DRS's log."""
    data = item.event_data or {}
    resource = data.get("eventResourceData")
    network = resource.get("sourceNetworkData") if isinstance(resource, dict) else None
    error = _text(data.get("rawError"))
    return JobLogLine(
        event=item.event,
        time=epoch(item.log_date_time),
        source_server_id=_text(data.get("sourceServerID")),
        conversion_server_id=_text(data.get("conversionServerID")),
        target_instance_id=_text(data.get("targetInstanceID")),
        raw_error=None if error is None else shortened(error, max_length=_MAX_ERROR_LENGTH),
        attempt_count=_whole(data.get("attemptCount")),
        max_attempts_count=_whole(data.get("maxAttemptsCount")),
        conversion=_parsed(Conversion, data.get("conversionProperties")),
        network=_parsed(SourceNetwork, network),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _parsed(model: type[M], value: Any) -> M | None:
    """A part of DRS's response; None if its form is unknown."""
    if not isinstance(value, dict):
        return None
    known = {to_snake(key): field for key, field in value.items()}
    try:
        return model.model_validate({key: v for key, v in known.items() if v is not None})
    except ValidationError:
        return None
