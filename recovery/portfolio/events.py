"""The events of a portfolio, and the decisions that nobody but it asks for.

Each plan's own execution reports its own.
"""

from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, MessageRecord
from recovery.notify.event_kind import EventKind
from recovery.notify.event_source import EventSource
from recovery.notify.events import AskedDecision, Event, NotifiedExecution
from recovery.operator.messages import CANCEL_EXECUTION
from recovery.portfolio.state import MemberState, MemberStatus, PortfolioState
from recovery.text_format import count, listed


class PortfolioEvents(EventSource):
    """Compares states of a portfolio's execution, each with the one before."""

    def __init__(self, state: PortfolioState) -> None:
        """Compare the states of an execution."""
        super().__init__()
        self._state = state
        # By kind and PlanId, when what is open was first asked.
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

    def _questions(self) -> dict[tuple[DecisionKind, str], tuple[str, str]]:
        """By kind and PlanId, what is open: the reason, and what happens if nobody decides."""
        state = self._state
        found: dict[tuple[DecisionKind, str], tuple[str, str]] = {}
        if state.is_over or state.execution_type is not ExecutionType.RECOVERY:
            return found
        held_back = state.held_back
        for each in state.plans:
            if waiting := held_back.get(each.plan_id):
                reason = f"{each.plan_name} is {each.status}: {each.status_reason}".rstrip(": ")
                left = f"Without a decision, {listed(waiting)} will not be started"
                found[DecisionKind.PLAN, each.plan_id] = reason, left
            if self._is_held(each):
                left = f"Without a decision, {each.plan_name} may never be started"
                found[DecisionKind.HELD_PLAN, each.plan_id] = each.status_reason, left
        return found

    def _is_held(self, member: MemberState) -> bool:
        """Whether a plan cannot be started; also while that is tried once more."""
        was_held = (DecisionKind.HELD_PLAN, member.plan_id) in self._since
        is_tried = member.report is None and member.status in (
            MemberStatus.PENDING,
            MemberStatus.IN_PROGRESS,
        )
        return member.is_held or (was_held and is_tried)

    def _asked_now(self, now: float) -> list[AskedDecision]:
        questions = self._questions()
        self._since = {key: self._since.get(key, now) for key in questions}
        return [
            AskedDecision(
                key=f"{kind}/{plan_id}/{self._since[kind, plan_id]:.3f}",
                kind=kind,
                plan_id=plan_id,
                plan_name=self._state.member(plan_id).plan_name,
                since=self._since[kind, plan_id],
                deadline=self._state.deadline,
                reason=reason,
                if_unanswered=left,
            )
            for (kind, plan_id), (reason, left) in questions.items()
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
