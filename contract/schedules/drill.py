"""The drills that a plan's schedule starts: the input of their workflow."""

from pydantic import Field

from contract.identifiers import new_execution_id
from recovery.access.grants import ScheduleSubject, SignedRequest
from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan
from recovery.schedule.grant import scheduled_actor
from recovery.schedule.model import SkipIf


class RunNow(Model):
    """A drill of a schedule that somebody starts at once.

    Attributes:
        actor: who.
        time: when (epoch seconds).
        signed_start: what was signed of its start.
        signed_cleanup: what was signed of its clean-up.
    """

    execution_id: str
    actor: str
    time: float
    signed_start: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    signed_cleanup: SignedRequest | None = Field(
        default=None, exclude_if=lambda value: value is None
    )


class ScheduledDrill(Model):
    """Input of the workflow of a scheduled drill: what the schedule may start.

    Attributes:
        plan_hash: of the registered plan.
        cleanup_seconds: from the drill's end until its clean-up.
        announce_seconds: from its announcement until it starts.
        registered_by: who registered the schedule, or signed it.
        signed: the grant of the schedule; left out where nothing was signed.
        run_now: a drill that somebody starts at once; None when the Schedule starts it.
    """

    plan_id: str
    plan_hash: str
    cron: str
    time_zone: str = "UTC"
    skip_if: SkipIf | None = None
    cleanup_seconds: float
    announce_seconds: float = 0.0
    registered_by: str = "unknown"
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    run_now: RunNow | None = None

    @classmethod
    def of(cls, plan: RecoveryPlan, *, registered_by: str, speed: float) -> "ScheduledDrill | None":
        """What the schedule of a plan may start; None if the plan has none.

        Args:
            plan: the registered plan.
            registered_by: who registered it.
            speed: divides its durations, as a sandbox divides DRS's.
        """
        schedule = plan.schedule
        if schedule is None:
            return None
        return cls(
            plan_id=plan.plan_id,
            plan_hash=plan.plan_hash,
            cron=schedule.cron,
            time_zone=schedule.time_zone,
            skip_if=schedule.skip_if,
            cleanup_seconds=schedule.cleanup_seconds / speed,
            announce_seconds=schedule.announce_seconds / speed,
            registered_by=registered_by,
        )

    @property
    def subject(self) -> ScheduleSubject:
        """What a signature of it covers."""
        return ScheduleSubject(
            plan_id=self.plan_id,
            plan_hash=self.plan_hash,
            cron=self.cron,
            time_zone=self.time_zone,
            skip_if=self.skip_if,
            announce_seconds=self.announce_seconds,
            cleanup_seconds=self.cleanup_seconds,
        )

    @property
    def started_by(self) -> str:
        """Who is named as the starter of its drills."""
        return self.run_now.actor if self.run_now else scheduled_actor(self.registered_by)

    def execution_id(self, scheduled_time: float) -> str:
        """The ID of the drill of one time of the schedule; the same whenever it is asked for."""
        if self.run_now is not None:
            return self.run_now.execution_id
        nonce = self.signed.grant().nonce if self.signed else self.plan_hash
        return scheduled_execution_id(self.plan_id, nonce, scheduled_time)


def scheduled_execution_id(plan_id: str, nonce: str, scheduled_time: float) -> str:
    """The ID of the drill of one time of a schedule.

    Args:
        plan_id: the plan.
        nonce: of the schedule's signature; its plan's hash where nothing is signed.
        scheduled_time: epoch seconds.
    """
    return new_execution_id(plan_id, key=f"{nonce} {scheduled_time:.3f}")


class DrillLook(Model):
    """What is to be known before a drill starts."""

    drill: ScheduledDrill
    execution_id: str
    scheduled_time: float
