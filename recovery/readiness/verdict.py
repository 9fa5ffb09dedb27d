"""What findings make of a plan: whether it is ready, and which of them stop a drill."""

from collections.abc import Collection, Iterable
from enum import StrEnum

from recovery.base_model import Model
from recovery.readiness.finding import Finding, Severity

STALE_AFTER_PERIODS = 2


class ReadinessStatus(StrEnum):
    """Whether a plan could be recovered now."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    UNKNOWN = "UNKNOWN"
    STALE = "STALE"
    """It has not been looked at for twice its period."""


class PlanReadiness(Model):
    """The result of a look at a plan.

    Attributes:
        plan_hash: of the plan that was looked at.
        looked_time: when (epoch seconds).
        period_seconds: after which it is looked at again; None: nobody does.
    """

    plan_id: str
    plan_hash: str
    looked_time: float
    period_seconds: float | None = None
    findings: list[Finding] = []
    status: ReadinessStatus

    def status_at(self, now: float, plan_hash: str | None = None) -> ReadinessStatus:
        """What this result still says.

        Args:
            now: epoch seconds.
            plan_hash: of the plan as it is now; the result of another plan says nothing about it.
        """
        if plan_hash is not None and plan_hash != self.plan_hash:
            return ReadinessStatus.UNKNOWN
        period = self.period_seconds
        if period is not None and now - self.looked_time > STALE_AFTER_PERIODS * period:
            return ReadinessStatus.STALE
        return self.status


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
