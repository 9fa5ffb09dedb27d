"""Which operators' messages an execution allows now: one rule per message.

The workflow's handler applies these rules; terminal, pages and API show what they allow.
"""

from dataclasses import dataclass

from recovery.execution.state import ExecutionState, PlanStatus, RefusalCode
from recovery.execution.wave import OperatorDecision, WaveState, WaveStatus
from recovery.operator.messages import MessageName, OperatorMessage, nearest
from recovery.operator.step_rules import step_problem, steps_about
from recovery.plan.limits import MAX_ATTEMPTS_OF_A_WAVE
from recovery.text_format import count, listed

_RETRYABLE = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.CANCELLED)
_ACCEPTABLE = (WaveStatus.IN_PROGRESS, WaveStatus.FAILED, WaveStatus.TIMED_OUT)


@dataclass(frozen=True)
class Refusal:
    """A message that is not allowed now; the text says why and what to do instead."""

    code: RefusalCode
    text: str


@dataclass(frozen=True)
class Action:
    """A message that is allowed now.

    Attributes:
        waves: the waves that it is allowed for; empty if it is about the execution.
        effect: its effect, shown before it is sent.
    """

    name: MessageName
    waves: tuple[WaveState, ...]
    effect: str


def _wrong_status(wave: WaveState, allowed: str) -> Refusal:
    return Refusal(RefusalCode.WAVE_STATUS, f"it is {_status_text(wave)}; only {allowed}")


def _decided_already(verb: str, decision: OperatorDecision, hint: str = "") -> Refusal:
    return Refusal(RefusalCode.DECIDED_ALREADY, f"it was already {verb} by {decision}{hint}")


def _refuse_retry(wave: WaveState, _: OperatorMessage) -> Refusal | None:
    if wave.status not in _RETRYABLE:
        return _wrong_status(wave, "a wave that is FAILED, TIMED_OUT or CANCELLED can be retried")
    if wave.attempt < MAX_ATTEMPTS_OF_A_WAVE:
        return None
    return Refusal(
        RefusalCode.ATTEMPTS_USED_UP,
        f"it had {wave.attempt} attempts, and Temporal's history of one execution has no room for "
        "more",
    )


def _refuse_accept(wave: WaveState, _: OperatorMessage) -> Refusal | None:
    if decision := wave.decisions.accepted_by:
        return _decided_already("accepted", decision)
    is_launching = wave.launch_end_time is None and not wave.runs_pre_launch_steps
    is_past_launch = wave.status is WaveStatus.IN_PROGRESS and wave.steps and not is_launching
    if is_past_launch or (wave.status is WaveStatus.TIMED_OUT and wave.steps_under_way):
        return _wrong_status(wave, "a launch can be accepted, not the steps after it")
    if wave.status in _ACCEPTABLE:
        return None
    return _wrong_status(wave, "a wave that is IN_PROGRESS, FAILED or TIMED_OUT can be accepted")


def _refuse_skip(wave: WaveState, _: OperatorMessage) -> Refusal | None:
    if decision := wave.decisions.skipped_by:
        return _decided_already("skipped", decision)
    if wave.has_workflow or wave.attempt:
        return Refusal(
            RefusalCode.WAVE_LAUNCHED,
            f"it is {_status_text(wave)} in attempt {wave.attempt}; only a wave that was never "
            "launched can be skipped",
        )
    if wave.status.is_settled and wave.status is not WaveStatus.SKIPPED:
        return _wrong_status(wave, "an open wave can be skipped")
    return None


def _refuse_approval(wave: WaveState, message: OperatorMessage) -> Refusal | None:
    if not wave.approval_required:
        return Refusal(RefusalCode.NO_APPROVAL_NEEDED, "it needs no approval")
    if wave.has_workflow or wave.status.is_settled:
        return Refusal(
            RefusalCode.WAVE_LAUNCHED if wave.has_workflow else RefusalCode.WAVE_STATUS,
            f"it is {_status_text(wave)}; an approval is for a wave not launched yet",
        )
    if message.approve and (decision := wave.decisions.approved_by):
        return _decided_already("approved", decision, "; approve-wave --refuse refuses it")
    return None


def _refuse_cancel(wave: WaveState, _: OperatorMessage) -> Refusal | None:
    if wave.is_running:
        return None
    return _wrong_status(wave, "a running wave can be cancelled")


def _refuse_launch_answer(wave: WaveState, message: OperatorMessage) -> Refusal | None:
    in_doubt = wave.launches_in_doubt
    if not wave.is_running or not in_doubt:
        return Refusal(
            RefusalCode.NOT_IN_DOUBT,
            f"it is {_status_text(wave)}; only a wave whose job in DRS is in doubt takes an answer",
        )
    if message.launch is None:
        # Another launch than the sender saw may be in doubt by now.
        return Refusal(
            RefusalCode.LAUNCH_NOT_NAMED,
            "it does not name the launch that it answers (--launch, in a message launch): "
            f"{', '.join(in_doubt)}",
        )
    if message.launch not in in_doubt:
        return Refusal(
            RefusalCode.UNKNOWN_LAUNCH,
            f"no launch {message.launch!r} of it is in doubt; name one of {', '.join(in_doubt)}",
        )
    return None


