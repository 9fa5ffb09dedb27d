"""The state that a step replaced, so that it can be put back."""

from pydantic import JsonValue

from recovery.base_model import Model

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


def can_be_put_back(before: JsonValue) -> bool:
    """Whether a step's `before` is another state than the one that the step set."""
    if before is None:
        return False
    replaced = ReplacedState.model_validate(before)
    return replaced.was != replaced.set_to


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


def revert_refusal(
    view: RevertView, step: str, confirmation: str | None, *, is_forced: bool
) -> str | None:
    """Why what a step replaced is not put back; None if it may be.

    Args:
        view: what was shown.
        step: `WAVE/STEP`, which is the confirmation.
        confirmation: as it was given.
        is_forced: also if someone else has changed it since.
    """
    if view.now == view.was:
        return f"nothing is put back: {view.place} is already as it was before the step"
    if view.now != view.set_to and not is_forced:
        return (
            f"nothing is put back: {view.place} is not what the step set, so someone has changed "
            "it since. Look who did; put it back all the same by force only"
        )
    if confirmation != step:
        return f"nothing is put back: confirm it with {step}"
    return None


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
