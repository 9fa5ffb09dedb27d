"""What a plan's launch settings are compared with, and what became of applying them."""

from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.launch_settings.in_force import DrsFields, SettingDifference, SettingsInForce
from recovery.launch_settings.lease import is_drills
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.resolve import settings_of
from recovery.plan.model import RecoveryPlan, Target


class WantedServer(Model):
    """A server, and what its plan wants for its launches."""

    wave_id: str
    source_server_id: str
    settings: ServerLaunchSettings


class ServerSettings(Model):
    """What DRS and EC2 have for a server.

    Attributes:
        found: None if it could not be read.
        differences: what the plan wants otherwise.
        problem: why it could not be read.
    """

    wave_id: str
    source_server_id: str
    region: str
    found: SettingsInForce | None = None
    differences: list[SettingDifference] = []
    problem: str | None = None

    @property
    def is_as_wanted(self) -> bool:
        """Whether it has all that the plan wants."""
        return not self.differences and self.problem is None

    @property
    def held(self) -> str | None:
        """Why its template is not as it usually is; None if no drill has it."""
        if self.found is None or not is_drills(self.found.description):
            return None
        number = self.found.template_version
        return f"an isolated drill launches it: version {number} is a drill's"


class AppliedStatus(StrEnum):
    """What became of a server's launch settings."""

    UNCHANGED = "UNCHANGED"
    """It had what the plan wants."""
    APPLIED = "APPLIED"
    REFUSED = "REFUSED"
    """It was left as it is; the reason says why."""
    FAILED = "FAILED"
    """It may be changed in part."""


class AppliedServer(Model):
    """What became of a server's launch settings.

    Attributes:
        version_before: the default version of its launch template before.
        version_after: the version that was made the default; None if none was needed.
        drs_before: DRS's own fields before, those that were changed.
        drs_after: the same fields afterwards.
    """

    wave_id: str
    source_server_id: str
    region: str
    status: AppliedStatus
    reason: str = ""
    template_id: str | None = None
    version_before: int | None = None
    version_after: int | None = None
    drs_before: DrsFields = Field(default_factory=DrsFields)
    drs_after: DrsFields = Field(default_factory=DrsFields)


class ApplyStatus(StrEnum):
    """The status of applying a plan's launch settings."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """A server has not what the plan wants."""


class ApplyState(Model):
    """How far a plan's launch settings are applied.

    Attributes:
        server_count: the servers for which the plan names settings.
        done: how many of them are done.
        unchanged: how many of these had what the plan wants.
        servers: the others.
    """

    plan_id: str
    plan_hash: str
    actor: str
    status: ApplyStatus = ApplyStatus.IN_PROGRESS
    start_time: float
    end_time: float | None = None
    server_count: int
    done: int = 0
    unchanged: int = 0
    servers: list[AppliedServer] = []

    def add(self, results: list[AppliedServer]) -> None:
        """Add what became of some servers."""
        self.done += len(results)
        self.unchanged += sum(each.status is AppliedStatus.UNCHANGED for each in results)
        self.servers += [e for e in results if e.status is not AppliedStatus.UNCHANGED]

    def end(self, now: float) -> None:
        """End it."""
        self.end_time = now
        failed = any(each.status is not AppliedStatus.APPLIED for each in self.servers)
        self.status = ApplyStatus.FAILED if failed else ApplyStatus.COMPLETED


def servers_of(plan: RecoveryPlan) -> dict[Target, list[WantedServer]]:
    """All servers of a plan, with what it wants for them, by target, in the plan's order."""
    found: dict[Target, list[WantedServer]] = {}
    for wave in plan.waves:
        found.setdefault(wave.target, []).extend(
            WantedServer(
                wave_id=wave.wave_id,
                source_server_id=server.source_server_id,
                settings=settings_of(plan, wave, server, is_drill=False),
            )
            for server in wave.servers
        )
    return found


def wanted_servers(plan: RecoveryPlan) -> dict[Target, list[WantedServer]]:
    """The servers of a plan for which it names launch settings."""
    nothing = ServerLaunchSettings()
    named = {
        target: [each for each in servers if each.settings != nothing]
        for target, servers in servers_of(plan).items()
    }
    return {target: servers for target, servers in named.items() if servers}
