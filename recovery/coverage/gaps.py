"""Judges what plans leave uncovered."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

from recovery.base_model import Model
from recovery.coverage.evidence import (
    CoverageEvidence,
    DrillRecord,
    EndedDrill,
    ListedServer,
    ListedTarget,
)
from recovery.execution.server import server_label
from recovery.plan.model import RecoveryPlan, Target
from recovery.readiness.failed_read import FailedRead
from recovery.text_format import count, listed, utc_timestamp

# A result crosses Temporal, which takes 2 MB.
MAX_GAPS = 4_000
_DAY_SECONDS = 86_400.0


class GapCode(StrEnum):
    """What is uncovered; the order is that of lists."""

    UNKNOWN = "UNKNOWN"
    """Something could not be read, so there may be more."""
    IN_NO_PLAN = "IN_NO_PLAN"
    IN_SEVERAL_PLANS = "IN_SEVERAL_PLANS"
    NEVER_DRILLED = "NEVER_DRILLED"
    DRILL_OVERDUE = "DRILL_OVERDUE"
    CHANGED_SINCE_DRILL = "CHANGED_SINCE_DRILL"


class Gap(Model):
    """Something that is uncovered.

    Attributes:
        plan_ids: the plans that it is about.
        last_drill: the last drill of the plan that was COMPLETED or PARTIAL.
        permission: which the worker lacks.
        message: what it is, and what to do.
    """

    code: GapCode
    message: str
    plan_ids: list[str] = []
    source_server_id: str | None = None
    server_name: str | None = None
    account_id: str | None = None
    region: str | None = None
    role_arn: str | None = None
    last_drill: EndedDrill | None = None
    permission: str | None = None


class CoveredTarget(Model):
    """A target whose source servers were compared with the plans.

    Attributes:
        servers: how many it has; None if they could not be read.
    """

    region: str
    role_arn: str | None = None
    account_id: str | None = None
    servers: int | None = None


class Coverage(Model):
    """The coverage of an installation.

    Attributes:
        checked_time: when the worker looked (epoch seconds).
        servers: how many source servers all targets have.
        plans: how many plans are registered.
        left_out: how many more gaps there are than `gaps` has.
        notes: what was not looked at, which is no gap.
    """

    checked_time: float
    targets: list[CoveredTarget]
    servers: int
    plans: int
    gaps: list[Gap]
    left_out: int = 0
    notes: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether there is no gap, and everything could be read."""
        return not self.gaps


# A source server: its account, if that is known, its Region and its ID.
_Place = tuple[str | None, str, str]


def coverage(
    evidence: CoverageEvidence, *, now: float, notes: Iterable[str] = (), max_gaps: int = MAX_GAPS
) -> Coverage:
    """Judge what is uncovered.

    Args:
        evidence: what is known.
        now: epoch seconds.
        notes: what was not looked at.
        max_gaps: of how many gaps the result has details.
    """
    gaps = sorted(_gaps(evidence, now), key=_position)
    return Coverage(
        checked_time=now,
        targets=[_covered(each) for each in evidence.targets],
        servers=sum(1 for _ in evidence.listed_servers()),
        plans=len(evidence.plans),
        gaps=gaps[:max_gaps],
        left_out=len(gaps[max_gaps:]),
        notes=list(notes),
    )


def place(account_id: str | None, region: str | None, role_arn: str | None = None) -> str:
    """A target for people."""
    where = f"{region} of account {account_id}" if account_id else str(region)
    return f"{where} with {role_arn}" if role_arn and not account_id else where


def _gaps(evidence: CoverageEvidence, now: float) -> Iterator[Gap]:
    yield from (Gap(code=GapCode.UNKNOWN, message=each) for each in evidence.unread)
    for target in evidence.targets:
        if target.failed is not None:
            yield _unread_target(target, target.failed)
    plans_of = defaultdict[_Place, list[str]](list)
    for plan in evidence.plans:
        for wave in plan.waves:
            where = evidence.account_of(wave.target), wave.region
            for server_id in wave.server_ids:
                plans_of[*where, server_id].append(plan.plan_id)
    yield from _server_gaps(evidence, plans_of)
    if evidence.drills is not None:
        for plan in evidence.plans:
            yield from _drill_gaps(plan, evidence.drills.get(plan.plan_id, DrillRecord()), now)


