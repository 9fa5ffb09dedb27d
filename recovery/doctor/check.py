"""The result of a check of an installation, and of all of them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from recovery.base_model import Model
from recovery.text_format import shortened


class Part(StrEnum):
    """A part of an installation, in the order in which its checks are shown."""

    TEMPORAL = "Temporal"
    WORKERS = "Workers"
    LAUNCHERS = "Launchers"
    TABLES = "Tables"
    TARGETS = "Targets"
    PERMISSIONS = "Permissions"
    CLOCKS = "Clocks"
    CHANNELS = "Channels"
    KEYS = "Keys"
    SCHEDULES = "Schedules"


class CheckStatus(StrEnum):
    """What a check found.

    SKIPPED: it was not made, and `message` says why; nothing is known.
    """

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"


_PARTS = tuple(Part)
_WORST_FIRST = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIPPED, CheckStatus.OK)


class Check(Model):
    """What was found of one subject.

    Attributes:
        subject: what was checked, such as a table or a target.
        message: what was found.
        action: what to do about it; "" for nothing.
    """

    part: Part
    subject: str
    status: CheckStatus
    message: str
    action: str = ""

    @classmethod
    def ok(cls, part: Part, subject: str, message: str) -> Self:
        """Nothing is wrong."""
        return cls(part=part, subject=subject, status=CheckStatus.OK, message=message)

    @classmethod
    def warn(cls, part: Part, subject: str, message: str, action: str = "") -> Self:
        """A recovery works, but something should be changed."""
        return cls._of(CheckStatus.WARN, part, subject, message, action)

    @classmethod
    def fail(cls, part: Part, subject: str, message: str, action: str = "") -> Self:
        """A recovery, or an important part of it, does not work."""
        return cls._of(CheckStatus.FAIL, part, subject, message, action)

    @classmethod
    def skipped(cls, part: Part, subject: str, why: str, action: str = "") -> Self:
        """Nothing is known."""
        return cls._of(CheckStatus.SKIPPED, part, subject, why, action)

    @classmethod
    def _of(cls, status: CheckStatus, part: Part, subject: str, message: str, action: str) -> Self:
        text = shortened(message, max_bytes=1000)
        return cls(part=part, subject=subject, status=status, message=text, action=action)


class DoctorReport(Model):
    """All checks of an installation.

    Attributes:
        status: FAIL if a check failed, WARN if one warns or was not made, else OK.
        checks: by part, the worst first.
        seconds: how long they took.
    """

    status: CheckStatus
    checks: list[Check]
    seconds: float

    @classmethod
    def of(cls, checks: Iterable[Check], seconds: float) -> Self:
        """A report with its checks in order."""
        ordered = sorted(
            checks, key=lambda each: (_PARTS.index(each.part), _WORST_FIRST.index(each.status))
        )
        found = {each.status for each in ordered}
        status = CheckStatus.OK if found == {CheckStatus.OK} else CheckStatus.WARN
        if CheckStatus.FAIL in found or not found:
            status = CheckStatus.FAIL
        return cls(status=status, checks=ordered, seconds=round(seconds, 1))
