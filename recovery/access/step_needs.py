"""What the steps of a plan need of the worker's allow-list."""

from recovery.access.allowed_steps import StepUse, UseKind, uses_of
from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan, Target
from recovery.text_format import listed


class StepNeeds(Model):
    """What a worker must be allowed so that the steps of a plan can run.

    Attributes:
        targets: those that no wave has.
        uses: each once, without hosts that a reference gives: they are known later.
    """

    targets: list[Target] = []
    uses: list[StepUse] = []


def needs_of(plan: RecoveryPlan, *, is_drill: bool) -> StepNeeds:
    """What the steps of a plan need in such an execution."""
    targets: dict[Target, None] = {}
    users: dict[tuple[UseKind, str], list[str]] = {}
    for wave in plan.waves:
        for _, step in wave.all_steps:
            if not step.runs_in(is_drill=is_drill):
                continue
            if step.region or step.role_arn:
                targets[wave.target_of(step)] = None
            for each in uses_of(step.spec):
                if "${" not in each.name:
                    user = f"{step.step_id} of {wave.wave_name}"
                    users.setdefault((each.kind, each.name), []).append(user)
    return StepNeeds(
        targets=[each for each in targets if each not in plan.targets],
        uses=[
            StepUse(kind=kind, name=name, used_by=f"step {listed(steps, shown=3)}")
            for (kind, name), steps in users.items()
        ],
    )
