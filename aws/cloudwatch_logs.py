"""The audit log that the settings name: a file, or a log group of CloudWatch Logs."""

import os
import socket
from collections.abc import Sequence
from itertools import takewhile
from typing import Any
from uuid import uuid4

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from aws.sessions import checked_session, client_config
from recovery.access.audit import AuditPlace
from security.audit_log import AuditFile, AuditLine, AuditLog, AuditLogError, WriteResult
from settings import AUDIT_TO_CLOUDWATCH, Settings

# Source: the API reference of PutLogEvents: bytes a call, with 26 for each event, and 24 h.
_MOST_BYTES = 1_000_000
_EVENT_BYTES = 26
_MOST_SECONDS = 23 * 3600.0


def configured_audit_log(settings: Settings, place: AuditPlace) -> AuditLog:
    """The audit log that the settings name, or else the log of the process.

    Raises:
        AuditLogError: its file cannot be opened.
    """
    name = settings.audit_log
    if name is None:
        return AuditLog(place)
    if not name.startswith(AUDIT_TO_CLOUDWATCH):
        return AuditLog(place, AuditFile(name))
    session = checked_session(region_name=settings.history_region)
    client = session.client("logs", config=client_config())
    return AuditLog(place, LogGroup(client, name.removeprefix(AUDIT_TO_CLOUDWATCH), place))


class LogGroup:
    """A log group; the process has a stream of its own in it."""

    def __init__(self, client: Any, group: str, place: AuditPlace) -> None:
        """Prepare; nothing is called before the first line.

        Args:
            client: boto3's client of CloudWatch Logs.
            group: the name of the log group.
            place: what writes.
        """
        self._client = client
        self._group = group
        self._stream = f"{place}/{socket.gethostname()}/{os.getpid()}-{uuid4().hex[:12]}"
        self._has_stream = False

    def write(self, lines: Sequence[AuditLine]) -> WriteResult:
        """See `AuditDestination`."""
        some = _of_one_call(lines)
        try:
            self._create_stream()
            answer = self._client.put_log_events(
                logGroupName=self._group,
                logStreamName=self._stream,
                # Their order within a call; a clock may have been set back.
                logEvents=[
                    {"timestamp": int(line.time * 1000), "message": line.text}
                    for line in sorted(some)
                ],
            )
        except (BotoCoreError, ClientError) as error:
            # Somebody may have removed it.
            self._has_stream = False
            raise AuditLogError(f"log group {self._group}: {error}") from error
        lost = _rejected(answer.get("rejectedLogEventsInfo", {}), len(some))
        if lost:
            structlog.get_logger().warning(
                f"CloudWatch Logs rejected {lost} events of the audit log, whose times are too "
                "old or in the future; compare the clock of this machine"
            )
        return WriteResult(len(some), lost)

    def _create_stream(self) -> None:
        if self._has_stream:
            return
        try:
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise
        self._has_stream = True


def _of_one_call(lines: Sequence[AuditLine]) -> list[AuditLine]:
    """The first lines that one call takes."""
    size = 0

    def fits(line: AuditLine) -> bool:
        nonlocal size
        size += len(line.text.encode()) + _EVENT_BYTES
        return size <= _MOST_BYTES and abs(line.time - lines[0].time) < _MOST_SECONDS

    return [lines[0], *takewhile(fits, lines[1:])]


def _rejected(info: dict[str, int], sent: int) -> int:
    """How many of the events of a call were rejected, by the indexes that the answer has."""
    old = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
    return old + sent - info.get("tooNewLogEventStartIndex", sent)
