"""How far a wave's steps are, as text."""

import pytest

from recovery.steps.model import StepKind, StepPhase
from recovery.steps.progress import steps_figures, steps_text
from recovery.steps.state import StepState, StepStatus

DONE, LEFT_OUT, WAITS = StepStatus.SUCCEEDED, StepStatus.NOT_TESTED, StepStatus.PENDING


@pytest.mark.parametrize(
    ("statuses", "text", "figures"),
    [
        ([DONE, WAITS], "1/2 steps", "1/2"),
        ([DONE, WAITS, LEFT_OUT], "1/2 steps, 1 NOT_TESTED", "1/2"),
        ([LEFT_OUT], "1 step NOT_TESTED", ""),
        ([LEFT_OUT, LEFT_OUT], "2 steps NOT_TESTED", ""),
    ],
)
def test_steps_that_are_left_out_do_not_count(
    statuses: list[StepStatus], text: str, figures: str
) -> None:
    steps = [
        StepState(step_id=f"s{n}", kind=StepKind.LAMBDA, phase=StepPhase.ALONE, status=status)
        for n, status in enumerate(statuses)
    ]
    assert (steps_text(steps), steps_figures(steps)) == (text, figures)
