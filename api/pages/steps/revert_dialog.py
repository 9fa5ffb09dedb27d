"""The dialog in which an operator puts back what a step replaced."""

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.pages.steps.step_dialog import step_title
from api.service import ExecutionService
from recovery.execution.state import ExecutionState
from recovery.operator.confirmation import RequestRefusalCode, revert_refusal
from recovery.steps.replaced import RevertView, shown_value


def revert_dialog(
    service: ExecutionService, user: Principal, state: ExecutionState, step: str
) -> Dialog | None:
    """The dialog for a step; None if there is nothing to put back.

    It opens at once, and then shows what a worker finds there; only that is put back.

    Args:
        service: looks, and puts back.
        user: who looks.
        state: the execution.
        step: `WAVE/STEP`.
    """
    if step not in state.steps_to_put_back:
        return None
    _, _, step_id = step.partition("/")

    async def send(caller: Principal, fields: Fields) -> Outcome:
        result = await service.revert_step(
            caller,
            state.execution_id,
            step,
            view=RevertView.model_validate_json(fields.get("view", "")),
            confirmation=fields.get("typed"),
            is_forced=fields.get("force") == "yes",
        )
        return Outcome(f"{result.text}.")

    async def load_details() -> str:
        view = (await service.revert_step(user, state.execution_id, step)).view
        refusal = revert_refusal(view, step, step, is_forced=False)
        return render(
            "revert_details",
            view=view,
            now=shown_value(view.now),
            set_to=shown_value(view.set_to),
            was=shown_value(view.was),
            refusal=refusal.text if refusal else "",
            may_force=refusal is not None and refusal.code is RequestRefusalCode.NOT_FORCED,
        )

    html = render("revert_dialog", state=state, title=step_title("revert", step_id), step=step)
    return Dialog(html, send, load_details)
