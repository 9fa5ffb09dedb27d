"""What findings make of a plan: whether it is ready, and which of them stop a drill."""

from collections.abc import Collection, Iterable
from enum import StrEnum

from recovery.readiness.finding import Finding, Severity


class ReadinessStatus(StrEnum):
    """Whether a plan could be recovered now."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    """It has not been looked at for twice its period."""


def status_of(findings: Iterable[Finding]) -> ReadinessStatus:
    """NOT_READY if a finding blocks, else UNKNOWN if something could not be read, else READY."""
    severities = {each.severity for each in findings}
    if Severity.BLOCKS in severities:
        return ReadinessStatus.NOT_READY
    if Severity.UNKNOWN in severities:
        return ReadinessStatus.UNKNOWN
    return ReadinessStatus.READY


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in the order in which they are shown."""
    return sorted(findings, key=lambda each: each.rank)


def refusing_drill(findings: Iterable[Finding], relaunch: Collection[str] = ()) -> list[Finding]:
    """The findings for which a drill is not started.

    Args:
        findings: of a look at its plan.
        relaunch: servers that the operator named to be launched over a live recovery instance.
    """
    return [f for f in findings if f.refuses_drill and f.source_server_id not in relaunch]


def to_accept(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that a drill is started with only if somebody accepts them."""
    return [f for f in findings if f.severity is not Severity.WARNS and not f.refuses_drill]