def _refuse_about_step(wave: WaveState, message: OperatorMessage) -> Refusal | None:
    problem = step_problem(wave, message)
    return Refusal(RefusalCode.STEP_REFUSED, problem) if problem else None


def _refuse_about_execution(state: ExecutionState, message: OperatorMessage) -> Refusal | None:
    is_paused, name = state.status is PlanStatus.PAUSED, message.name
    if name is MessageName.APPROVE_RECOVERY:
        return _refuse_recovery_approval(state, message)
    if name is MessageName.PAUSE and is_paused:
        return Refusal(
            RefusalCode.PAUSED_ALREADY,
            "the execution is already paused; resume launches ready waves again",
        )
    if name is MessageName.RESUME and not is_paused:
        return Refusal(
            RefusalCode.NOT_PAUSED, "the execution is not paused; pause prevents new launches"
        )
    # Again, because reminders pause for a time only; and another person may take over.
    if name is MessageName.ACKNOWLEDGE and not state.open_decisions:
        return Refusal(RefusalCode.NOTHING_ASKED, "the execution waits for no decision")
    return None


def _refuse_recovery_approval(state: ExecutionState, message: OperatorMessage) -> Refusal | None:
    if not state.approvers:
        return Refusal(RefusalCode.NO_APPROVAL_NEEDED, "the execution needs no approval to launch")
    if not state.awaits_approvals:
        text = f"it has the approvals that it needs: {state.approvals_text}"
        return Refusal(RefusalCode.DECIDED_ALREADY, text)
    decision = next((each for each in state.approvals if each.actor == message.actor), None)
    if decision is not None and message.approve:
        return _decided_already(
            "approved",
            decision,
            "; another person must approve it; approve-recovery --refuse refuses it",
        )
    return None


_RULES = {
    MessageName.RETRY_WAVE: _refuse_retry,
    MessageName.ACCEPT_WAVE: _refuse_accept,
    MessageName.SKIP_WAVE: _refuse_skip,
    MessageName.APPROVE_WAVE: _refuse_approval,
    MessageName.CANCEL_WAVE: _refuse_cancel,
    MessageName.ADOPT_JOB: _refuse_launch_answer,
    MessageName.LAUNCH_ANYWAY: _refuse_launch_answer,
    MessageName.SKIP_STEP: _refuse_about_step,
    MessageName.COMPLETE_STEP: _refuse_about_step,
    MessageName.FAIL_STEP: _refuse_about_step,
    MessageName.RERUN_STEP: _refuse_about_step,
}
# What a message does; to the wave whose name follows, or to the execution.
_EFFECTS = {
    MessageName.RETRY_WAVE: "retries",
    MessageName.ACCEPT_WAVE: "accepts",
    MessageName.SKIP_WAVE: "skips",
    MessageName.APPROVE_WAVE: "approves",
    MessageName.APPROVE_RECOVERY: "approves the recovery",
    MessageName.CANCEL_WAVE: "stops waiting for",
    MessageName.ADOPT_JOB: "names the DRS job of",
    MessageName.COMPLETE_STEP: "completes a step of",
    MessageName.SKIP_STEP: "skips a step of",
    MessageName.FAIL_STEP: "fails a step of",
    MessageName.RERUN_STEP: "runs a step again of",
    MessageName.LAUNCH_ANYWAY: "launches the servers in doubt of",
    MessageName.PAUSE: "pauses the execution",
    MessageName.RESUME: "resumes the execution",
    MessageName.ACKNOWLEDGE: "says that you take care of the open decisions",
}


def refusal(
    state: ExecutionState, message: OperatorMessage, *, hint: bool = True
) -> Refusal | None:
    """Why an execution does not accept a message now; None if it does.

    Args:
        state: the execution.
        message: the message.
        hint: name the wave nearest to an unknown one, which takes 40 ms among 1,000 waves.
    """
    if message.execution_id and message.execution_id != state.execution_id:
        return Refusal(
            RefusalCode.OTHER_EXECUTION,
            f"meant for execution {message.execution_id}; this one is {state.execution_id}",
        )
    if (closed := _refuse_all(state)) is not None:
        return closed
    if not message.name.is_about_a_wave:
        return _refuse_about_execution(state, message)
    found = waves_called(state, message.wave or "")
    if len(found) != 1:
        return _refuse_unknown(state, message.wave or "", found, hint=hint)
    (wave,) = found
    refused = _RULES[message.name](wave, message)
    if refused is None:
        return None
    return Refusal(refused.code, refused.text + _alternatives(wave, message.name))


