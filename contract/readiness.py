"""The targets and servers of a plan, as the worker sees them."""

from collections.abc import Sequence
from itertools import chain

from recovery.base_model import Model
from recovery.coverage.gaps import MAX_GAPS
from recovery.execution.server import OperatingSystem
from recovery.plan.model import RecoveryPlan, Server, Target
from recovery.plan.snapshots import ServerSnapshots
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.result import Lag
from recovery.readiness.verdict import ReadinessStatus, status_of, worst_first

# A result of this many is about 1 MB, half of what Temporal takes.
MOST_FINDINGS = 2_000


class TargetContext(Model):
    """One target as the worker sees it.

    Attributes:
        account_id: the account the worker acts in; None when it could not be asked.
        endpoint: DRS's.
        other_endpoints: those of the other services that are called in this target.
        error: why the target cannot be used now, or why the worker could not check it.
        mismatch: nothing may be launched, because the account is not the one the plan names, or
            the worker's allow-list does not have the target.
    """

    region: str
    role_arn: str | None = None
    account_id: str | None = None
    endpoint: str = ""
    other_endpoints: list[str] = []
    is_sandbox: bool = False
    error: str | None = None
    mismatch: bool = False


class WorkerContext(Model):
    """The worker's targets and warnings, which a plan needs before it starts.

    Attributes:
        history_endpoint: DynamoDB's; None if it has none.
        warnings: risks for the plan; they prevent no launch.
        operating_systems: of its source servers, if DRS responds at once.
        server_names: of its source servers, if DRS responds at once.
        refusal: why the worker launches nothing for this start.
        break_glass: the reason of a start that is signed with an offline key, once verified.
    """

    speed: float
    targets: list[TargetContext]
    history_endpoint: str | None = None
    warnings: list[str] = []
    operating_systems: dict[str, OperatingSystem] = {}
    server_names: dict[str, str] = {}
    refusal: str | None = None
    break_glass: str | None = None


class SourcesSeen(Model):
    """How many source servers were seen shortly before the check, and may still be writing.

    Attributes:
        seen: in the last 10 minutes.
        known: of how many DRS says when they were last seen.
        total: of the plan.
    """

    seen: int = 0
    known: int = 0
    total: int


class TargetLook(Model):
    """A look at one target of a plan.

    Attributes:
        plan: the part of the plan that concerns the target.
        is_fresh: read everything now: somebody waits to start the plan.
    """

    plan: RecoveryPlan
    target: Target
    is_fresh: bool = True


class TargetResult(Model):
    """What a look at a target found.

    Attributes:
        findings: the worst of them, first.
        left_out: how many more there are.
        sources: of the plan's servers there.
        worst_lag: of those servers.
        origins: the Regions that they replicate from.
    """

    context: TargetContext
    findings: list[Finding] = []
    left_out: int = 0
    sources: SourcesSeen
    worst_lag: Lag | None = None
    origins: list[str] = []

    @classmethod
    def unread(cls, planned: PlannedTarget, error: str) -> "TargetResult":
        """The result where no worker could look."""
        target = planned.target
        failed = FailedRead(action="look", error=error)
        return cls(
            context=TargetContext(region=target.region, role_arn=target.role_arn, error=error),
            findings=[failed.finding("the target", planned)],
            sources=SourcesSeen(total=len(planned.servers)),
        )


class SurroundingsLook(Model):
    """A look at what a recovery of a plan needs besides its targets.

    Attributes:
        origins: the Regions that its servers replicate from, which may be lost.
        worst_lag: of its servers, now.
    """

    plan: RecoveryPlan
    origins: list[str] = []
    worst_lag: Lag | None = None


class SurroundingsResult(Model):
    """What a look at the installation found.

    Attributes:
        speed: of the worker's clock.
        history_endpoint: DynamoDB's; None if it has none.
    """

    speed: float = 1.0
    history_endpoint: str | None = None
    findings: list[Finding] = []

    @classmethod
    def unread(cls, error: str) -> "SurroundingsResult":
        """The result where no worker could look."""
        failed = FailedRead(action="look", error=error)
        return cls(findings=[failed.finding("what a recovery needs besides its targets")])


