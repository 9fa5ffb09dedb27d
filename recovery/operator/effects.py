"""The operators' desk: what each message does to an execution, or why it does nothing."""

from typing import Any

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.state import MessageRecord, PlanStatus
from recovery.execution.wave import OperatorAct, WaveState, WaveStatus
from recovery.operator.messages import (
    MessageName,
    MessageRejected,
    OperatorMessage,
    guess_actor,
    nearest,
    read_cancel_reason,
    read_message,
)
from recovery.text_format import shortened

_MOST_RECORDS = 1000
_RETRYABLE = (WaveStatus.FAILED, WaveStatus.TIMED_OUT, WaveStatus.CANCELLED)
_ACCEPTABLE = (WaveStatus.IN_PROGRESS, WaveStatus.FAILED, WaveStatus.TIMED_OUT)


class OperatorDesk:
    """Takes operators' messages and keeps a record of each.

    Attributes:
        to_cancel: waves that an operator no longer waits for; their workflows are to be told.
        to_answer: waves whose launch an operator has decided about, with the job to adopt or None
            for launching; their workflows are to be told.
    """

    def __init__(self, scheduler: WaveScheduler) -> None:
        self._scheduler = scheduler
        self.to_cancel: list[tuple[WaveState, str]] = []
        self.to_answer: list[tuple[WaveState, str | None]] = []

    def take(self, name: str, inputs: tuple[Any, ...], *, now: float) -> MessageRecord:
        """Take a message; whatever it is, the answer is a record that is kept.

        Args:
            name: the message's name, known or not.
            inputs: what it came with.
            now: epoch seconds.
        """
        message: OperatorMessage | None = None
        try:
            known = self._known(name)
            message = read_message(known, inputs)
            effect, accepted = self._act(message, now=now), True
        except MessageRejected as rejected:
            effect, accepted = str(rejected), False
        record = MessageRecord(
            name=shortened(name, most=100),
            wave_id=message.wave if message else None,
            actor=message.actor if message else guess_actor(inputs),
            actor_verified=bool(message and message.client),
            time=now,
            reason=message.reason if message else "",
            accepted=accepted,
            effect=effect,
        )
        self._note(record, now=now)
        return record

    def note_cancel(self, text: str, *, now: float) -> None:
        """Keep a record of the execution's cancellation, which is no message of ours.

        Args:
            text: the reason as Temporal has it.
            now: epoch seconds.
        """
        actor, reason, ours = read_cancel_reason(text)
        record = MessageRecord(
            name="cancel",
            actor=shortened(actor, most=100),
            actor_verified=ours,
            time=now,
            reason=shortened(reason),
            accepted=True,
            effect="nothing new is launched; what runs is observed on",
        )
        self._note(record, now=now)

    def _note(self, record: MessageRecord, *, now: float) -> None:
        records = self._scheduler.state.messages
        if len(records) < _MOST_RECORDS:
            records.append(record)
        self._scheduler.touch(now)

    def _known(self, name: str) -> MessageName:
        try:
            return MessageName(name)
        except ValueError:
            hint = nearest(name, [known.value for known in MessageName])
            raise MessageRejected(f"there is no message {name[:100]!r}; {hint}") from None

    def _act(self, message: OperatorMessage, *, now: float) -> str:
        state = self._scheduler.state
        if message.execution_id and message.execution_id != state.execution_id:
            raise MessageRejected(
                f"meant for execution {message.execution_id}; this one is {state.execution_id}"
            )
        if state.end_time is not None:
            raise MessageRejected(
                f"the execution has ended; `drs-waves run --from {state.execution_id}` goes on"
            )
        if state.status is PlanStatus.CANCELLED:
            raise MessageRejected("the execution is being cancelled")
        act = OperatorAct(actor=message.actor, time=now, reason=message.reason)
        if message.name is MessageName.PAUSE:
            return self._pause(act, now=now)
        if message.name is MessageName.RESUME:
            return self._resume(now=now)
        return self._act_on(self._wave(message.wave or ""), message, act, now=now)

    def _act_on(
        self, wave: WaveState, message: OperatorMessage, act: OperatorAct, *, now: float
    ) -> str:
        match message.name:
            case MessageName.SKIP_WAVE:
                return self._skip(wave, act, cascade=message.cascade, now=now)
            case MessageName.ACCEPT_WAVE:
                return self._accept(wave, act, now=now)
            case MessageName.CANCEL_WAVE:
                return self._cancel(wave, act)
            case MessageName.RETRY_WAVE:
                return self._retry(wave, act, now=now)
            case MessageName.ADOPT_JOB | MessageName.LAUNCH_ANYWAY:
                return self._answer_launch(wave, message.job)
            case _:
                return self._approve(wave, act, message, now=now)

    def _wave(self, wave_id: str) -> WaveState:
        try:
            return self._scheduler.wave(wave_id)
        except KeyError:
            ids = [wave.wave_id for wave in self._scheduler.state.waves]
            raise MessageRejected(f"no wave {wave_id!r}; {nearest(wave_id, ids)}") from None

    def _pause(self, act: OperatorAct, *, now: float) -> str:
        if self._scheduler.state.status is PlanStatus.PAUSED:
            raise MessageRejected("the execution is paused already")
        self._scheduler.pause(f"Paused by {act}", now=now)
        running = [w.wave_name for w in self._scheduler.running() if w.start_time is not None]
        still = f"; still running: {', '.join(running)}" if running else ""
        return f"nothing new is launched until resume{still}"

    def _resume(self, *, now: float) -> str:
        if self._scheduler.state.status is not PlanStatus.PAUSED:
            raise MessageRejected("the execution is not paused")
        self._scheduler.resume(now=now)
        return "ready waves are launched again"

    def _skip(self, wave: WaveState, act: OperatorAct, *, cascade: bool, now: float) -> str:
        if wave.decisions.skipped_by:
            raise MessageRejected(f"it was skipped already by {wave.decisions.skipped_by}")
        if wave.handed_over or wave.attempt:
            raise MessageRejected(f"it is {_told(wave)}; {_instead_of_skip(wave)}")
        if wave.status.is_settled and wave.status is not WaveStatus.SKIPPED:
            raise MessageRejected(f"it is {_told(wave)}; {_instead_of_skip(wave)}")
        skipped = [wave]
        if cascade:
            later = [
                self._scheduler.wave(i) for i in self._scheduler.graph.downstream_of(wave.wave_id)
            ]
            skipped += [w for w in later if not w.handed_over and not w.attempt]
        for each in skipped:
            self._scheduler.decide(each.wave_id, now=now, skipped_by=act)
        names = ", ".join(w.wave_name for w in skipped)
        return f"skipped {names}" + ("" if cascade else "; its dependents go on without it")

    def _accept(self, wave: WaveState, act: OperatorAct, *, now: float) -> str:
        if wave.decisions.accepted_by:
            raise MessageRejected(f"it was accepted already by {wave.decisions.accepted_by}")
        if wave.status not in _ACCEPTABLE:
            raise MessageRejected(
                f"it is {_told(wave)}; only a wave that is IN_PROGRESS, FAILED or TIMED_OUT can "
                "be accepted"
            )
        self._scheduler.decide(wave.wave_id, now=now, accepted_by=act)
        up = f"{wave.launched_count} of {len(wave.servers)} are up"
        return f"accepted as {wave.status} ({up}); its dependents go on"

    def _cancel(self, wave: WaveState, act: OperatorAct) -> str:
        if not wave.is_running:
            raise MessageRejected(f"it is {_told(wave)}; only a running wave can be cancelled")
        self.to_cancel.append((wave, f"Cancelled by {act}"))
        jobs = ", ".join(wave.open_job_ids)
        still = f"; {jobs} cannot be stopped and are observed on" if jobs else ""
        return f"no longer waited for, its dependents are skipped{still}"

    def _retry(self, wave: WaveState, act: OperatorAct, *, now: float) -> str:
        if wave.status not in _RETRYABLE:
            raise MessageRejected(
                f"it is {_told(wave)}; only a wave that is FAILED, TIMED_OUT or CANCELLED can "
                "be retried"
            )
        self._scheduler.reopen(wave.wave_id, f"Retry asked for by {act}", now=now)
        return (
            f"attempt {wave.attempt + 1}: servers that are up or still launching are kept, the "
            "others are launched again"
        )

    def _answer_launch(self, wave: WaveState, job: str | None) -> str:
        if not wave.is_running or not wave.launch_in_doubt:
            raise MessageRejected(
                f"it is {_told(wave)}; only a wave of which DRS's job cannot be found asks for this"
            )
        wave.launches_in_doubt = []
        self.to_answer.append((wave, job))
        if job is None:
            return "DRS is asked to launch its servers, as there is no job of them"
        return f"{job} is taken for its own and watched, once DRS confirms that it has its servers"

    def _approve(
        self, wave: WaveState, act: OperatorAct, message: OperatorMessage, *, now: float
    ) -> str:
        if not self._scheduler.plan.wave(wave.wave_id).approval_required:
            raise MessageRejected("it needs no approval")
        if wave.handed_over or wave.status.is_settled:
            raise MessageRejected(
                f"it is {_told(wave)}; an approval is for a wave not launched yet"
            )
        if not message.approve:
            self._scheduler.decide(wave.wave_id, now=now, refused_by=act)
            return "refused; it is not launched and its dependents are skipped"
        if wave.decisions.approved_by:
            raise MessageRejected(f"it was approved already by {wave.decisions.approved_by}")
        held = ""
        if message.expires_in_seconds is not None:
            act.expires = now + message.expires_in_seconds
            held = f" for {message.expires_in_seconds:g} s"
        self._scheduler.decide(wave.wave_id, now=now, approved_by=act)
        return f"approved{held}"


def _told(wave: WaveState) -> str:
    return f"{wave.status} ({wave.status_reason})" if wave.status_reason else str(wave.status)


def _instead_of_skip(wave: WaveState) -> str:
    if wave.is_running:
        return "cancel_wave stops waiting for it, accept_wave lets its dependents go on"
    if wave.status in _ACCEPTABLE:
        return "accept_wave lets its dependents go on, or skip those"
    return "only a wave that was not launched can be skipped"