def _refuse_unknown(
    state: ExecutionState, given: str, found: list[WaveState], *, hint: bool
) -> Refusal:
    if found:
        ids = listed([w.wave_id for w in found])
        text = f"{count(len(found), 'wave')} are called {given!r}; give the WaveId, one of {ids}"
        return Refusal(RefusalCode.UNKNOWN_WAVE, text)
    more = "the state of the execution lists them"
    if hint:
        names = dict.fromkeys(each for w in state.waves for each in (w.wave_id, w.wave_name))
        more = nearest(given, tuple(names), listed=[_name_and_id(w) for w in state.waves])
    return Refusal(RefusalCode.UNKNOWN_WAVE, f"no wave {given!r}; {more}")


def _name_and_id(wave: WaveState) -> str:
    """A wave as it is listed; both may be given, in any case."""
    is_same = wave.wave_name.casefold() == wave.wave_id.casefold()
    return wave.wave_id if is_same else f"{wave.wave_name} ({wave.wave_id})"


def waves_called(state: ExecutionState, given: str) -> list[WaveState]:
    """The wave with this WaveId, or else those with this ID or name in any case."""
    if exact := [w for w in state.waves if w.wave_id == given]:
        return exact
    name = given.strip().casefold()
    return [w for w in state.waves if name in (w.wave_id.casefold(), w.wave_name.casefold())]


def allowed_forms(
    state: ExecutionState, name: MessageName, wave: WaveState | None
) -> list[OperatorMessage]:
    """The forms in which a message about a wave, or else about the execution, is allowed now.

    An approval has two, to approve and to refuse; an answer about launches in doubt has one for
    each of them.
    """
    if not accepts_messages(state) or name.is_about_a_wave is (wave is None):
        return []
    if wave is None:
        return [f for f in _forms(wave, name) if _refuse_about_execution(state, f) is None]
    return _allowed_forms(wave, name)


def is_allowed(state: ExecutionState, name: MessageName, wave: WaveState | None = None) -> bool:
    """Whether a message is allowed now, in any of its forms."""
    return bool(allowed_forms(state, name, wave))


def actions(state: ExecutionState) -> list[Action]:
    """The messages that are allowed now; none once the execution has ended."""
    found = []
    for name, effect in _EFFECTS.items():
        waves = tuple(wave for wave in state.waves if is_allowed(state, name, wave))
        if waves or is_allowed(state, name):
            found.append(Action(name, waves, effect))
    return found


def actions_about(state: ExecutionState, wave: WaveState | None) -> list[Action]:
    """The messages that are allowed now about one wave, or else about the execution."""
    about = () if wave is None else (wave,)
    return [
        Action(name, about, effect)
        for name, effect in _EFFECTS.items()
        if is_allowed(state, name, wave)
    ]


def accepts_messages(state: ExecutionState) -> bool:
    """Whether the execution accepts messages."""
    return _refuse_all(state) is None


def _refuse_all(state: ExecutionState) -> Refusal | None:
    if state.is_over:
        return Refusal(
            RefusalCode.EXECUTION_ENDED,
            "the execution has ended",
        )
    if state.status is PlanStatus.CANCELLED:
        return Refusal(
            RefusalCode.EXECUTION_CANCELLED,
            "the execution is being cancelled",
        )
    return None


def _forms(wave: WaveState | None, name: MessageName) -> list[OperatorMessage]:
    """The forms of a message that its rule distinguishes."""
    match name:
        case MessageName.APPROVE_WAVE | MessageName.APPROVE_RECOVERY:
            return [OperatorMessage(name, approve=approve) for approve in (True, False)]
        case _ if name.is_about_a_step and wave is not None:
            steps = steps_about(wave, name)
            return [OperatorMessage(name, step=step.step_id) for step in steps]
        case MessageName.ADOPT_JOB | MessageName.LAUNCH_ANYWAY if wave is not None:
            return [OperatorMessage(name, launch=launch) for launch in wave.launches_in_doubt]
        case _:
            return [_PLAIN[name]]


_PLAIN = {name: OperatorMessage(name) for name in MessageName}


def _allowed_forms(wave: WaveState, name: MessageName) -> list[OperatorMessage]:
    if name.is_about_a_step:
        # Each is allowed; only what its manual inputs must be is not known yet.
        return _forms(wave, name)
    return [form for form in _forms(wave, name) if _RULES[name](wave, form) is None]


def _alternatives(wave: WaveState, refused: MessageName) -> str:
    """Text with the messages that the wave accepts instead of a refused one."""
    allowed = [name for name in MessageName if name.is_about_a_wave and _allowed_forms(wave, name)]
    if others := [name for name in allowed if name is not refused]:
        return f"; the wave accepts {', '.join(name.command for name in others)}"
    if allowed:
        return ""
    if wave.status.is_settled:
        return "; the wave accepts no message now"
    return "; its next attempt has not started; pause prevents it"


def _status_text(wave: WaveState) -> str:
    return f"{wave.status} ({wave.status_reason})" if wave.status_reason else str(wave.status)
