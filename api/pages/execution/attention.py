"""What waits for a person, most urgent first, with the buttons for it."""

from dataclasses import dataclass

from api.auth.tokens import Principal
from api.pages.execution.controls import Offer, offers
from api.pages.rendering import render
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import DecisionKind, PendingDecision, pending_decisions

_MOST = 6


@dataclass(frozen=True)
class Matter:
    """Something that a person must decide.

    Attributes:
        text: what it is.
        wave: the wave that it is about.
        offers: what can be done.
    """

    text: str
    wave: WaveState | None
    offers: tuple[Offer, ...]


def matters(state: ExecutionState, reader: Principal) -> list[Matter]:
    """What waits for a person."""
    return [
        Matter(_text(each), each.wave, tuple(_offers(state, reader, each)))
        for each in pending_decisions(state)
    ]


def attention(state: ExecutionState, reader: Principal) -> str:
    """The box that shows it; empty and hidden where nothing waits."""
    found = matters(state, reader)
    return render("attention", matters=found[:_MOST], more=len(found) - _MOST)


def _offers(state: ExecutionState, reader: Principal, pending: PendingDecision) -> list[Offer]:
    """The buttons that decide it; leaving out a dependent only where there is one."""
    found = _named(offers(state, reader, pending.wave), pending.messages)
    if len(pending.skippable) == 1:
        of_dependent = offers(state, reader, pending.skippable[0])
        found += _named(of_dependent, (MessageName.SKIP_WAVE,))
    return found


def _named(found: list[Offer], names: tuple[MessageName, ...]) -> list[Offer]:
    return [offer for name in names for offer in found if offer.name == name]


def _text(pending: PendingDecision) -> str:
    if pending.wave is None:
        return "is PAUSED: nothing new is launched"
    match pending.kind:
        case DecisionKind.APPROVAL:
            return "waits for an approval"
        case DecisionKind.LAUNCH:
            return "may have been launched: whether DRS has its job is not known"
        case _:
            accepted = "; accepted" if pending.wave.decisions.accepted_by else ""
            return f"{pending.wave.status}{accepted}: {pending.wave.status_reason}"