def _server_gaps(evidence: CoverageEvidence, plans_of: dict[_Place, list[str]]) -> Iterator[Gap]:
    known = {
        (evidence.account_of(t.target), t.target.region, server.source_server_id): (t, server)
        for t, server in evidence.listed_servers()
    }
    for key, (target, server) in known.items():
        if key not in plans_of:
            server_id = server.source_server_id
            where = place(target.account_id, target.target.region, target.target.role_arn)
            label = server_label(server_id, server.server_name)
            message = f"{label} in {where} is in no registered plan: nothing would recover it. "
            message += "Add it to a plan, and register that"
            yield _server_gap(GapCode.IN_NO_PLAN, message, target, server, [])
    for key, plan_ids in plans_of.items():
        if len(set(plan_ids)) < 2:
            continue
        in_plans = sorted(set(plan_ids))
        found, server = known.get(key, (None, ListedServer(source_server_id=key[-1])))
        label = server_label(server.source_server_id, server.server_name)
        message = f"{label} is in {count(len(in_plans), 'plan')} ({listed(in_plans)}), and a "
        message += "second recovery of it would destroy the instance of the first. Leave it in one"
        yield _server_gap(GapCode.IN_SEVERAL_PLANS, message, found, server, in_plans)


def _drill_gaps(plan: RecoveryPlan, drills: DrillRecord, now: float) -> Iterator[Gap]:
    last, since = drills.proved, ""
    if failed := drills.failed:
        since = f" The last attempt, {failed.execution_id}, ended {failed.status} at "
        since += f"{utc_timestamp(failed.end_time)}."
    command = f"`drs-waves run` starts a drill of {plan.plan_id}"
    if last is None:
        message = f"No drill of {plan.plan_id} has been COMPLETED or PARTIAL.{since} {command}"
        yield Gap(code=GapCode.NEVER_DRILLED, message=message, plan_ids=[plan.plan_id])
        return
    drilled = f"The last drill of {plan.plan_id}, {last.execution_id}, ended {last.status} at "
    drilled += utc_timestamp(last.end_time)
    days = plan.drill_interval_days
    about = {"plan_ids": [plan.plan_id], "last_drill": last}
    if now - last.end_time > days * _DAY_SECONDS:
        ago = int((now - last.end_time) / _DAY_SECONDS)
        message = f"{drilled}, {count(ago, 'day')} ago; it is due every {count(days, 'day')}."
        message += f"{since} {command}"
        yield Gap(code=GapCode.DRILL_OVERDUE, message=message, **about)
    if last.plan_hash != plan.file_hash:
        message = f"{plan.plan_id} has changed since: {drilled} with another version of the plan "
        message += f"({last.plan_hash[:12]}, now {plan.file_hash[:12]}).{since} {command}"
        yield Gap(code=GapCode.CHANGED_SINCE_DRILL, message=message, **about)


def _unread_target(listing: ListedTarget, failed: FailedRead) -> Gap:
    target = listing.target
    where = place(listing.account_id or target.role_account_id, target.region, target.role_arn)
    lacks = f"The worker lacks {failed.action}. " if failed.is_denied else ""
    return Gap(
        code=GapCode.UNKNOWN,
        message=f"The source servers in {where} could not be read, so servers in no plan may be "
        f"missing here. {lacks}{failed.error}",
        account_id=listing.account_id or target.role_account_id,
        region=target.region,
        role_arn=target.role_arn,
        permission=failed.action if failed.is_denied else None,
    )


def _server_gap(
    code: GapCode,
    message: str,
    listing: ListedTarget | None,
    server: ListedServer,
    plan_ids: list[str],
) -> Gap:
    target: Target | None = listing.target if listing else None
    return Gap(
        code=code,
        message=message,
        plan_ids=plan_ids,
        source_server_id=server.source_server_id,
        server_name=server.server_name,
        account_id=listing.account_id if listing else None,
        region=target.region if target else None,
        role_arn=target.role_arn if target else None,
    )


def _covered(listing: ListedTarget) -> CoveredTarget:
    return CoveredTarget(
        region=listing.target.region,
        role_arn=listing.target.role_arn,
        account_id=listing.account_id,
        servers=None if listing.failed else len(listing.servers),
    )


def _position(gap: Gap) -> tuple[int, str, str, str, str]:
    position = list(GapCode).index(gap.code)
    plans = ", ".join(gap.plan_ids)
    return position, gap.account_id or "", gap.region or "", gap.source_server_id or "", plans
