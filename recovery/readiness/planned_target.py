"""The servers of a plan in one target: what the findings of a look there are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.readiness.finding import Finding, FindingKind
from recovery.text_format import shortened

# Some thousand findings must fit into the result of an activity.
_MAX_MESSAGE_BYTES = 400
_MAX_EVIDENCE_BYTES = 200


@dataclass(frozen=True)
class PlannedTarget:
    """A plan's waves and servers in one target.

    Attributes:
        plan: the plan, or the part of it that concerns the target.
    """

    plan: RecoveryPlan
    target: Target

    @cached_property
    def waves(self) -> tuple[Wave, ...]:
        """The waves that are launched here."""
        return tuple(wave for wave in self.plan.waves if wave.target == self.target)

    @cached_property
    def servers(self) -> Mapping[str, Server]:
        """The servers that are launched here, by ID, in the order of the plan."""
        return {s.source_server_id: s for wave in self.waves for s in wave.servers}

    @cached_property
    def wave_of(self) -> Mapping[str, Wave]:
        """The wave of each server."""
        return {i: wave for wave in self.waves for i in wave.server_ids}

    def finding(
        self,
        kind: FindingKind,
        message: str,
        server_id: str | None = None,
        *,
        wave_id: str | None = None,
        job_id: str | None = None,
        evidence: Mapping[str, str] | None = None,
        read_time: float | None = None,
    ) -> Finding:
        """A finding of a kind about a server, a wave, or the target."""
        wave = self.wave_of.get(server_id or "")
        return finding_of(kind, message, evidence).model_copy(
            update={
                "wave_id": wave.wave_id if wave is not None else wave_id,
                "source_server_id": server_id,
                "region": self.target.region,
                "account_id": self.target.account_id or self.target.role_account_id,
                "job_id": job_id,
                "read_time": read_time,
            }
        )


def finding_of(
    kind: FindingKind, message: str, evidence: Mapping[str, str] | None = None
) -> Finding:
    """A finding of a kind that is about no target, such as one about the installation."""
    return Finding(
        code=kind.code,
        severity=kind.severity,
        message=shortened(message, max_bytes=_MAX_MESSAGE_BYTES),
        evidence={
            key: shortened(value, max_bytes=_MAX_EVIDENCE_BYTES)
            for key, value in (evidence or {}).items()
        },
        prevents_launch=kind.prevents_launch,
        refuses_drill=kind.refuses_drill,
    )


def part_of(plan: RecoveryPlan, target: Target) -> RecoveryPlan:
    """The part of a plan that a look at a target needs: waves and steps that are carried out there.

    A plan of 4,000 servers in 40 targets is not sent 40 times.
    """
    waves = [
        wave
        for wave in plan.waves
        if wave.target == target or any(wave.target_of(s) == target for _, s in wave.all_steps)
    ]
    return plan.model_copy(update={"waves": waves})


def looked_at(plan: RecoveryPlan) -> tuple[Target, ...]:
    """The targets of a plan's waves, and those in which only steps act."""
    steps = (wave.target_of(step) for wave in plan.waves for _, step in wave.all_steps)
    return tuple(dict.fromkeys((*plan.targets, *steps)))
