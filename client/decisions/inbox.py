"""All open decisions, as the command line, the API and the pages list them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from client.executions import LastKnownState
from client.overview import ExecutionRow
from recovery.base_model import Model
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import OperatorDecision
from recovery.operator.commands import deciding_commands
from recovery.operator.pending_decisions import (
    PendingDecision,
    asked_text,
    deadline_of,
    if_unanswered,
    pending_decisions,
)
from recovery.portfolio.state import PlanQuestion, PortfolioState, plan_questions
from recovery.steps.model import Manual


class InboxDecision(Model):
    """A decision that a running execution waits for. Times are epoch seconds.

    Attributes:
        is_portfolio: a portfolio waits for it, whose ID and name stand for the plan's.
        wave_id: its wave; None if it is about the execution.
        step_id: its step; None if it is not about one.
        asked: what must be decided, as one sentence.
        manual: the instruction of a manual step, in Markdown, and what it asks for.
        since: since when; None if that is not recorded yet.
        deadline: until when it can be made; None if nothing waits for it.
        if_unanswered: what happens if nobody decides, as a sentence without its full stop.
        acknowledged_by: who said that they take care of it; None if nobody did.
        commands: that make the decision, each with its arguments.
        recorded_time: of the last known state, if the current one cannot be read; else None.
    """

    execution_id: str
    plan_id: str
    plan_name: str
    execution_type: ExecutionType
    is_portfolio: bool = False
    wave_id: str | None = None
    wave_name: str | None = None
    step_id: str | None = None
    kind: DecisionKind
    asked: str
    manual: Manual | None = None
    since: float | None = None
    deadline: float | None = None
    if_unanswered: str
    acknowledged_by: OperatorDecision | None = None
    commands: list[str]
    recorded_time: float | None = None

    @classmethod
    def of(cls, state: ExecutionState, pending: PendingDecision) -> "InboxDecision":
        """A pending decision of an execution."""
        wave = pending.wave
        subject = wave.wave_name if wave else "The execution"
        return cls(
            execution_id=state.execution_id,
            plan_id=state.plan_id,
            plan_name=state.plan_name,
            execution_type=state.execution_type,
            wave_id=wave.wave_id if wave else None,
            wave_name=wave.wave_name if wave else None,
            step_id=pending.step.step_id if pending.step else None,
            manual=pending.step.manual if pending.step else None,
            kind=pending.kind,
            asked=f"{subject} {asked_text(state, pending)}",
            since=pending.opened.since if pending.opened else None,
            deadline=deadline_of(state, pending),
            if_unanswered=if_unanswered(state, pending),
            acknowledged_by=pending.acknowledged_by,
            commands=deciding_commands(state.plan_id, pending),
            recorded_time=state.recorded_time if isinstance(state, LastKnownState) else None,
        )

    @classmethod
    def of_portfolio(cls, state: PortfolioState, question: PlanQuestion) -> "InboxDecision":
        """A decision that a portfolio waits for; it stands for the plan."""
        return cls(
            execution_id=state.execution_id,
            plan_id=state.portfolio_id,
            plan_name=state.portfolio_name,
            execution_type=state.execution_type,
            is_portfolio=True,
            kind=question.kind,
            asked=question.asked,
            deadline=state.deadline,
            if_unanswered=question.if_unanswered,
            commands=list(question.commands),
        )

    @property
    def urgency(self) -> tuple[bool, float, bool]:
        """Lower is more urgent: recoveries, then by deadline, then what nobody takes care of."""
        deadline = math.inf if self.deadline is None else self.deadline
        is_drill = self.execution_type is ExecutionType.DRILL
        return is_drill, deadline, self.acknowledged_by is not None


class UnreadExecution(Model):
    """A running execution whose current state cannot be read.

    Attributes:
        reason: why.
        recorded_time: of its last known state (epoch seconds); None if none is known.
        decisions: how many decisions were open then.
    """

    execution_id: str
    plan_id: str
    execution_type: str
    reason: str
    recorded_time: float | None = None
    decisions: int | None = None


class Inbox(Model):
    """All open decisions, most urgent first.

    Attributes:
        unread: the executions that may have other open decisions than those listed.
        is_complete: whether all running executions are known.
        warnings: what keeps executions from launching, and what could not be read.
    """

    decisions: list[InboxDecision]
    unread: list[UnreadExecution] = []
    is_complete: bool = True
    warnings: list[str] = []

    @property
    def is_current(self) -> bool:
        """Whether no other decision can be open."""
        return self.is_complete and not self.unread


@dataclass(frozen=True)
class ReadExecution:
    """An execution that runs or may run, as far as it could be read.

    Attributes:
        state: the current or the last known one; None if none is known.
        reason: why the current one could not be read; "" if it was.
    """

    row: ExecutionRow
    state: ExecutionState | None
    reason: str = ""


def inbox_of(
    executions: Iterable[ReadExecution],
    portfolios: Iterable[PortfolioState] = (),
    warnings: Iterable[str] = (),
    *,
    is_complete: bool = True,
) -> Inbox:
    """The open decisions of executions and of portfolios."""
    found = [
        InboxDecision.of_portfolio(state, each)
        for state in portfolios
        for each in plan_questions(state)
    ]
    unread = []
    for each in executions:
        own = decisions_of(each.state) if each.state else None
        found += own or []
        if each.reason:
            unread.append(_unread(each, own))
    return Inbox(
        decisions=sorted(found, key=lambda each: each.urgency),
        unread=unread,
        is_complete=is_complete,
        warnings=list(warnings),
    )


def decisions_of(state: ExecutionState) -> list[InboxDecision]:
    """The open decisions of one execution."""
    return [InboxDecision.of(state, each) for each in pending_decisions(state)]


def _unread(each: ReadExecution, own: list[InboxDecision] | None) -> UnreadExecution:
    state = each.state
    return UnreadExecution(
        execution_id=each.row.execution_id,
        plan_id=each.row.plan_id,
        execution_type=each.row.execution_type,
        reason=each.reason,
        recorded_time=state.recorded_time if isinstance(state, LastKnownState) else None,
        decisions=None if own is None else len(own),
    )
