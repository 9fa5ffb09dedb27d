"""Leases of launch templates: an isolated drill's, from its switch until everything is restored."""

from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model
from recovery.launch_settings.lease import Lease, RestoreResult
from recovery.plan.model import Target


class Isolation(Model):
    """How far the servers of a batch are isolated.

    Attributes:
        leases: the servers whose launch template has a version of the drill.
        refused: by server, why it cannot be isolated as the plan asks, so is not launched.
        held: by server, why it cannot be isolated now.
        expires_time: StartRecovery is not sent later (epoch seconds, by Temporal's clock).
    """

    leases: list[Lease] = []
    refused: dict[str, str] = {}
    held: dict[str, str] = {}
    expires_time: float = 0.0


class LeaseInput(Model):
    """Input of the workflow of a lease.

    Attributes:
        lease_id: names it in the descriptions of EC2's versions.
        execution_ids: the drills; a job of theirs is known by its launch IDs.
        launch_ids: of the launches that it is for; each has one job.
        since: no job of theirs is older (epoch seconds).
        expires_time: until then the launcher may start their job (epoch seconds).
        acting_for: the execution and actor that sessions in AWS are named after.
    """

    target: Target
    lease_id: str
    leases: list[Lease]
    execution_ids: list[str]
    launch_ids: list[str] = []
    since: float
    expires_time: float
    acting_for: SessionIdentity | None = None


class LeaseOutcome(Model):
    """Signal to a lease, from the launcher: what became of the launches.

    Attributes:
        jobs: by server, the job that DRS accepted.
        in_doubt: whether DRS may have a job of the other servers.
    """

    jobs: dict[str, str] = {}
    in_doubt: bool = False


class LeaseJobsRequest(Model):
    """Servers whose jobs are searched, because the launcher does not say what became of them."""

    lease: LeaseInput
    server_ids: list[str]


class HoldRequest(Model):
    """Templates to keep as they are until DRS has read them for a job.

    Attributes:
        leases: the leases of an isolated drill; empty for a recovery.
        jobs: by server, its job.
        drill_subnets: of a recovery: where drills launch.
        until_end: wait for the end of the jobs instead.
    """

    target: Target
    leases: list[Lease] = []
    jobs: dict[str, str]
    drill_subnets: list[str] = []
    until_end: bool = False
    acting_for: SessionIdentity | None = None


class RestoreRequest(Model):
    """Templates to restore.

    Attributes:
        restore_drs: whether DRS's own settings are restored too, as no job of the drill runs.
        held_since: when the drill's versions were not the default yet (epoch seconds).
    """

    target: Target
    leases: list[Lease]
    restore_drs: bool
    held_since: float
    acting_for: SessionIdentity | None = None


class GuardInput(Model):
    """Input of the workflow that keeps drills' versions away from a recovery's job.

    Attributes:
        jobs: by server, its job.
        drill_subnets: where drills launch.
    """

    target: Target
    jobs: dict[str, str]
    drill_subnets: list[str] = []
    acting_for: SessionIdentity | None = None


class LeaseState(Model):
    """The state of a lease, and its result.

    Attributes:
        doing: what it does now.
        restored: by server, what became of its launch template.
    """

    lease_id: str
    leases: list[Lease]
    doing: str = ""
    restored: dict[str, RestoreResult] = {}

    @property
    def problems(self) -> list[str]:
        """What was left as it is, and somebody must look at."""
        return [problem for each in self.restored.values() for problem in each.problems]

    def add(self, results: list[RestoreResult]) -> None:
        """Add what became of leases."""
        for result in results:
            earlier = self.restored.get(result.source_server_id)
            if earlier is not None:
                result.problems = list(dict.fromkeys([*earlier.problems, *result.problems]))
            self.restored[result.source_server_id] = result
