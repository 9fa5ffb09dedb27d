"""The state that a step replaced, so that it can be put back."""

from pydantic import JsonValue

from recovery.base_model import Model
from recovery.text_format import timestamp

RecordSet = dict[str, JsonValue]
"""A record as Route 53's API has it."""


class ReplacedState(Model):
    """What was there before a step, and what the step set.

    Attributes:
        was: a record, None if there was none; or the state of a routing control.
        set_to: what replaced it.
    """

    was: JsonValue
    set_to: JsonValue


class StepRevert(Model):
    """What a step replaced, put back.

    Attributes:
        actor_verified: the actor is the one who signed the request.
        time: when it was done (epoch seconds).
        place: where it is, as text.
        replaced: what was there until then.
        put_back: what is there since then; None: no record.
        is_forced: `replaced` is not what the step had set.
    """

    wave_id: str
    step_id: str
    actor: str
    actor_verified: bool = False
    time: float
    place: str
    replaced: JsonValue
    put_back: JsonValue
    is_forced: bool = False

    @property
    def by(self) -> str:
        """Who did it."""
        return f"{self.actor}, by force" if self.is_forced else self.actor

    @property
    def change(self) -> str:
        """What was there, and what is there since then."""
        return f"{shown_value(self.replaced)} → {shown_value(self.put_back)}"

    @property
    def text(self) -> str:
        """Who put back what, and when."""
        return f"put back {timestamp(self.time)} by {self.by}: {self.change}"


def can_be_put_back(before: JsonValue) -> bool:
    """Whether a step's `before` is another state than the one that the step set."""
    if before is None:
        return False
    replaced = ReplacedState.model_validate(before)
    return replaced.was != replaced.set_to


def change_text(before: JsonValue) -> str:
    """What a step replaced and what it set: `old.example.com (TTL 60) → new.example.com (TTL 60)`.

    Empty if it replaced nothing that is known.
    """
    if before is None:
        return ""
    replaced = ReplacedState.model_validate(before)
    return f"{shown_value(replaced.was)} → {shown_value(replaced.set_to)}"


class RevertView(Model):
    """What would be put back, as it is shown before it is confirmed.

    Attributes:
        place: where it is, as text.
        now: what is there.
        was: what was there before the step, and is put back; None: no record.
        set_to: what the step set.
    """

    place: str
    now: JsonValue
    was: JsonValue
    set_to: JsonValue


def shown_value(value: JsonValue) -> str:
    """A record or a state as one line."""
    if not isinstance(value, dict):
        return "no record" if value is None else str(value)
    alias = value.get("AliasTarget")
    if isinstance(alias, dict):
        return f"an alias of {alias.get('DNSName')}"
    records = value.get("ResourceRecords")
    some = records if isinstance(records, list) else []
    values = [str(each["Value"]) for each in some if isinstance(each, dict)]
    return f"{', '.join(values)} (TTL {value.get('TTL')})"
