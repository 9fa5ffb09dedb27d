"""The dialogs in which an operator decides about a step."""

from http import HTTPStatus

from pydantic import JsonValue

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.pages.steps.instruction import instruction_html
from api.problems import ApiProblem
from api.service import ExecutionService
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.operator.effects import effect_of
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.steps.state import StepState, StepStatus

_TITLES: dict[str, tuple[str, str]] = {
    MessageName.COMPLETE_STEP: ("Complete step {}", "Complete the step"),
    MessageName.FAIL_STEP: ("Fail step {}", "Fail the step"),
    MessageName.SKIP_STEP: ("Skip step {}", "Skip the step"),
    MessageName.RERUN_STEP: ("Run step {} again", "Run it again"),
    "revert": ("Put back what step {} changed", "Put it back"),
}
_INPUT_FIELD = "input:"


def step_title(name: str, step_id: str) -> str:
    """What an action does to a step, as the text of its button and the title of its dialog."""
    return _TITLES[name][0].format(step_id)


def step_dialog(
    service: ExecutionService,
    state: ExecutionState,
    name: MessageName,
    wave: WaveState,
    step: StepState,
) -> Dialog:
    """The dialog of a message about a step, which is allowed now.

    Args:
        service: sends the message.
        state: the execution.
        name: the message.
        wave: the wave of the step.
        step: the step.
    """

    async def send(caller: Principal, fields: Fields) -> Outcome:
        if fields.get("attempt") != str(step.attempt):
            text = f"step {step.step_id} is in attempt {step.attempt} now; look at it again"
            raise ApiProblem(HTTPStatus.CONFLICT, text)
        message = OperatorMessage(
            name,
            wave.wave_id,
            fields.get("reason", "").strip(),
            step=step.step_id,
            outputs=_outputs(fields) if name is MessageName.COMPLETE_STEP else None,
        )
        return Outcome.of(await service.send_message(caller, state.execution_id, message))

    is_completed = name is MessageName.COMPLETE_STEP
    manual = step.manual if is_completed else None
    effect = effect_of(state, OperatorMessage(name, wave.wave_id, step=step.step_id))
    html = render(
        "step_dialog",
        state=state,
        name=name,
        title=f"{step_title(name, step.step_id)}: {wave.wave_name}",
        button=_TITLES[name][1],
        effect=effect,
        step=step,
        is_in_doubt=step.status is StepStatus.OUTCOME_UNKNOWN,
        instruction=instruction_html(manual.instruction) if manual else "",
        inputs=manual.inputs if manual else [],
    )
    return Dialog(html, send)


def _outputs(fields: Fields) -> dict[str, JsonValue] | None:
    """What was entered, as text; the rules of messages give it the types that are asked for."""
    entered = {
        name.removeprefix(_INPUT_FIELD): text.strip()
        for name, text in fields.items()
        if name.startswith(_INPUT_FIELD) and text.strip()
    }
    return dict(entered) or None
