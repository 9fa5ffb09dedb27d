"""A wave's steps in the graph, in lists and in its panel."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from api.pages.execution.controls import Control
from api.pages.steps.instruction import instruction_html
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.operator.effects import effect_of
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.steps.progress import (
    STEP_SYMBOLS,
    input_text,
    step_notes,
    step_to_look_at,
    steps_figures,
    steps_text,
)
from recovery.steps.replaced import change_text
from recovery.steps.state import StepState, StepStatus


@dataclass(frozen=True)
class StepView:
    """A step for all templates.

    Attributes:
        controls: what may be done about it now.
    """

    step: StepState
    controls: tuple[Control, ...] = ()

    @property
    def symbol(self) -> str:
        """The symbol of the status."""
        return "⚠" if self.step.awaits_operator else STEP_SYMBOLS[self.step.status]

    @property
    def status_class(self) -> str:
        """The CSS class of the status."""
        status = "awaits-operator" if self.step.awaits_operator else self.step.status
        return "is-" + status.lower().replace("_", "-")

    @property
    def notes(self) -> str:
        """What the status does not show."""
        return step_notes(self.step)

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """The outputs, and what it changed, as text."""
        named = [(name, _text_of(value)) for name, value in self.step.outputs.items()]
        if change := change_text(self.step.before):
            named.append(("changed", change))
        return named

    @property
    def instruction(self) -> Markup:
        """The instruction of a manual step that can be completed."""
        manual = self.step.manual
        return instruction_html(manual.instruction) if manual else Markup()

    @property
    def inputs(self) -> list[str]:
        """What it asks for."""
        return [input_text(each) for each in self.step.manual.inputs] if self.step.manual else []

    @property
    def is_in_doubt(self) -> bool:
        """Whether an operator must say if it had its effect."""
        return self.step.awaits_operator and self.step.status is StepStatus.OUTCOME_UNKNOWN


@dataclass(frozen=True)
class StepsView:
    """The steps of a wave in one line.

    Attributes:
        figures: how many succeeded, of how many.
        text: the same, with how many were left out.
        current: the step that waits, failed or runs.
    """

    figures: str
    text: str
    current: StepView | None

    @classmethod
    def of(cls, steps: Sequence[StepState]) -> "StepsView | None":
        """The steps of a wave; None if it has none."""
        if not steps:
            return None
        current = step_to_look_at(steps)
        view = StepView(current) if current else None
        return cls(steps_figures(steps), steps_text(steps), view)


@dataclass(frozen=True)
class StepQuestion:
    """What an operator is asked about a step.

    Attributes:
        answers: if it is in doubt whether it had its effect: what each control does.
    """

    view: StepView
    answers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, state: ExecutionState, wave: WaveState, view: StepView) -> "StepQuestion":
        """The question about a step that waits."""
        step_id = view.step.step_id
        effects = [
            (
                control.short_label,
                effect_of(
                    state, OperatorMessage(MessageName(control.name), wave.wave_id, step=step_id)
                ),
            )
            for control in view.controls
            if view.is_in_doubt
        ]
        return cls(view, tuple(effects))


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
