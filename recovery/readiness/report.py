"""What lists and screens say of a plan's readiness, now. Times are epoch seconds."""

from collections.abc import Iterable
from typing import Self

from recovery.base_model import Model
from recovery.readiness.finding import Finding
from recovery.readiness.result import KnownReadiness, Lag, PlanReadiness, RecordedLook
from recovery.readiness.verdict import ReadinessStatus

NEVER_LOOKED_AT = "it was never looked at"
_RANKS = (
    ReadinessStatus.NOT_READY,
    ReadinessStatus.UNKNOWN,
    ReadinessStatus.STALE,
    ReadinessStatus.READY,
)


class ReadinessRow(Model):
    """A plan in a list of what is ready.

    Attributes:
        reason: the worst finding, or why nothing is known, in a sentence.
        looked_time: None: it was never looked at.
        since: since when it is so.
        previous: what it was before `since`; None: it has not changed since the first look.
        blocks: how many findings block.
        unknown: how much could not be read.
        warns: how many findings warn.
    """

    plan_id: str
    plan_name: str
    status: ReadinessStatus
    reason: str = ""
    looked_time: float | None = None
    since: float | None = None
    previous: ReadinessStatus | None = None
    blocks: int = 0
    unknown: int = 0
    warns: int = 0
    worst_lag: Lag | None = None

    @classmethod
    def of(
        cls,
        plan_id: str,
        plan_name: str,
        plan_hash: str,
        known: PlanReadiness | None,
        *,
        now: float,
    ) -> Self:
        """What is known of a registered plan.

        Args:
            plan_id: of the plan.
            plan_name: of the plan.
            plan_hash: of its newest version.
            known: the result of the last look; None if there was none.
            now: epoch seconds.
        """
        if known is None:
            return cls(
                plan_id=plan_id,
                plan_name=plan_name,
                status=ReadinessStatus.UNKNOWN,
                reason=NEVER_LOOKED_AT,
            )
        seen = known.at(now, plan_hash)
        is_other = plan_hash != known.plan_hash
        return cls(
            plan_id=plan_id,
            plan_name=plan_name,
            status=seen.status,
            reason="this version was not looked at yet" if is_other else seen.reason,
            looked_time=seen.looked_time,
            since=seen.since,
            previous=seen.changed_from,
            blocks=seen.blocks,
            unknown=seen.unknown,
            warns=seen.warns,
            worst_lag=seen.worst_lag,
        )

    def changed_after(self, moment: float) -> bool:
        """Whether its status changed after a time."""
        return self.previous is not None and self.since is not None and self.since > moment


class ReadinessReport(ReadinessRow):
    """What is known of a plan's readiness.

    Attributes:
        findings: of the last look, the worst first.
        left_out: how many more there were.
        looks: the last looks, the newest first.
        lag_of_days: the worst lag of each of the last days, in seconds, by date (UTC).
    """

    findings: list[Finding] = []
    left_out: int = 0
    looks: list[RecordedLook] = []
    lag_of_days: dict[str, float] = {}

    def with_known(self, known: KnownReadiness | None) -> "ReadinessReport":
        """The report with the findings and the earlier looks."""
        if known is None:
            return self
        return self.model_copy(
            update={
                "findings": known.findings,
                "left_out": known.left_out,
                "looks": known.looks,
                "lag_of_days": known.readiness.lag_of_days,
            }
        )


def changed_first(rows: Iterable[ReadinessRow], moment: float) -> list[ReadinessRow]:
    """Plans that changed after a time first, then the worst."""
    return sorted(
        rows, key=lambda row: (not row.changed_after(moment), _RANKS.index(row.status), row.plan_id)
    )