class Readiness(Model):
    """The result of a look at a plan.

    Attributes:
        looked_time: when the look began (epoch seconds).
        plan_hash: of the plan that was looked at, as its file has it.
        findings: the worst of them, first.
        left_out: how many more there are.
        worst_lag: of its servers, if DRS names one.
        origins: the Regions that they replicate from, as far as DRS says so.
    """

    looked_time: float
    plan_hash: str
    status: ReadinessStatus
    context: WorkerContext
    findings: list[Finding]
    left_out: int = 0
    sources: SourcesSeen
    worst_lag: Lag | None = None
    origins: list[str] = []

    @classmethod
    def of(
        cls,
        plan: RecoveryPlan,
        targets: Sequence[TargetResult],
        surroundings: SurroundingsResult,
        *,
        looked_time: float,
    ) -> "Readiness":
        """What looks at a plan's targets, in the order of `looked_at`, and its installation say."""
        # Several roles of a plan may act in the same account.
        found = {
            (f.code, f.region, f.account_id, f.source_server_id, f.job_id, f.message): f
            for f in chain(*(each.findings for each in targets), surroundings.findings)
        }
        findings = worst_first(found.values())
        lags = [each.worst_lag for each in targets if each.worst_lag is not None]
        sources = [each.sources for each in targets]
        return cls(
            looked_time=looked_time,
            plan_hash=plan.file_hash,
            status=status_of(findings),
            context=WorkerContext(
                speed=surroundings.speed,
                # Those in which only steps act are looked at too.
                targets=[each.context for each in targets[: len(plan.targets)]],
                history_endpoint=surroundings.history_endpoint,
            ),
            findings=findings[:MOST_FINDINGS],
            left_out=max(0, len(findings) - MOST_FINDINGS) + sum(t.left_out for t in targets),
            sources=SourcesSeen(
                seen=sum(each.seen for each in sources),
                known=sum(each.known for each in sources),
                total=plan.server_count,
            ),
            worst_lag=max(lags, key=lambda lag: lag.seconds, default=None),
            origins=sorted({origin for each in targets for origin in each.origins}),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many of the findings have which severity, by its name in lower case."""
        return {each.lower(): sum(f.severity is each for f in self.findings) for each in Severity}

    def with_findings(self, findings: Sequence[Finding]) -> "Readiness":
        """The result with other findings, and what they make of the plan."""
        update = {"findings": worst_first(findings), "status": status_of(findings)}
        return self.model_copy(update=update)


class RegisteredLook(Model):
    """What a look of a schedule is about.

    Attributes:
        plan: as it is registered; None: it no longer is.
        recoveries: real recoveries that run in an account of the plan, which come first.
        findings: about its schedule of drills.
    """

    plan: RecoveryPlan | None = None
    recoveries: list[str] = []
    findings: list[Finding] = []


class ReadinessRecord(Model):
    """Writes the result of a look at a registered plan."""

    plan_id: str
    period_seconds: float
    readiness: Readiness


class SnapshotsRequest(Model):
    """Reads the snapshots of a plan's servers.

    Attributes:
        around: the time to choose for (epoch seconds); None to choose none.
    """

    plan: RecoveryPlan
    around: float | None = None


class SnapshotsRead(Model):
    """Servers of one target whose snapshots are read; `around` is as in `SnapshotsRequest`."""

    target: Target
    servers: list[Server]
    around: float | None = None


class PlanSnapshots(Model):
    """The snapshots of a plan's servers.

    Attributes:
        servers: in the order of the plan.
        seconds: how long reading them took: one call or more for each server.
        around: the time that they were chosen for (epoch seconds).
    """

    servers: list[ServerSnapshots]
    seconds: float = 0.0
    around: float | None = None

    @property
    def by_server(self) -> dict[str, ServerSnapshots]:
        """By source server."""
        return {each.source_server_id: each for each in self.servers}


class CoverageRequest(Model):
    """Reads the coverage of an installation.

    Attributes:
        max_gaps: of how many gaps the result has details.
    """

    max_gaps: int = MAX_GAPS


class MembershipRequest(Model):
    """Reads the servers of a plan's waves that name tags, and records them.

    Attributes:
        accepted: the hash of the plan with fewer servers than recorded, which were confirmed.
    """

    plan: RecoveryPlan
    accepted: str | None = None
