"""The decisions that an execution waits for, and the messages that make them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recovery.execution.open_decision import DecisionKind, OpenDecision
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import OperatorDecision, WaitingFor, WaveState, WaveStatus
from recovery.forecast.remaining import graph_of, remaining
from recovery.operator.messages import CANCEL_EXECUTION, MessageName
from recovery.operator.rules import accepts_messages, is_allowed
from recovery.operator.step_rules import steps_about
from recovery.steps.state import StepState
from recovery.text_format import clock_time, count, rounded_duration, shortened

# A record of the history holds them; who has so many needs no more.
_MAX_OPEN = 200


@dataclass(frozen=True)
class PendingDecision:
    """A decision that an operator should make.

    Attributes:
        wave: its wave; None if it is about the execution.
        step: its step; None if it is not about one.
        messages: the messages that make it and are allowed now.
        skippable: dependents of the wave that may be skipped instead.
        opened: since when it is open, and who takes care of it; None until the execution's
            workflow has recorded that.
    """

    kind: DecisionKind
    wave: WaveState | None
    messages: tuple[MessageName, ...]
    skippable: tuple[WaveState, ...] = ()
    step: StepState | None = None
    opened: OpenDecision | None = None

    @property
    def acknowledged_by(self) -> OperatorDecision | None:
        """Who said that they take care of it."""
        return self.opened.acknowledged_by if self.opened else None


def pending_decisions(state: ExecutionState) -> list[PendingDecision]:
    """The pending decisions, most urgent first; none once the execution has ended."""
    if not accepts_messages(state):
        return []
    found: list[PendingDecision] = []
    about_all = {
        DecisionKind.RECOVERY_APPROVAL: is_allowed(state, MessageName.APPROVE_RECOVERY),
        DecisionKind.RESUME: state.status is PlanStatus.PAUSED,
    }
    found += [
        PendingDecision(kind, None, _MESSAGES_ABOUT_ALL[kind])
        for kind, is_open in about_all.items()
        if is_open
    ]
    for wave in state.waves:
        for step in wave.steps:
            if step.awaits_operator and step.decision is None:
                allowed = tuple(n for n in _ABOUT_STEP if step in steps_about(wave, n))
                found.append(PendingDecision(DecisionKind.STEP, wave, allowed, step=step))
    # Each wave once: a plan of a thousand asks after each report of one.
    kinds = [(kind, wave) for wave in state.waves if (kind := _kind(wave)) is not None]
    for kind, wave in sorted(kinds, key=lambda each: _URGENCY[each[0]]):
        allowed = tuple(n for n in _MESSAGES[kind] if is_allowed(state, n, wave))
        skippable = _skippable(state, wave) if kind is DecisionKind.FAILURE else ()
        found.append(PendingDecision(kind, wave, allowed, skippable))
    known = {each.key: each for each in state.open_decisions}
    return [replace(each, opened=_same(_open_decision(each, 0.0), known)) for each in found]


def _same(now: OpenDecision, known: Mapping[str, OpenDecision]) -> OpenDecision | None:
    """The known decision that this one is; another launch in doubt makes it another decision."""
    before = known.get(now.key)
    if before is None or not set(now.launches) <= set(before.launches):
        return None
    same_launches = now.launches == before.launches
    return before if same_launches else before.model_copy(update={"launches": now.launches})


def decision_maker(state: ExecutionState, decision: OpenDecision) -> MessageRecord | None:
    """The message that made a decision which is no longer open; None if none did."""
    names: tuple[MessageName, ...] = _MESSAGES_ABOUT_ALL.get(decision.kind, ())
    names += (*_MESSAGES.get(decision.kind, _ABOUT_STEP), MessageName.CANCEL_WAVE)
    waves = {decision.wave_id}
    dependents = {w.wave_id for w in state.waves if decision.wave_id in w.depends_on}
    for each in reversed(state.messages):
        if not each.accepted or (each.last_time or each.time) < decision.since:
            continue
        if decision.step_id is not None and each.step_id not in (None, decision.step_id):
            continue
        is_skip = each.name == MessageName.SKIP_WAVE and decision.kind is DecisionKind.FAILURE
        if (
            each.name == CANCEL_EXECUTION
            or (each.name in names and each.wave_id in waves)
            or (is_skip and each.wave_id in dependents)
        ):
            return each
    return None


def update_open_decisions(state: ExecutionState, *, now: float) -> bool:
    """Bring the state's open decisions up to date; whether any changed. `now`: epoch seconds."""
    pending = pending_decisions(state)[:_MAX_OPEN]
    updated = [each.opened or _open_decision(each, now) for each in pending]
    has_changed = updated != state.open_decisions
    state.open_decisions = updated
    return has_changed


