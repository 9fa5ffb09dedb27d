"""The results of looks at a plan, one after the other. Times are epoch seconds."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from recovery.base_model import Model
from recovery.execution.server import server_label
from recovery.readiness.finding import Finding, Severity
from recovery.readiness.verdict import ReadinessStatus, worst_first
from recovery.text_format import count

STALE_AFTER_PERIODS = 2
KEPT_LOOKS = 400
_KEPT_DAYS = 90
DAY_SECONDS = 86_400.0


class Lag(Model):
    """How far the replication of a server lags."""

    seconds: float
    source_server_id: str


class RecordedLook(Model):
    """A look at a plan, without its findings.

    Attributes:
        status: what it found.
        previous: what the look before it found; None: it was the first.
        worst_lag: of the plan's servers, if DRS named one.
    """

    looked_time: float
    plan_hash: str
    status: ReadinessStatus
    previous: ReadinessStatus | None = None
    blocks: int = 0
    unknown: int = 0
    warns: int = 0
    worst_lag: Lag | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the plan was ready, or never looked at, and is not ready now."""
        was_ready = self.previous in (None, ReadinessStatus.READY)
        return was_ready and self.status is not ReadinessStatus.READY

    @property
    def is_regained(self) -> bool:
        """Whether the plan was not ready, and is ready now."""
        was_ready = self.previous in (None, ReadinessStatus.READY)
        return not was_ready and self.status is ReadinessStatus.READY


class PlanReadiness(RecordedLook):
    """What is known of a plan's readiness: the last look, and how long it has been so.

    Attributes:
        number: how many looks there were.
        period_seconds: after which it is looked at again; None: nobody does.
        since: when its status last changed.
        changed_from: the status before that; None: it has not changed since the first look.
        worst: the worst finding; None if there is none.
        lag_of_days: the worst lag of each of the last days, in seconds, by date (UTC).
    """

    plan_id: str
    number: int = 1
    period_seconds: float | None = None
    since: float
    changed_from: ReadinessStatus | None = None
    worst: Finding | None = None
    lag_of_days: dict[str, float] = {}

    @property
    def reason(self) -> str:
        """Why it is not READY, in a sentence; "" if nothing was found."""
        if self.worst is None:
            return ""
        worst, server_id = self.worst, self.worst.source_server_id
        server = f"{server_label(server_id, worst.server_name)}: " if server_id else ""
        others = self.blocks + self.unknown + self.warns - 1
        more = f" (and {count(others, 'other finding')})" if others else ""
        return f"{worst.code}: {server}{worst.message}{more}"

    def at(self, now: float, plan_hash: str | None) -> "PlanReadiness":
        """What it still says: STALE after twice its period, UNKNOWN for another plan.

        Args:
            now: epoch seconds.
            plan_hash: of the plan as it is registered; None if that is not known.
        """
        if plan_hash not in (None, self.plan_hash):
            return self.model_copy(update={"status": ReadinessStatus.UNKNOWN})
        if is_stale(self.looked_time, self.period_seconds, now):
            return self.model_copy(update={"status": ReadinessStatus.STALE})
        return self


class KnownReadiness(Model):
    """What is known of a plan's readiness, with the findings of the last look.

    Attributes:
        findings: the worst of them, first.
        left_out: how many more there are.
        looks: the last looks, the newest first.
    """

    readiness: PlanReadiness
    findings: list[Finding] = []
    left_out: int = 0
    looks: list[RecordedLook] = []


def is_stale(looked_time: float, period_seconds: float | None, now: float) -> bool:
    """Whether a plan was not looked at for twice its period. Times are epoch seconds."""
    return period_seconds is not None and now - looked_time > STALE_AFTER_PERIODS * period_seconds


def next_result(
    before: PlanReadiness | None,
    *,
    plan_id: str,
    plan_hash: str,
    looked_time: float,
    period_seconds: float | None,
    status: ReadinessStatus,
    findings: Sequence[Finding],
    worst_lag: Lag | None,
) -> PlanReadiness:
    """The result after a look.

    Args:
        before: the result of the look before it, if there was one.
        plan_id: of the plan.
        plan_hash: of the plan that was looked at.
        looked_time: when (epoch seconds).
        period_seconds: after which it is looked at again.
        status: what was found.
        findings: all of them.
        worst_lag: of the plan's servers.
    """
    is_same = before is not None and before.status is status
    changed_from = before and (before.changed_from if is_same else before.status)
    return PlanReadiness(
        plan_id=plan_id,
        plan_hash=plan_hash,
        looked_time=looked_time,
        number=before.number + 1 if before else 1,
        period_seconds=period_seconds,
        status=status,
        previous=before.status if before else None,
        changed_from=changed_from,
        since=before.since if before is not None and is_same else looked_time,
        blocks=_number(findings, Severity.BLOCKS),
        unknown=_number(findings, Severity.UNKNOWN),
        warns=_number(findings, Severity.WARNS),
        worst=next(iter(worst_first(findings)), None),
        worst_lag=worst_lag,
        lag_of_days=_with_lag(before.lag_of_days if before else {}, looked_time, worst_lag),
    )


def worst_lag_since(looks: Iterable[RecordedLook], moment: float) -> Lag | None:
    """The worst lag that looks since a time found."""
    lags = [each.worst_lag for each in looks if each.looked_time >= moment and each.worst_lag]
    return max(lags, key=lambda lag: lag.seconds, default=None)


def _number(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(each.severity is severity for each in findings)


def _with_lag(before: dict[str, float], now: float, worst: Lag | None) -> dict[str, float]:
    if worst is None:
        return before
    day = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
    days = before | {day: max(round(worst.seconds, 3), before.get(day, 0.0))}
    return dict(sorted(days.items())[-_KEPT_DAYS:])
