"""The targets and servers of a plan, as the worker sees them."""

from recovery.base_model import Model
from recovery.execution.server import OperatingSystem
from recovery.plan.model import RecoveryPlan, Server, Target
from recovery.plan.snapshots import ServerSnapshots


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


class Finding(Model):
    """A finding of a readiness check.

    Attributes:
        server_name: the server's name in DRS.
        job_id: its DRS job.
        blocks: DRS or our guard would refuse to launch this server now.
    """

    wave_id: str | None = None
    source_server_id: str | None = None
    server_name: str | None = None
    region: str
    account_id: str | None = None
    message: str
    job_id: str | None = None
    blocks: bool = False


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


class Readiness(Model):
    """The result of a dry run.

    Attributes:
        sources: None: an older worker.
        checked_time: when the worker looked (epoch seconds); None: an older worker.
        origins: the Regions that its source servers replicate from, as far as DRS says so.
    """

    checked_time: float | None = None
    origins: list[str] = []
    context: WorkerContext
    findings: list[Finding]
    sources: SourcesSeen | None = None


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