def _open_decision(pending: PendingDecision, now: float) -> OpenDecision:
    wave = pending.wave
    if wave is None:
        return OpenDecision(kind=pending.kind, since=now)
    in_doubt = sorted(wave.launches_in_doubt) if pending.kind is DecisionKind.LAUNCH else []
    step = pending.step
    return OpenDecision(
        kind=pending.kind,
        wave_id=wave.wave_id,
        step_id=step.step_id if step else None,
        attempt=step.attempt if step else wave.attempt,
        launches=in_doubt,
        since=now,
    )


def remaining_text(state: ExecutionState, *, now: float) -> str:
    """The remaining time of a running execution, or that it waits for an operator.

    `now` is in epoch seconds.
    """
    return "waits for an operator" if waits_for_operator(state) else remaining(state, now=now).text


def waits_for_operator(state: ExecutionState) -> bool:
    """Whether decisions are open, and nothing goes on without them."""
    pending = pending_decisions(state)
    stopped = (DecisionKind.LASTING_ERROR, DecisionKind.STEP)
    waiting = [each.wave for each in pending if each.kind in stopped]
    is_paused = state.status is PlanStatus.PAUSED
    goes_on = any(
        wave.is_running or (not is_paused and _starts_by_itself(wave))
        for wave in state.waves
        if wave not in waiting
    )
    return bool(pending) and not goes_on


def _starts_by_itself(wave: WaveState) -> bool:
    return wave.status is WaveStatus.PENDING or wave.waiting_for is WaitingFor.RETRY


def _failure_deadline(state: ExecutionState, wave: WaveState) -> float | None:
    """Until when the dependents of a failed wave wait for a decision; None if none waits."""
    waits = any(
        w.waiting_for is WaitingFor.DECISION and wave.wave_id in w.depends_on for w in state.waves
    )
    return wave.ask_until if waits else None


def deadline_of(state: ExecutionState, decision: PendingDecision) -> float | None:
    """Until when a decision can be made (epoch seconds); None if nothing waits for it."""
    if decision.step is not None:
        return decision.step.decide_until
    if decision.kind is DecisionKind.FAILURE and decision.wave is not None:
        return _failure_deadline(state, decision.wave)
    return state.deadline


def time_to_decide(state: ExecutionState, decision: PendingDecision, *, now: float) -> str:
    """How long a step, or the dependents of a failed wave, wait for a decision; empty if none do.

    `now` is in epoch seconds. The time of day is in the time zone of the reader's process.
    """
    is_limited = decision.kind in (DecisionKind.STEP, DecisionKind.FAILURE)
    deadline = deadline_of(state, decision) if is_limited else None
    if deadline is None:
        return ""
    return f"{rounded_duration(deadline - now)} to decide (until {clock_time(deadline)})"


def asked_text(state: ExecutionState, pending: PendingDecision) -> str:
    """What must be decided, as a sentence whose subject is the wave, or else the execution."""
    if pending.kind is DecisionKind.RECOVERY_APPROVAL:
        return f"waits for approvals before its first launch: it has {state.approvals_text}"
    if pending.wave is None:
        return f"is {state.status}: nothing new is launched"
    if pending.step is not None:
        return _step_text(pending.step)
    return _asked_of_wave(pending.kind, pending.wave)


def _asked_of_wave(kind: DecisionKind, wave: WaveState) -> str:
    match kind:
        case DecisionKind.APPROVAL:
            return "waits for an approval"
        case DecisionKind.LAUNCH:
            return "may have been launched: whether DRS has its job is not known"
        case DecisionKind.LASTING_ERROR:
            return wave.status_reason
        case _:
            return f"{wave.status}: {wave.status_reason}"


