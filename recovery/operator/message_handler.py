"""Handles operators' messages: applies or rejects each, and records it."""

from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import JsonValue

from recovery.access.approvals import is_barred_starter, needs_verified_sender
from recovery.access.grants import AccessCode, MessageVerdict
from recovery.access.roles import role_for
from recovery.execution.scheduler import WaveScheduler
from recovery.execution.state import MessageRecord, RefusalCode
from recovery.execution.wave import OperatorDecision, WaveState
from recovery.operator.effects import cancellation_effect, effect_of, skipped_with
from recovery.operator.messages import (
    CANCEL_EXECUTION,
    MessageName,
    MessageRejected,
    OperatorMessage,
    guess_actor,
    nearest,
    read_cancel_reason,
    read_message,
)
from recovery.operator.pending_decisions import update_open_decisions
from recovery.operator.rules import refusal, waves_called
from recovery.operator.step_rules import (
    DECISIONS,
    needs_new_attempt,
    step_meant,
    step_of,
    with_typed_outputs,
)
from recovery.steps.state import StepOverride
from recovery.text_format import shortened

# By whether they were accepted. Each is up to 2 KB of the state, which queries answer as a whole.
_MAX_RECORDS = {True: 1000, False: 200}
# Looking for the nearest name takes 40 ms among 1,000 waves; a workflow task has two seconds.
_HINT_SECONDS = 1.0


# Any other refusal means that it is not authorized.
_REFUSALS = {
    AccessCode.EXPIRED: RefusalCode.SIGNATURE_EXPIRED,
    AccessCode.REPLAYED: RefusalCode.REPLAYED,
}


class LaunchDecision(NamedTuple):
    """An operator's decision about a launch in doubt.

    Attributes:
        job_id: the job to adopt; None to launch.
    """

    wave: WaveState
    launch_id: str
    job_id: str | None


class StepDecision(NamedTuple):
    """An operator's decision about a step of a wave that runs."""

    wave: WaveState
    step_id: str
    attempt: int
    decision: StepOverride
    message: OperatorMessage


class CompletedStep(NamedTuple):
    """What an operator gave for a step of a wave that has ended.

    Attributes:
        outputs: by name; not masked.
    """

    wave: WaveState
    step_id: str
    outputs: dict[str, JsonValue]


