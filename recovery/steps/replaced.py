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