def _step_text(step: StepState) -> str:
    if step.manual is not None:
        instruction = " ".join(step.manual.instruction.split())
        return f"waits for step {step.step_id}: {shortened(instruction, max_bytes=300)}"
    return f"waits for step {step.step_id}, whose outcome is not known: {step.reason}"


def acknowledged_text(by: OperatorDecision) -> str:
    """Who takes care of a decision. The time is in the time zone of the reader's process."""
    reason = f": {by.reason}" if by.reason else ""
    return f"{by.actor} has it since {clock_time(by.time)}{reason}"


def unanswered_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if nobody decides about a failed wave in time; empty if nothing waits for it."""
    waiting = {
        each.wave_id: each.wave_name
        for each in state.waves
        if each.waiting_for is WaitingFor.DECISION and wave.wave_id in each.depends_on
    }
    if not waiting:
        return ""
    graph = graph_of(state)
    settled = {each.wave_id for each in state.waves if each.status.is_settled}
    after = {i for wave_id in waiting for i in graph.downstream_of(wave_id)}
    others = len(waiting) - 1 + len(after - waiting.keys() - settled)
    more = f" and {count(others, 'more wave')}" if others else ""
    text = f"{next(iter(waiting.values()))}{more} will not be launched"
    if state.execution_type is ExecutionType.DRILL:
        return text
    it = "them" if others else "it"
    return f"{text}; until the plan's deadline, a later answer still launches {it}"


def if_unanswered(state: ExecutionState, decision: PendingDecision) -> str:
    """What happens if nobody makes a decision, as a sentence without its full stop."""
    wave = decision.wave
    if wave is not None and wave.unanswered_since is not None:
        return "Nobody decided in time; a later answer still launches what was skipped"
    match decision.kind, wave:
        case DecisionKind.RECOVERY_APPROVAL, _:
            text = "nothing is launched, and the recovery fails at the plan's deadline"
        case DecisionKind.APPROVAL, _:
            text = "it is not launched, and fails at the plan's deadline"
        case DecisionKind.LAUNCH, _:
            text = "it is not launched again, and waits until the plan's deadline"
        case DecisionKind.LASTING_ERROR, _:
            text = "its launch is tried again until the plan's deadline"
        case DecisionKind.STEP, _:
            text = "the step fails, and then the policy of its wave applies"
        case DecisionKind.FAILURE, WaveState() as failed:
            text = unanswered_effect(state, failed) or "the execution ends FAILED"
        case _:
            text = "nothing new is launched; what still waits at the plan's deadline fails"
    return f"Without a decision, {text}"


_ABOUT_STEP = (
    MessageName.COMPLETE_STEP,
    MessageName.RERUN_STEP,
    MessageName.FAIL_STEP,
    MessageName.SKIP_STEP,
)
# By kind, most urgent first, the messages that make the decision.
_MESSAGES = {
    DecisionKind.APPROVAL: (MessageName.APPROVE_WAVE, MessageName.SKIP_WAVE),
    DecisionKind.LAUNCH: (MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY),
    DecisionKind.LASTING_ERROR: (MessageName.CANCEL_WAVE,),
    DecisionKind.FAILURE: (
        MessageName.RETRY_WAVE,
        MessageName.ACCEPT_WAVE,
        *_ABOUT_STEP,
    ),
}

_URGENCY = {kind: place for place, kind in enumerate(_MESSAGES)}

_MESSAGES_ABOUT_ALL = {
    DecisionKind.RECOVERY_APPROVAL: (MessageName.APPROVE_RECOVERY,),
    DecisionKind.RESUME: (MessageName.RESUME,),
}


def _kind(wave: WaveState) -> DecisionKind | None:
    if wave.waiting_for is WaitingFor.APPROVAL:
        return DecisionKind.APPROVAL
    if wave.is_running and wave.launch_in_doubt:
        return DecisionKind.LAUNCH
    if wave.waiting_for is WaitingFor.OPERATOR:
        return DecisionKind.LASTING_ERROR
    is_undecided = wave.status.has_failed and wave.decisions.accepted_by is None
    return DecisionKind.FAILURE if is_undecided else None


def _skippable(state: ExecutionState, wave: WaveState) -> tuple[WaveState, ...]:
    dependents = (each for each in state.waves if wave.wave_id in each.depends_on)
    return tuple(w for w in dependents if is_allowed(state, MessageName.SKIP_WAVE, w))
