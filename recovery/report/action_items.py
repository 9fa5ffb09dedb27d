"""What people have to do after an execution: text, owner, due date."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from recovery.base_model import StrictModel

MAX_ACTION_ITEMS = 500
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
ItemText = Annotated[str, StringConstraints(max_length=500, pattern=_LINE)]
ItemOwner = Annotated[str, StringConstraints(max_length=100, pattern=_LINE)]
ItemNumber = Annotated[int, Field(ge=1, le=MAX_ACTION_ITEMS)]


class NewActionItem(StrictModel):
    """Something to do after an execution.

    Attributes:
        due: the last day, as `2026-12-31`.
    """

    text: ItemText
    owner: ItemOwner
    due: date


class ActionItem(NewActionItem):
    """One that was added.

    Attributes:
        execution_id: the execution, or the portfolio's, that it follows from.
        number: unique within the execution, from 1.
        request_key: the same for each repetition of one request, which adds one item.
        added_time: epoch seconds.
        note: what the person who closed it said.
    """

    model_config = ConfigDict(extra="ignore")

    execution_id: str
    number: ItemNumber
    request_key: str | None = None
    added_by: str
    added_time: float
    closed_by: str | None = None
    closed_time: float | None = None
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it."""
        return self.closed_time is None

    def is_overdue(self, *, now: float) -> bool:
        """Whether it is open, and its day is over in UTC. `now` is in epoch seconds."""
        return self.is_open and self.due < datetime.fromtimestamp(now, UTC).date()

    def state(self, *, now: float) -> str:
        """`open`, `OVERDUE`, or who closed it."""
        if not self.is_open:
            return f"closed by {self.closed_by}"
        return "OVERDUE" if self.is_overdue(now=now) else "open"


def by_due(items: Iterable[ActionItem]) -> list[ActionItem]:
    """Open items first, those that are due soonest, and so overdue, at the top."""
    return sorted(items, key=lambda i: (not i.is_open, i.due, i.execution_id, i.number))
