"""The controls on an execution's page, and the dialogs that they open."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from api.auth.roles import role_for
from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.service import ExecutionService
from client.cleanup import may_clean_up, termination_lines
from client.steering import WITHOUT_WORKER
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.forecast.remaining import graph_of
from recovery.operator.confirmation import cancel_refusal, cleanup_refusal
from recovery.operator.effects import effect_text, skip_effect
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, accepts_messages, actions_about, allowed_forms
from recovery.text_format import count
from settings import Role

CANCEL = "cancel"
CLEAN_UP = "clean_up"
_LABELS: dict[str, str] = {
    MessageName.RETRY_WAVE: "Retry",
    MessageName.ACCEPT_WAVE: "Accept",
    MessageName.SKIP_WAVE: "Skip",
    MessageName.APPROVE_WAVE: "Approve or refuse",
    MessageName.CANCEL_WAVE: "Stop waiting",
    MessageName.LAUNCH_ANYWAY: "Launch anyway",
    MessageName.ADOPT_JOB: "Adopt a job",
    MessageName.PAUSE: "Pause",
    MessageName.RESUME: "Resume",
    CANCEL: "Cancel execution",
    CLEAN_UP: "Clean up",
}
_BUTTONS: dict[str, str] = {
    **_LABELS,
    MessageName.APPROVE_WAVE: "Approve",
    CANCEL: "Cancel the execution",
    CLEAN_UP: "Terminate the instances",
}


@dataclass(frozen=True)
class Control:
    """A button that opens the dialog of an action.

    Attributes:
        name: the action: a message, CANCEL or CLEAN_UP.
        wave_id: the wave; None for the execution.
        missing_role: the role that the user needs but does not have; None if the user may act.
    """

    name: str
    wave_id: str | None
    missing_role: Role | None

    @property
    def label(self) -> str:
        """The text of the button."""
        return _LABELS[self.name]


def controls(
    state: ExecutionState, user: Principal, wave: WaveState | None = None
) -> list[Control]:
    """The controls of a wave, or else of the execution, that are possible now."""
    names: list[str] = [each.name for each in actions_about(state, wave)]
    if wave is None and accepts_messages(state):
        names.append(CANCEL)
    if wave is None and may_clean_up(state):
        names.append(CLEAN_UP)
    wave_id = wave.wave_id if wave else None
    roles = [_role_for(name, state) for name in names]
    return [
        Control(name, wave_id, None if user.may(role) else role)
        for name, role in zip(names, roles, strict=True)
    ]


def _role_for(name: str, state: ExecutionState) -> Role:
    """The role that an action needs."""
    if name == CLEAN_UP and state.execution_type is ExecutionType.RECOVERY:
        return Role.ADMIN
    return role_for(MessageName(name)) if name in list(MessageName) else Role.OPERATOR


def action_dialog(
    service: ExecutionService, state: ExecutionState, name: str, wave_id: str | None
) -> Dialog | None:
    """The dialog of an action; None if the action is no longer possible."""
    if name == CANCEL:
        return _cancel_dialog(service, state) if accepts_messages(state) else None
    if name == CLEAN_UP:
        return _cleanup_dialog(service, state) if may_clean_up(state) else None
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    action = next((a for a in actions_about(state, wave) if a.name == name), None)
    return _message_dialog(service, state, action, wave) if action else None


def _dialog(
    state: ExecutionState,
    name: str,
    send: Callable[[Principal, Fields], Awaitable[Outcome]],
    **values: Any,
) -> Dialog:
    """The form of an action; `values` are those of its template."""
    defaults = {"cascade": "", "typed": None, "launches": [], "answers": [True]}
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
        result = await service.send_message(caller, state.execution_id, message)
        return Outcome(result or WITHOUT_WORKER)

    forms = allowed_forms(state, action.name, wave) if wave else []
    label = _LABELS[action.name]
    skipped = wave if action.name is MessageName.SKIP_WAVE else None
    has_dependents = skipped and graph_of(state).downstream_of(skipped.wave_id)
    return _dialog(
        state,
        action.name,
        send,
        title=f"{label}: {wave.wave_name}" if wave else label,
        effect=f"It {effect_text(action, state, wave)}.",
        details=_details(state, action.name, wave),
        cascade=skip_effect(state, skipped, cascade=True) if skipped and has_dependents else "",
        launches=[form.launch for form in forms if form.launch is not None],
        answers=[form.approve for form in forms] or [True],
    )


def _details(state: ExecutionState, name: MessageName, wave: WaveState | None) -> Sequence[str]:
    """What else the user should know before confirming."""
    if wave is None:
        running = sum(each.is_running for each in state.waves)
        return [f"{count(running, 'wave')} run now and continue."]
    details = [f"It is {wave.status}{': ' + wave.status_reason if wave.status_reason else ''}."]
    servers = count(len(wave.servers), "server")
    where = " in ".join(part for part in (wave.account_id, wave.region) if part)
    if name in (MessageName.APPROVE_WAVE, MessageName.LAUNCH_ANYWAY):
        details.append(f"Its {servers} are launched in {where}.")
    if name is MessageName.RETRY_WAVE:
        not_up = sum(s.launch_status is not LaunchStatus.LAUNCHED for s in wave.servers)
        details.append(f"{not_up} of its {servers} are not up; drs-waves checks each in DRS first.")
    waiting = [each.wave_name for each in state.waves if wave.wave_id in each.depends_on]
    if waiting:
        details.append(f"On it depend: {', '.join(waiting[:8])}{' …' if len(waiting) > 8 else ''}.")
    return details


def _cancel_dialog(service: ExecutionService, state: ExecutionState) -> Dialog:
    async def send(caller: Principal, fields: Fields) -> Outcome:
        effect = await service.cancel(
            caller,
            state.execution_id,
            reason=fields.get("reason", "").strip(),
            confirmation=fields.get("typed") or None,
        )
        return Outcome(effect or WITHOUT_WORKER)

    pending = sum(not wave.status.is_settled and not wave.has_workflow for wave in state.waves)
    running = sum(wave.is_running for wave in state.waves)
    return _dialog(
        state,
        CANCEL,
        send,
        title=f"Cancel {state.execution_id}",
        effect="It launches nothing new. DRS cannot cancel a job: jobs that run continue "
        "and are observed.",
        details=[f"{count(running, 'wave')} run now; {pending} more will not be launched."],
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

    details = termination_lines(state)
    if is_recovery:
        details.insert(0, "This was a REAL RECOVERY: its instances may be serving customers.")
    return _dialog(
        state,
        CLEAN_UP,
        send,
        title=f"Clean up after {state.execution_id}",
        effect="It terminates exactly the instances that this execution launched.",
        details=details,
        typed=state.plan_id if cleanup_refusal(state.plan_id, state.execution_type, None) else None,
    )