class MessageHandler:
    """Handles operators' messages and keeps a record of each.

    Attributes:
        cancellations: waves that an operator cancelled, with the reason for their workflows.
        launch_decisions: operators' answers about launches in doubt, for their waves.
        step_decisions: operators' decisions about steps, for their waves.
        completed_steps: steps that operators completed after their waves had ended.
        accepted_launches: waves whose launch an operator accepted, so that their steps begin.
    """

    def __init__(self, scheduler: WaveScheduler) -> None:
        self._scheduler = scheduler
        self.cancellations: list[tuple[WaveState, str]] = []
        self.launch_decisions: list[LaunchDecision] = []
        self.step_decisions: list[StepDecision] = []
        self.completed_steps: list[CompletedStep] = []
        self.accepted_launches: list[WaveState] = []
        # By whether it was accepted: the records of different messages, and of all others.
        self._kept: dict[bool, dict[str, MessageRecord]] = {True: {}, False: {}}
        self._others: dict[bool, MessageRecord] = {}
        self._hint_time = 0.0
        self._used_nonces: set[str] = set()

    def check(self, name: str, inputs: tuple[Any, ...]) -> None:
        """Check that a message would be accepted now, without any effect.

        Raises:
            MessageRejected: it would not.
        """
        self._require_allowed(self._read(name, inputs))

    def handle(
        self,
        name: str,
        inputs: tuple[Any, ...],
        *,
        now: float,
        verdict: MessageVerdict | None = None,
    ) -> MessageRecord:
        """Handle a message, and record it even if it is rejected.

        Args:
            name: the message's name, known or not.
            inputs: its inputs.
            now: epoch seconds.
            verdict: a worker's about its signature; None if nobody asked for one.
        """
        verdict = verdict or MessageVerdict()
        message: OperatorMessage | None = None
        refusal_code: RefusalCode | None = None
        hint = now - self._hint_time >= _HINT_SECONDS
        try:
            message = self._read(name, inputs)
            self._require_signed(verdict)
            self._require_authorized(message, verdict)
            self._require_allowed(message, hint=hint)
            effect = self._apply(message, verdict.break_glass, now=now)
            if verdict.break_glass is not None:
                self._scheduler.state.break_glass_time = now
            # After each message: what falls and is asked again later is another decision.
            update_open_decisions(self._scheduler.state, now=now)
        except MessageRejected as rejected:
            effect, refusal_code = str(rejected), rejected.code
            if hint and rejected.code is RefusalCode.UNKNOWN_WAVE:
                self._hint_time = now
        record = MessageRecord(
            name=shortened(name, max_bytes=100),
            wave_id=message.wave if message else None,
            launch_id=message.launch if message else None,
            step_id=message.step if message else None,
            actor=message.actor if message else guess_actor(inputs),
            # Anyone who reads the namespace may send a copy.
            actor_verified=verdict.verified_actor is not None
            and refusal_code is not RefusalCode.REPLAYED,
            break_glass=verdict.break_glass,
            time=now,
            reason=message.reason if message else "",
            accepted=refusal_code is None,
            refusal=refusal_code,
            effect=effect,
        )
        self._keep_record(record, now=now)
        return record

    def record_cancellation(self, text: str, *, now: float) -> MessageRecord:
        """Record the execution's cancellation, which is a request to Temporal, not a message.

        Args:
            text: Temporal's cancellation reason.
            now: epoch seconds.
        """
        actor, reason = read_cancel_reason(text)
        record = MessageRecord(
            name=CANCEL_EXECUTION,
            actor=shortened(actor, max_bytes=100),
            time=now,
            reason=shortened(reason),
            accepted=True,
            effect=cancellation_effect(self._scheduler.state),
        )
        self._keep_record(record, now=now)
        return record

    def _keep_record(self, record: MessageRecord, *, now: float) -> None:
        """Record a message; of a flood, only how many there were."""
        kept, accepted = self._kept[record.accepted], record.accepted
        key = record.model_dump_json(exclude={"time"} if not accepted else None)
        known = kept.get(key)
        if known is None and len(kept) >= _MAX_RECORDS[accepted]:
            known = self._others.get(accepted)
            record = self._others.setdefault(accepted, _others_like(record))
        else:
            kept.setdefault(key, record)
        if known is not None:
            known.repeat(now=now)
        else:
            self._scheduler.state.messages.append(record)
        self._scheduler.touch(now)

    def _read(self, name: str, inputs: tuple[Any, ...]) -> OperatorMessage:
        message = read_message(_message_name(name), inputs)
        if message.wave is not None:
            found = waves_called(self._scheduler.state, message.wave)
            # The rules refuse an unknown wave and an ambiguous name.
            message = replace(message, wave=found[0].wave_id) if len(found) == 1 else message
        return self._with_step(message)

    def _require_signed(self, verdict: MessageVerdict) -> None:
        refusal_code, reason = verdict.refusal, verdict.reason
        if verdict.nonce is not None and verdict.nonce in self._used_nonces:
            refusal_code, reason = AccessCode.REPLAYED, "the same signed message came before"
        if refusal_code is not None:
            code = _REFUSALS.get(refusal_code, RefusalCode.NOT_AUTHORIZED)
            raise MessageRejected(reason, code)
        if verdict.nonce is not None:
            self._used_nonces.add(verdict.nonce)

    def _require_authorized(self, message: OperatorMessage, verdict: MessageVerdict) -> None:
        """Reject what its sender may not send; the roles of an unsigned one are not known here."""
        state = self._scheduler.state
        if verdict.break_glass is not None:
            return
        if verdict.verified_actor is None:
            if needs_verified_sender(state, message):
                raise MessageRejected(
                    f"who sent it is not verified, and only a verified {message.name.command} "
                    "counts: use a server with sign-in that signs (DRS_WAVES_SIGNING_KEY)",
                    RefusalCode.NOT_AUTHORIZED,
                )
        elif not (role := role_for(state, message, verdict.roles)).is_among(verdict.roles):
            raise MessageRejected(
                f"{verdict.verified_actor} lacks the role {role}", RefusalCode.ROLE_MISSING
            )
        if is_barred_starter(state, message):
            raise MessageRejected(
                f"{message.actor} started the execution; another person must approve it",
                RefusalCode.STARTER_MAY_NOT_APPROVE,
            )

    def _require_allowed(self, message: OperatorMessage, *, hint: bool = True) -> None:
        if (refused := refusal(self._scheduler.state, message, hint=hint)) is not None:
            raise MessageRejected(refused.text, refused.code)

    def _with_step(self, message: OperatorMessage) -> OperatorMessage:
        """The message with its step, if only one is concerned, and what that asks for typed."""
        waves = [w for w in self._scheduler.state.waves if w.wave_id == message.wave]
        if not message.name.is_about_a_step or not waves:
            return message
        if message.step is None and (step := step_meant(waves[0], message)):
            message = replace(message, step=step.step_id)
        return with_typed_outputs(waves[0], message)

    def _apply(self, message: OperatorMessage, break_glass: str | None, *, now: float) -> str:
        """Apply a message; returns its effect, as it was shown before."""
        effect = effect_of(self._scheduler.state, message, break_glass=break_glass)
        decision = OperatorDecision(actor=message.actor, time=now, reason=message.reason)
        match message.name:
            case MessageName.PAUSE:
                self._scheduler.pause(f"Paused by {decision}", now=now)
            case MessageName.RESUME:
                self._scheduler.resume(now=now)
            case MessageName.ACKNOWLEDGE:
                for each in self._scheduler.state.open_decisions:
                    each.acknowledged_by = decision
            case MessageName.APPROVE_RECOVERY if not message.approve:
                self._scheduler.refuse_recovery(decision, now=now)
            case MessageName.APPROVE_RECOVERY:
                if break_glass is not None:
                    decision.reason, decision.break_glass = break_glass, True
                self._scheduler.approve(decision, now=now)
            case _:
                self._apply_to_wave(message, decision, now=now)
        return effect

    def _apply_to_wave(
        self, message: OperatorMessage, decision: OperatorDecision, *, now: float
    ) -> None:
        scheduler = self._scheduler
        wave = scheduler.wave(message.wave or "")
        match message.name:
            case MessageName.SKIP_WAVE:
                skipped = skipped_with(scheduler.state, wave) if message.cascade else [wave]
                scheduler.decide(*(w.wave_id for w in skipped), now=now, skipped_by=decision)
            case MessageName.ACCEPT_WAVE:
                self._accept(wave, decision, now=now)
            case MessageName.CANCEL_WAVE:
                self.cancellations.append((wave, f"Cancelled by {decision}"))
            case MessageName.RETRY_WAVE:
                scheduler.reopen(wave.wave_id, f"Retry by {decision}", now=now)
            case MessageName.APPROVE_WAVE if not message.approve:
                scheduler.decide(wave.wave_id, now=now, refused_by=decision)
            case MessageName.APPROVE_WAVE:
                if message.expires_in_seconds is not None:
                    decision.expires = now + message.expires_in_seconds
                scheduler.decide(wave.wave_id, now=now, approved_by=decision)
            case _ if message.name.is_about_a_step:
                self._decide_step(wave, message, decision, now=now)
            case _:
                self._answer_launch(wave, message)

    def _accept(self, wave: WaveState, decision: OperatorDecision, *, now: float) -> None:
        """Accept a wave; if its launch is, the steps after it run on what is up."""
        scheduler = self._scheduler
        if not wave.runs_steps_if_accepted:
            scheduler.decide(wave.wave_id, now=now, accepted_by=decision)
        elif wave.status.is_settled:
            reason = f"Accepted by {decision}"
            scheduler.reopen(wave.wave_id, reason, now=now, accepted_by=decision)
        else:
            scheduler.decide(wave.wave_id, now=now, accepted_by=decision)
            self.accepted_launches.append(wave)

    def _decide_step(
        self, wave: WaveState, message: OperatorMessage, decision: OperatorDecision, *, now: float
    ) -> None:
        step, override = step_of(wave, message), DECISIONS[message.name]
        if not needs_new_attempt(wave):
            step.decision, step.actor = override, message.actor
            self.step_decisions.append(
                StepDecision(wave, step.step_id, step.attempt, override, message)
            )
            return
        outputs = message.outputs or {}
        if override is StepOverride.COMPLETE:
            self.completed_steps.append(CompletedStep(wave, step.step_id, outputs))
        step.decided(override, message.actor, message.reason, outputs, now=now)
        reason = f"Step {step.step_id} {override.text} by {decision}"
        self._scheduler.reopen(wave.wave_id, reason, now=now)

    def _answer_launch(self, wave: WaveState, message: OperatorMessage) -> None:
        launch_id = message.launch
        assert launch_id is not None, "the rules refuse an answer to no launch"
        wave.launches_in_doubt = [each for each in wave.launches_in_doubt if each != launch_id]
        self.launch_decisions.append(LaunchDecision(wave, launch_id, message.job))


def _others_like(record: MessageRecord) -> MessageRecord:
    """The record of all further messages that were accepted, or rejected, like this one."""
    what = "accepted" if record.accepted else "rejected"
    return MessageRecord(
        name="more messages",
        actor="several",
        time=record.time,
        accepted=record.accepted,
        refusal=record.refusal,
        effect=f"{what}; too many came to record each",
    )


def _message_name(name: str) -> MessageName:
    try:
        return MessageName(name)
    except ValueError:
        hint = nearest(name, [known.value for known in MessageName])
        raise MessageRejected(
            f"there is no message {name[:100]!r}; {hint}", RefusalCode.UNKNOWN_MESSAGE
        ) from None
