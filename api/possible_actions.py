"""The actions that are possible on an execution now, each with what to send and its effect."""

from collections.abc import Iterator
from typing import Any

from client.cleanup import kept_changes, may_clean_up, termination_lines
from client.decisions.inbox import InboxDecision, decisions_of
from recovery.access.roles import Role, role_for, role_to_undo
from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.operator.confirmation import cancel_refusal
from recovery.operator.effects import cancellation_effect, effect_of
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import accepts_messages, actions, allowed_forms
from recovery.operator.step_rules import inputs_asked
from recovery.steps.model import ManualInput
from recovery.steps.replaced import change_text


class PossibleAction(Model):
    """An action that is possible now.

    Attributes:
        name: of the action; POST it below the execution, as `/executions/{id}/{name}`.
        wave_id: the wave, if it is about one.
        step_id: the step, if it is about one.
        body: what to send; add a Reason, and what `needs` names.
        needs: keys of the body that only the caller knows.
        inputs: what a manual step asks for; send them in Outputs, by name.
        role: the role that it takes.
        effect: what follows, as the response and the history will say.
    """

    name: str
    wave_id: str | None = None
    wave_name: str | None = None
    step_id: str | None = None
    body: dict[str, Any] = {}
    needs: list[str] = []
    inputs: list[ManualInput] = []
    role: Role
    effect: str


class ActionList(Model):
    """The actions that are possible now; none while an execution is being cancelled.

    Attributes:
        decisions: what the execution waits for people to decide, and who takes care of it.
    """

    actions: list[PossibleAction]
    decisions: list[InboxDecision] = []


def possible_actions(state: ExecutionState, wave_id: str | None = None) -> ActionList:
    """The actions on an execution, or those about one wave."""
    found = [*_messages(state, wave_id)]
    if wave_id is None:
        found += _about_execution(state)
    found += _reverts(state, wave_id)
    decisions = [each for each in decisions_of(state) if wave_id in (None, each.wave_id)]
    return ActionList(actions=found, decisions=decisions)


def _messages(state: ExecutionState, wave_id: str | None) -> Iterator[PossibleAction]:
    for action in actions(state):
        if not action.waves and wave_id is None:
            for form in allowed_forms(state, action.name, None):
                yield _possible(state, form)
        for wave in action.waves:
            if wave_id not in (None, wave.wave_id):
                continue
            for form in allowed_forms(state, action.name, wave):
                sent = form.as_input() | {"wave": wave.wave_id}
                yield _possible(state, OperatorMessage(action.name, **sent), wave)
            has_dependents = any(wave.wave_id in each.depends_on for each in state.waves)
            if action.name is MessageName.SKIP_WAVE and has_dependents:
                message = OperatorMessage(action.name, wave.wave_id, cascade=True)
                yield _possible(state, message, wave)


def _possible(
    state: ExecutionState, message: OperatorMessage, wave: WaveState | None = None
) -> PossibleAction:
    inputs = inputs_asked(wave, message) if wave is not None else []
    needs = ["Job"] if message.name is MessageName.ADOPT_JOB else []
    needs += ["Outputs"] if any(each.required for each in inputs) else []
    return PossibleAction(
        name=message.name,
        wave_id=message.wave,
        wave_name=wave.wave_name if wave else None,
        step_id=message.step,
        body={key.capitalize(): value for key, value in message.as_input().items()},
        needs=needs,
        inputs=inputs,
        role=role_for(state, message),
        effect=effect_of(state, message),
    )


def _reverts(state: ExecutionState, wave_id: str | None) -> Iterator[PossibleAction]:
    """Putting back what steps replaced; a GET of the same address is what to send as View."""
    for wave in state.waves:
        if wave_id in (None, wave.wave_id):
            for step in wave.steps:
                if step.can_be_put_back:
                    place = f"{wave.wave_id}/{step.step_id}"
                    yield PossibleAction(
                        name=f"steps/{place}/revert",
                        wave_id=wave.wave_id,
                        wave_name=wave.wave_name,
                        step_id=step.step_id,
                        body={"Confirmation": place},
                        needs=["View"],
                        role=role_to_undo(state.execution_type),
                        effect=f"puts back what step {step.step_id} changed: "
                        f"{change_text(step.before)}",
                    )


def _about_execution(state: ExecutionState) -> Iterator[PossibleAction]:
    """The cancellation, or after the end the clean-up."""
    is_recovery = state.execution_type is ExecutionType.RECOVERY
    if accepts_messages(state):
        refusal = cancel_refusal(state.plan_id, state.execution_type, None)
        yield PossibleAction(
            name="cancel",
            needs=["Confirmation"] if refusal else [],
            role=Role.OPERATOR,
            effect=cancellation_effect(state),
        )
    if may_clean_up(state):
        yield PossibleAction(
            name="cleanup",
            body={"Force": True} if is_recovery else {},
            needs=["Confirmation"] if is_recovery else [],
            role=role_to_undo(state.execution_type),
            effect=" ".join(termination_lines(state) + kept_changes(state)),
        )
