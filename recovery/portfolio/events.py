"""The events of a portfolio, and the decisions that nobody but it asks for.

Each plan's own execution reports its own.
"""

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import MessageRecord
from recovery.notify.event_kind import EventKind
from recovery.notify.event_source import EventSource
from recovery.notify.events import AskedDecision, Event, NotifiedExecution
from recovery.operator.messages import CANCEL_EXECUTION
from recovery.portfolio.state import (
    MemberStatus,
    PlanQuestion,
    PortfolioState,
    plan_questions,
)
from recovery.text_format import count


class PortfolioEvents(EventSource):
    """Compares states of a portfolio's execution, each with the one before."""

    def __init__(self, state: PortfolioState) -> None:
        """Compare the states of an execution."""
        super().__init__()
        self._state = state
        # By kind and PlanId, what was open at the last report, and since when.
        self._open: dict[tuple[DecisionKind, str], PlanQuestion] = {}
        self._since: dict[tuple[DecisionKind, str], float] = {}

    @property
    def execution(self) -> NotifiedExecution:
        state = self._state
        return NotifiedExecution(
            execution_id=state.execution_id,
            plan_id=state.portfolio_id,
            plan_name=state.portfolio_name,
            execution_type=state.execution_type,
            started_by=state.started_by,
            start_time=state.start_time,
            is_portfolio=True,
        )

    @property
    def is_asking(self) -> bool:
        return bool(self._questions())

    @property
    def asks_anew(self) -> bool:
        return self._questions().keys() != self._since.keys()

    @property
    def _is_over(self) -> bool:
        return self._state.is_over

    @property
    def _speed(self) -> float:
        return self._state.speed

    def _questions(self) -> dict[tuple[DecisionKind, str], PlanQuestion]:
        """By kind and PlanId, what is open; what held a plan also while it is tried again."""
        state = self._state
        found = {(each.kind, each.plan_id): each for each in plan_questions(state)}
        for key, question in self._open.items():
            kind, plan_id = key
            if kind is DecisionKind.HELD_PLAN and key not in found and not state.is_over:
                member = state.member(plan_id)
                is_tried = member.status in (MemberStatus.PENDING, MemberStatus.IN_PROGRESS)
                if member.report is None and is_tried:
                    found[key] = question
        return found

    def _asked_now(self, now: float) -> list[AskedDecision]:
        questions = self._open = self._questions()
        self._since = {key: self._since.get(key, now) for key in questions}
        return [
            AskedDecision(
                key=f"{each.kind}/{each.plan_id}/{self._since[key]:.3f}",
                kind=each.kind,
                plan_id=each.plan_id,
                plan_name=each.plan_name,
                since=self._since[key],
                deadline=self._state.deadline,
                reason=each.reason,
                if_unanswered=each.if_unanswered,
            )
            for key, each in questions.items()
        ]

    def _made(self, key: str) -> MessageRecord | None:
        kind, rest = key.split("/", 1)
        plan_id, since = rest.rsplit("/", 1)
        state = self._state
        about = {plan_id}
        if kind == DecisionKind.PLAN:
            about |= {
                each.plan_id
                for each in state.plans
                if any(one.plan_id == plan_id for one in each.depends_on)
            }
        for each in reversed(state.messages):
            is_later = each.accepted and each.time >= float(since)
            if is_later and (each.plan_id in about or each.name == CANCEL_EXECUTION):
                return each
        return None

    def _new_events(self, now: float) -> list[Event]:
        state, found = self._state, []
        servers = sum(each.servers for each in state.plans)
        if self._is_first(EventKind.STARTED):
            size = f"{count(len(state.plans), 'plan')}, {count(servers, 'server')}"
            found.append(
                Event(kind=EventKind.STARTED, key="STARTED", time=now, servers=servers, reason=size)
            )
        found += self._by_break_glass(state.messages)
        if state.end_time is not None and self._is_first(EventKind.FINISHED):
            found.append(
                Event(
                    kind=EventKind.FINISHED,
                    key="FINISHED",
                    time=state.end_time,
                    reason=state.status_reason,
                    servers_up=sum(each.report.servers_up for each in state.plans if each.report),
                    servers=servers,
                    outcome=state.status,
                    seconds=(state.end_time - state.start_time) * state.speed,
                )
            )
        return found
