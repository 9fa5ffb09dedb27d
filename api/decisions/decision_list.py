"""The open decisions as the API returns them, with links."""

from urllib.parse import quote

from api.hub import Snapshot
from client.decisions.inbox import InboxDecision, UnreadExecution
from client.decisions.inbox_reader import InboxState
from recovery.base_model import Model


class DecisionLinks(Model):
    """Where a decision is made; relative to the address of this server.

    Attributes:
        execution: its execution in the API; POST the answer below it.
        page: where a person decides.
    """

    execution: str
    page: str


class ListedDecision(InboxDecision):
    """An open decision with its links."""

    links: DecisionLinks

    @classmethod
    def linked(cls, decision: InboxDecision) -> "ListedDecision":
        """A decision with its links."""
        kind = "portfolios" if decision.is_portfolio else "executions"
        path = f"/{kind}/{quote(decision.execution_id)}"
        wave = f"#{quote(decision.wave_id)}" if decision.wave_id else ""
        links = DecisionLinks(execution=f"/api{path}", page=f"{path}{wave}")
        return cls.model_validate(dict(decision) | {"links": links})


class DecisionList(Model):
    """The open decisions of all running executions, most urgent first.

    Attributes:
        unread: the executions whose state cannot be read; others of their decisions may be open.
        is_complete: whether all running executions are known.
        warnings: what keeps executions from launching, and what could not be read.
        seen_time: when the list was last confirmed (epoch seconds).
    """

    decisions: list[ListedDecision]
    unread: list[UnreadExecution] = []
    is_complete: bool
    warnings: list[str] = []
    seen_time: float

    @classmethod
    def of(cls, snapshot: Snapshot[InboxState]) -> "DecisionList":
        """The decisions of a snapshot; not complete if nothing newer can be read."""
        inbox = snapshot.value.inbox
        return cls(
            decisions=[ListedDecision.linked(each) for each in inbox.decisions],
            unread=inbox.unread,
            is_complete=inbox.is_complete and not snapshot.error,
            warnings=[*([snapshot.error] if snapshot.error else []), *inbox.warnings],
            seen_time=snapshot.seen_time,
        )
