"""What waits for a person, most urgent first, with the buttons for it."""

from dataclasses import dataclass

from api.auth.tokens import Principal
from api.pages.execution.controls import Offer, offers
from api.pages.rendering import render
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.operator.messages import MessageName
from recovery.operator.rules import is_in_doubt, may_approve, may_skip, takes_messages

_BROKEN = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
_MOST = 6


@dataclass(frozen=True)
class Matter:
    """Something that a person must decide.

    Attributes:
        told: what it is.
        wave: the wave that it is about.
        offers: what can be done.
    """

    told: str
    wave: WaveState | None
    offers: tuple[Offer, ...]


def matters(state: ExecutionState, reader: Principal) -> list[Matter]:
    """What waits for a person."""
    if not takes_messages(state):
        return []
    found = []
    if state.status is PlanStatus.PAUSED:
        resume = [o for o in offers(state, reader) if o.name == MessageName.RESUME]
        found.append(Matter("is PAUSED: nothing new is launched", None, tuple(resume)))
    for told, fits, names in _KINDS:
        for wave in filter(fits, state.waves):
            can = [o for name in names for o in offers(state, reader, wave) if o.name == name]
            found.append(Matter(told(wave), wave, (*can, *_skips(state, reader, wave))))
    return found


def attention(state: ExecutionState, reader: Principal) -> str:
    """The box that shows it; empty and hidden where nothing waits."""
    found = matters(state, reader)
    return render("attention", matters=found[:_MOST], more=len(found) - _MOST)


def _skips(state: ExecutionState, reader: Principal, wave: WaveState) -> list[Offer]:
    """Leaving out the one dependent of a wave that failed."""
    if wave.status not in _BROKEN:
        return []
    waiting = [w for w in state.waves if wave.wave_id in w.depends_on and may_skip(w)]
    if len(waiting) != 1:
        return []
    return [o for o in offers(state, reader, waiting[0]) if o.name == MessageName.SKIP_WAVE]


def _waits(_: WaveState) -> str:
    return "waits for an approval"


def _doubt(_: WaveState) -> str:
    return "may have been launched: whether DRS has its job is not known"


def _broke(wave: WaveState) -> str:
    accepted = "; accepted" if wave.decisions.accepted_by else ""
    return f"{wave.status}{accepted}: {wave.status_reason}"


_KINDS = (
    (_waits, may_approve, (MessageName.APPROVE_WAVE, MessageName.SKIP_WAVE)),
    (_doubt, is_in_doubt, (MessageName.ADOPT_JOB, MessageName.LAUNCH_ANYWAY)),
    (
        _broke,
        lambda wave: wave.status in _BROKEN,
        (MessageName.RETRY_WAVE, MessageName.ACCEPT_WAVE),
    ),
)
