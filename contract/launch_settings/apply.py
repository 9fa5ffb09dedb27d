"""The requests that compare launch settings with DRS and EC2, and apply them."""

from pydantic import Field

from recovery.access.grants import LaunchSettingsSubject, SignedRequest
from recovery.base_model import Model, StrictModel
from recovery.launch_settings.in_force import DrsFields
from recovery.launch_settings.report import WantedServer
from recovery.plan.model import RecoveryPlan, Target


class SettingsRequest(Model):
    """Servers of one target whose launch settings are read."""

    target: Target
    servers: list[WantedServer]


class StartApply(StrictModel):
    """Input of the workflow that applies a plan's launch settings.

    Attributes:
        apply_id: unique; with it a version of a launch template is created once.
        confirmation: the PlanId, typed.
        signed: what was signed of it; left out where nothing was.
    """

    apply_id: str
    plan: RecoveryPlan
    actor: str = "unknown"
    confirmation: str | None = None
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def subject(self) -> LaunchSettingsSubject:
        """What a signature of it covers."""
        return LaunchSettingsSubject(
            apply_id=self.apply_id,
            plan_id=self.plan.plan_id,
            plan_hash=self.plan.plan_hash,
            confirmation=self.confirmation,
        )


class PreparedServer(Model):
    """A server whose new version of its launch template exists, if it needs one.

    Attributes:
        version_before: the default version.
        version_after: the new version; None if none is needed.
        drs_before: DRS's own fields, those that are to be changed.
        drs_after: what they are to be.
        refusal: why nothing is changed.
        warning: what it names that could not be looked for.
    """

    server: WantedServer
    template_id: str | None = None
    version_before: int | None = None
    version_after: int | None = None
    drs_before: DrsFields = Field(default_factory=DrsFields)
    drs_after: DrsFields = Field(default_factory=DrsFields)
    refusal: str | None = None
    warning: str = ""

    @property
    def changes_nothing(self) -> bool:
        """Whether it has what the plan wants."""
        return self.version_after is None and self.drs_after.is_empty and self.refusal is None


class PrepareRequest(SettingsRequest):
    """Servers for which versions of launch templates are created.

    Attributes:
        plan_id: the plan; its workflow's start has the rest.
        actor: who applies it.
    """

    apply_id: str
    plan_id: str
    actor: str = "unknown"


class ApplyRequest(Model):
    """Servers whose launch settings are applied."""

    target: Target
    servers: list[PreparedServer]
    apply_id: str
    plan_id: str
    actor: str = "unknown"
