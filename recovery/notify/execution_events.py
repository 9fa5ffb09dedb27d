"""The events of an execution, from one state to the next."""

from recovery.execution.open_decision import OpenDecision
from recovery.execution.state import ExecutionState, MessageRecord
from recovery.execution.wave import WaveState, WaveStatus
from recovery.launch_settings.isolation import isolation_lines
from recovery.notify.event_kind import EventKind
from recovery.notify.event_source import EventSource
from recovery.notify.events import AskedDecision, Event, NotifiedExecution
from recovery.operator.pending_decisions import (
    deadline_of,
    decision_maker,
    if_unanswered,
    pending_decisions,
)
from recovery.steps.progress import not_tested
from recovery.steps.state import StepStatus
from recovery.text_format import shortened

_MINUTE = 60.0
_UP = (WaveStatus.COMPLETED, WaveStatus.PARTIAL)


class ExecutionEvents(EventSource):
    """Compares states of an execution, each with the one before.

    Attributes:
        break_glass: the reason for starting it with an offline key.
    """

    def __init__(self, state: ExecutionState, *, rto_minutes: int | None) -> None:
        """Compare the states of an execution; `rto_minutes` is of its plan."""
        super().__init__()
        self._state = state
        self.break_glass: str | None = None
        self._rto_minutes = rto_minutes
        # By WaveId: the attempt, the status and whether it is late.
        self._waves: dict[str, tuple[int, WaveStatus, bool]] = {}
        # By key, the decisions that were asked for.
        self._open: dict[str, OpenDecision] = {}

    @property
    def execution(self) -> NotifiedExecution:
        return NotifiedExecution.of(self._state)

    @property
    def is_asking(self) -> bool:
        return bool(self._state.open_decisions)

    @property
    def asks_anew(self) -> bool:
        asked = {each.key for each in self._asked}
        return {_key(each) for each in self._state.open_decisions} != asked

    @property
    def _is_over(self) -> bool:
        return self._state.is_over

    @property
    def _speed(self) -> float:
        return self._state.speed

    def _made(self, key: str) -> MessageRecord | None:
        return decision_maker(self._state, self._open.pop(key))

    @property
    def _server_count(self) -> int:
        return sum(len(wave.servers) for wave in self._state.waves)

    def _new_events(self, now: float) -> list[Event]:
        state = self._state
        found: list[Event] = []
        if self._is_first(EventKind.STARTED):
            servers = self._server_count
            found.append(
                Event(
                    kind=EventKind.STARTED,
                    key="STARTED",
                    time=now,
                    servers=servers,
                    isolation="; ".join(isolation_lines(state)),
                )
            )
        if self.break_glass is not None and self._is_first(EventKind.BREAK_GLASS):
            reason = f"{state.started_by}: start: {self.break_glass}"
            key = f"{EventKind.BREAK_GLASS}/start"
            found.append(Event(kind=EventKind.BREAK_GLASS, key=key, time=now, reason=reason))
        found += self._by_break_glass(state.messages)
        for wave in state.waves:
            found += self._events_of(wave, now)
        if state.end_time is not None and self._is_first(EventKind.FINISHED):
            found.append(self._finished(state.end_time))
        return found

    def _events_of(self, wave: WaveState, now: float) -> list[Event]:
        current = (wave.attempt, wave.status, wave.late)
        before = self._waves.get(wave.wave_id)
        self._waves[wave.wave_id] = current
        if current == before:
            return []
        event = wave_event(wave, now=now)
        return [event] if event is not None else []

    def _finished(self, end_time: float) -> Event:
        state = self._state
        rto = self._rto_minutes
        return Event(
            kind=EventKind.FINISHED,
            key="FINISHED",
            time=end_time,
            reason=state.status_reason,
            servers_up=len(state.servers_up),
            servers=self._server_count,
            not_tested=sum(len(not_tested(wave.steps)) for wave in state.waves),
            outcome=state.status,
            seconds=(end_time - state.start_time) * state.speed,
            rto_seconds=rto * _MINUTE if rto is not None else None,
            isolation="; ".join(isolation_lines(state)),
        )

    def _asked_now(self, now: float) -> list[AskedDecision]:
        state = self._state
        pending = {p.opened.key: p for p in pending_decisions(state) if p.opened is not None}
        found = []
        for known in state.open_decisions:
            each = pending.get(known.key)
            if each is None:
                continue
            wave, step = each.wave, each.step
            reason = wave.status_reason if wave else state.status_reason
            manual = step.manual if step else None
            self._open[_key(known)] = known
            found.append(
                AskedDecision(
                    key=_key(known),
                    kind=known.kind,
                    wave_id=known.wave_id,
                    wave_name=wave.wave_name if wave else None,
                    step_id=known.step_id,
                    instruction=shortened(manual.instruction) if manual else "",
                    since=known.since,
                    deadline=deadline_of(state, each),
                    reason=step.reason if step else reason,
                    if_unanswered=if_unanswered(state, each),
                    acknowledged_by=known.acknowledged_by,
                )
            )
        return found


def wave_event(wave: WaveState, *, now: float) -> Event | None:
    """The event that a wave has become what it is; None if that is none. `now`: epoch seconds."""
    if wave.status in _UP and wave.attempt:
        kind = EventKind.LATE_ARRIVAL if wave.late else EventKind.WAVE_UP
    elif wave.status.has_failed:
        kind = EventKind.WAVE_FAILED
    else:
        return None
    return Event(
        kind=kind,
        key=f"{kind}/{wave.wave_id}/{wave.attempt}",
        time=wave.end_time or now,
        wave_name=wave.wave_name,
        wave_status=wave.status,
        reason=wave.status_reason,
        servers_up=wave.launched_count,
        servers=len(wave.servers),
        steps_succeeded=sum(step.status is StepStatus.SUCCEEDED for step in wave.steps),
        steps=len(wave.steps) - len(not_tested(wave.steps)),
    )


def _key(decision: OpenDecision) -> str:
    """The key of a decision: the same may be asked again once it was decided, as after a pause."""
    return f"{decision.key}/{decision.since:.3f}"
