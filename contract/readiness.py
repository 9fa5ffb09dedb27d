"""What the worker sees of a plan's targets and servers."""

from recovery.base_model import Model
from recovery.execution.server import OperatingSystem


class TargetContext(Model):
    """One target as the worker sees it.

    Attributes:
        account_id: the account the worker acts in; None when it could not be asked.
        error: why the target cannot be used now, or why the worker could not check it.
        mismatch: the account is not the one the plan names, so nothing may be launched.
    """

    region: str
    role_arn: str | None = None
    account_id: str | None = None
    endpoint: str = ""
    is_sandbox: bool = False
    error: str | None = None
    mismatch: bool = False


class WorkerContext(Model):
    """What a plan needs to know of the worker before it starts.

    Attributes:
        warnings: what is wrong around the plan; none of it holds a launch back.
        operating_systems: of its source servers, as far as DRS says so at once.
    """

    speed: float
    targets: list[TargetContext]
    warnings: list[str] = []
    operating_systems: dict[str, OperatingSystem] = {}


class Finding(Model):
    """Something a readiness check found.

    Attributes:
        job_id: the DRS job that it is about.
        blocks: DRS or our guard would refuse to launch this server as things are.
    """

    wave_id: str | None = None
    source_server_id: str | None = None
    region: str
    account_id: str | None = None
    message: str
    job_id: str | None = None
    blocks: bool = False


class Readiness(Model):
    """What a dry run tells."""

    context: WorkerContext
    findings: list[Finding]
