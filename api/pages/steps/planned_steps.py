"""The steps of a plan, and which of them a drill or a recovery leaves out."""

from dataclasses import dataclass

from api.pages.steps.step_view import PHASES
from recovery.execution.state import ExecutionType
from recovery.plan.fields import Impact
from recovery.plan.model import RecoveryPlan, Wave
from recovery.steps.model import When
from recovery.text_format import count, listed

_RUNS_IN = {
    When.BOTH: "in drills and recoveries",
    When.DRILL: "only in a DRILL",
    When.RECOVERY: "only in a RECOVERY",
}


@dataclass(frozen=True)
class PlannedSteps:
    """The steps of a wave of a plan.

    Attributes:
        text: how many, and how many run in one kind of execution only.
        rows: of each its ID, and what it is and when it runs.
    """

    text: str
    rows: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, wave: Wave) -> "PlannedSteps | None":
        """The steps of a wave; None if it has none."""
        steps = wave.all_steps
        if not steps:
            return None
        when = [step.effective_when for _, step in steps]
        only = [f"{when.count(w)} {_RUNS_IN[w]}" for w in (When.RECOVERY, When.DRILL) if w in when]
        rows = []
        for phase, step in steps:
            optional = "optional" if step.impact is Impact.OPTIONAL else ""
            facts = (step.kind.value, PHASES[phase], _RUNS_IN[step.effective_when], optional)
            rows.append((step.step_id, ", ".join(each for each in facts if each)))
        return cls(", ".join([count(len(steps), "step"), *only]), tuple(rows))


def steps_text(plan: RecoveryPlan, kind: ExecutionType) -> str:
    """How many steps an execution runs, and which are left out; "" if the plan has none."""
    steps = [(wave, step) for wave in plan.waves for _, step in wave.all_steps]
    is_drill = kind is ExecutionType.DRILL
    left_out = [
        f"{step.step_id} of {wave.wave_name}"
        for wave, step in steps
        if not step.runs_in(is_drill=is_drill)
    ]
    if not steps:
        return ""
    text = f"{count(len(steps) - len(left_out), 'step')} run in this {kind}"
    return f"{text}; left out, and so NOT_TESTED: {listed(left_out)}" if left_out else text
