"""The controls on an execution's page, and the dialogs that they open."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.pages.steps.step_dialog import step_dialog, step_title
from api.service import ExecutionService
from client.cleanup import kept_changes, may_clean_up, termination_lines
from recovery.access.roles import Role, role_for, role_to_undo
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.operator.confirmation import cancel_refusal, cleanup_refusal
from recovery.operator.effects import (
    cancellation_effect,
    effect_details,
    effect_text,
    skip_effect,
    skipped_with,
)
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, accepts_messages, actions_about, allowed_forms
from recovery.operator.step_rules import steps_about

CANCEL = "cancel"
CLEAN_UP = "clean_up"
REVERT = "revert"
_LABELS: dict[str, str] = {
    MessageName.RETRY_WAVE: "Retry",
    MessageName.ACCEPT_WAVE: "Accept",
    MessageName.SKIP_WAVE: "Skip",
    MessageName.APPROVE_WAVE: "Approve or refuse",
    MessageName.APPROVE_RECOVERY: "Approve or refuse the recovery",
    MessageName.CANCEL_WAVE: "Stop waiting",
    MessageName.LAUNCH_ANYWAY: "Launch anyway",
    MessageName.ADOPT_JOB: "Adopt a job",
    MessageName.PAUSE: "Pause",
    MessageName.RESUME: "Resume",
    MessageName.ACKNOWLEDGE: "I have it",
    MessageName.COMPLETE_STEP: "Complete",
    MessageName.FAIL_STEP: "Fail",
    MessageName.SKIP_STEP: "Skip",
    MessageName.RERUN_STEP: "Run again",
    CANCEL: "Cancel execution",
    CLEAN_UP: "Clean up",
    REVERT: "Put back",
}
_BUTTONS: dict[str, str] = {
    **_LABELS,
    MessageName.APPROVE_WAVE: "Approve",
    MessageName.APPROVE_RECOVERY: "Approve",
    CANCEL: "Cancel the execution",
    CLEAN_UP: "Terminate the instances",
}
# By the value of the field, what a skip is about.
_SKIPS = {"": "Only this wave", "yes": "This wave and everything that depends on it"}


@dataclass(frozen=True)
class Control:
    """A button that opens the dialog of an action.

    Attributes:
        name: the action: a message, CANCEL, CLEAN_UP or REVERT.
        wave_id: the wave; None for the execution.
        missing_role: the role that the user needs but does not have; None if the user may act.
        beside: the name of the wave, if the button is shown beside another one.
        step_id: the step of the wave; None if it is not about one.
    """

    name: str
    wave_id: str | None
    missing_role: Role | None
    beside: str = ""
    step_id: str | None = None

    @property
    def label(self) -> str:
        """The text of the button."""
        if self.step_id is not None:
            return step_title(self.name, self.step_id)
        return f"{self.short_label} {self.beside}".rstrip()

    @property
    def short_label(self) -> str:
        """The text of the button where what it is about stands beside it."""
        return _LABELS[self.name]

    @property
    def about(self) -> str:
        """The wave, and its step after a slash; "" for the execution."""
        return "/".join(each for each in (self.wave_id, self.step_id) if each is not None)


def controls(
    state: ExecutionState, user: Principal, wave: WaveState | None = None
) -> list[Control]:
    """The controls of a wave, or else of the execution, that are possible now."""
    # Several forms of one message have one button, except that each step has its own.
    forms = (
        form for a in actions_about(state, wave) for form in allowed_forms(state, a.name, wave)
    )
    found: list[tuple[str, str | None]] = [*dict.fromkeys((f.name, f.step) for f in forms)]
    if wave is None and accepts_messages(state):
        found.append((CANCEL, None))
    if wave is None and may_clean_up(state):
        found.append((CLEAN_UP, None))
    if wave is not None:
        found += [(REVERT, step.step_id) for step in wave.steps if step.can_be_put_back]
    wave_id = wave.wave_id if wave else None
    roles = {name: _role_for(name, state, wave_id, user) for name, _ in found}
    missing = {name: None if user.may(role) else role for name, role in roles.items()}
    return [Control(name, wave_id, missing[name], step_id=step_id) for name, step_id in found]


def _role_for(name: str, state: ExecutionState, wave_id: str | None, user: Principal) -> Role:
    """The role that an action needs."""
    if name in (CLEAN_UP, REVERT):
        return role_to_undo(state.execution_type)
    if name not in list(MessageName):
        return Role.OPERATOR
    return role_for(state, OperatorMessage(MessageName(name), wave_id), user.roles)


def action_dialog(
    service: ExecutionService, state: ExecutionState, name: str, about: str | None
) -> Dialog | None:
    """The dialog of an action; None if the action is no longer possible.

    Args:
        service: performs it.
        state: the execution.
        name: the action.
        about: a wave, or one and its step after a slash; None for the execution.
    """
    if name == CANCEL:
        return _cancel_dialog(service, state) if accepts_messages(state) else None
    if name == CLEAN_UP:
        return _cleanup_dialog(service, state) if may_clean_up(state) else None
    wave_id, _, step_id = (about or "").partition("/")
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    action = next((a for a in actions_about(state, wave) if a.name == name), None)
    if action is None:
        return None
    if wave is None or not action.name.is_about_a_step:
        return _message_dialog(service, state, action, wave)
    step = next((s for s in steps_about(wave, action.name) if s.step_id == step_id), None)
    return step_dialog(service, state, action.name, wave, step) if step else None


def _dialog(
    state: ExecutionState,
    name: str,
    send: Callable[[Principal, Fields], Awaitable[Outcome]],
    **values: Any,
) -> Dialog:
    """The form of an action; `values` are those of its template."""
    defaults = {"skips": [], "typed": None, "launches": [], "answers": [True]}
    values = {"state": state, "name": name, "button": _BUTTONS[name]} | defaults | values
    return Dialog(render("action_dialog", **values), send)


def _message_dialog(
    service: ExecutionService, state: ExecutionState, action: Action, wave: WaveState | None
) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        message = OperatorMessage(
            action.name,
            wave.wave_id if wave else None,
            fields.get("reason", "").strip(),
            cascade=fields.get("cascade") == "yes",
            approve=fields.get("answer") != "refuse",
            job=fields.get("job", "").strip() or None,
            launch=fields.get("launch", "").strip() or None,
        )
        return Outcome.of(await service.send_message(caller, state.execution_id, message))

    forms = allowed_forms(state, action.name, wave)
    label = _LABELS[action.name]
    is_skip = action.name is MessageName.SKIP_WAVE
    has_choice = is_skip and wave is not None and len(skipped_with(state, wave)) > 1
    return _dialog(
        state,
        action.name,
        send,
        title=f"{label}: {wave.wave_name}" if wave else label,
        effect="" if has_choice else f"It {effect_text(action, state, wave)}.",
        details=effect_details(state, action.name, wave),
        skips=[
            (value, label, skip_effect(state, wave, cascade=bool(value)))
            for value, label in _SKIPS.items()
            if has_choice and wave is not None
        ],
        launches=[form.launch for form in forms if form.launch is not None],
        answers=[form.approve for form in forms] or [True],
    )


def _cancel_dialog(service: ExecutionService, state: ExecutionState) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        effect = await service.cancel(
            caller,
            state.execution_id,
            reason=fields.get("reason", "").strip(),
            confirmation=fields.get("typed") or None,
        )
        return Outcome.of(effect)

    return _dialog(
        state,
        CANCEL,
        send,
        title=f"Cancel {state.execution_id}",
        effect=f"It cancels the whole execution: {cancellation_effect(state)}.",
        details=[],
        typed=state.plan_id if cancel_refusal(state.plan_id, state.execution_type, None) else None,
    )


def _cleanup_dialog(service: ExecutionService, state: ExecutionState) -> Dialog:
    is_recovery = state.execution_type is ExecutionType.RECOVERY

    async def send(caller: Principal, fields: Fields) -> Outcome:
        confirmation = fields.get("typed") or None
        await service.clean_up(
            caller, state.execution_id, force=is_recovery, confirmation=confirmation
        )
        return Outcome("The clean-up has started; this page shows its progress.")

    effect, *details = termination_lines(state) + kept_changes(state)
    if is_recovery:
        details.insert(0, "This was a REAL RECOVERY: its instances may be serving customers.")
    return _dialog(
        state,
        CLEAN_UP,
        send,
        title=f"Clean up after {state.execution_id}",
        effect=effect,
        details=details,
        typed=state.plan_id if cleanup_refusal(state.plan_id, state.execution_type, None) else None,
    )
