"""The state of a portfolio's execution. Times are epoch seconds."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.notification_problem import NotificationProblem
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import ExecutionType, MessageRecord, PlanStatus, continue_command
from recovery.execution.wave import OperatorDecision, WaveStatus
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.model import PlanDependency
from recovery.text_format import count, listed, rounded_duration


class MemberStatus(StrEnum):
    """The status of a plan of a portfolio."""

    PENDING = "PENDING"
    """It is started next."""
    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def is_settled(self) -> bool:
        """Whether the plan has ended, or is not started."""
        return self not in _OPEN

    @property
    def satisfies(self) -> bool:
        """Whether the plans that depend on it may start."""
        return self in (MemberStatus.COMPLETED, MemberStatus.PARTIAL)


_OPEN = (
    MemberStatus.PENDING,
    MemberStatus.WAITING,
    MemberStatus.IN_PROGRESS,
    MemberStatus.PAUSED,
)


class PlanReport(Model):
    """What is known of the execution of a plan of a portfolio.

    Attributes:
        end_time: None while it runs; an execution that was closed from outside has one too.
        waves_up: how many waves are COMPLETED or PARTIAL.
        plan_hash: of the plan that it runs; empty if it is not known.
        awaited: the status of the waves that other plans wait for.
        passed: those of them that an operator accepted or skipped.
        decisions: what an operator must decide, a line each.
        decisions_due: when the first of them is decided by itself.
        ready_time: when its last wave is expected to be up.
        problem: why nothing newer is known; empty if this is current.
    """

    execution_id: str
    execution_type: ExecutionType
    started_by: str = ""
    status: PlanStatus = PlanStatus.IN_PROGRESS
    status_reason: str = ""
    start_time: float | None = None
    end_time: float | None = None
    waves: int = 0
    waves_up: int = 0
    waves_failed: int = 0
    servers: int = 0
    servers_up: int = 0
    plan_hash: str = ""
    awaited: dict[str, WaveStatus] = {}
    passed: list[str] = []
    decisions: list[str] = []
    decisions_due: float | None = None
    ready_time: float | None = None
    waits_for_operator: bool = False
    problem: str = ""


class MemberState(Model):
    """A plan of a portfolio.

    Attributes:
        plan_hash: of the plan that was confirmed.
        rto: in minutes.
        priority: 1 is the highest.
        expected_seconds: of the plan alone, by the forecast at the start.
        execution_id: the execution that the portfolio starts; fixed before it is started.
        is_held: an execution of the other type runs, so that it cannot be started.
        asks_about: PlanIds of plans that are not up, because of which it waits for a decision.
        has_started: that execution may exist, or one that ran already was found.
        is_attached: the execution in `report` was not started by the portfolio.
        report: of the plan's execution.
        accepted_by: who lets its dependents start although it is not up.
        skipped_by: who said not to start it; its dependents start without it.
        released_by: who said to start it now, whatever it depends on.
    """

    plan_id: str
    plan_name: str
    plan_hash: str = ""
    depends_on: list[PlanDependency] = []
    priority: int
    rto: int | None = Field(default=None, alias="RTO")
    waves: int = 0
    servers: int = 0
    expected_seconds: float | None = None
    execution_id: str
    status: MemberStatus = MemberStatus.PENDING
    status_reason: str = ""
    is_held: bool = False
    asks_about: list[str] = []
    has_started: bool = False
    is_attached: bool = False
    report: PlanReport | None = None
    accepted_by: OperatorDecision | None = None
    skipped_by: OperatorDecision | None = None
    released_by: OperatorDecision | None = None

    @property
    def current_execution_id(self) -> str | None:
        """The execution that runs or ran for it; None before its start."""
        if self.report is not None:
            return self.report.execution_id
        return self.execution_id if self.has_started else None

    @property
    def waits_for_operator(self) -> bool:
        """Whether its execution runs, and nothing of it goes on without a decision."""
        is_running = self.report is not None and not self.status.is_settled
        return is_running and self.report is not None and self.report.waits_for_operator

    @property
    def expected_time(self) -> float | None:
        """When its running execution is expected to be up, if that needs no decision."""
        if self.report is None or self.status.is_settled or self.report.waits_for_operator:
            return None
        return self.report.ready_time

    @property
    def releases_dependents(self) -> bool:
        """Whether the plans that depend on it may start."""
        skipped = self.status is MemberStatus.SKIPPED and self.skipped_by is not None
        return self.status.satisfies or self.accepted_by is not None or skipped

    def releases(self, dependency: PlanDependency) -> bool:
        """Whether what a plan waits for of this one is up, or was passed by an operator."""
        wave_id, report = dependency.wave_id, self.report
        # A plan that is PARTIAL is up, and a wave of it may not be.
        if wave_id is None or not self.status.satisfies or self.runs_confirmed_plan_whole:
            did_release = self.releases_dependents
        else:
            did_release = self.accepted_by is not None
        if wave_id is None or report is None:
            return did_release
        status = report.awaited.get(wave_id)
        is_up = status is not None and status.satisfies
        return is_up or wave_id in report.passed or did_release

    @property
    def runs_other_plan(self) -> bool:
        """Whether its execution runs another version of the plan than was confirmed."""
        known = self.report.plan_hash if self.report is not None else ""
        return bool(known and self.plan_hash) and known != self.plan_hash

    @property
    def runs_confirmed_plan_whole(self) -> bool:
        """Whether each wave that was confirmed is up."""
        return self.status is MemberStatus.COMPLETED and not self.runs_other_plan


class PortfolioMessageRecord(MessageRecord):
    """An operator's message to a portfolio; `plan_id` is what it is about, if it is one plan."""

    plan_id: str | None = None


class PortfolioState(Model):
    """The whole state of a portfolio's execution.

    Attributes:
        revision: grows with every change.
        speed: polls and deadlines are divided by it; 1 except in a sandbox.
        declared_time: from when the RTOs count; None: from its start.
        from_execution: the earlier execution of a portfolio that it continues.
        expected_seconds: of all plans together, by the forecast at the start.
        notification_problems: channels that its notifications do not reach.
        outdated_reason: why nothing newer than this is known; never recorded.
        is_closed: its workflow was closed from outside; never recorded.
    """

    execution_id: str
    portfolio_id: str
    portfolio_name: str
    execution_type: ExecutionType
    status: PlanStatus = PlanStatus.IN_PROGRESS
    status_reason: str = ""
    revision: int = 0
    started_by: str
    start_time: float
    declared_time: float | None = None
    end_time: float | None = None
    deadline_seconds: float
    speed: float = 1.0
    point_in_time: PointInTime | None = None
    from_execution: str | None = None
    expected_seconds: float | None = None
    plans: list[MemberState]
    messages: list[PortfolioMessageRecord] = []
    notification_problems: list[NotificationProblem] = []
    outdated_reason: str = ""
    is_closed: bool = False

    @property
    def deadline(self) -> float:
        """After it no plan is started (epoch seconds)."""
        return self.start_time + self.deadline_seconds / self.speed

    @property
    def counted_from(self) -> float:
        """From when the RTOs count: what continues a portfolio counts from its start too."""
        return self.start_time if self.declared_time is None else self.declared_time

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.end_time is not None

    @property
    def continue_command(self) -> str:
        """The command that, after the end, starts the plans that did not complete."""
        option = " --recovery" if self.execution_type is ExecutionType.RECOVERY else ""
        return f"drs-waves run-all --from {self.execution_id}{option}"

    @property
    def counts_text(self) -> str:
        """How many plans have which status."""
        counts = {s: sum(p.status is s for p in self.plans) for s in MemberStatus}
        return ", ".join(f"{n} {s}" for s, n in counts.items() if n)

    def outlook(self, *, now: float) -> str:
        """When its running plans are up, and how many wait for an operator; "" if none runs."""
        if self.is_over or self.outdated_reason:
            return ""
        parts = []
        times = [p.expected_time for p in self.plans if p.expected_time is not None]
        if times:
            parts.append(
                f"running plans up in about {rounded_duration(max(0.0, max(times) - now))}"
            )
        if waiting := sum(p.waits_for_operator for p in self.plans):
            parts.append(f"{count(waiting, 'plan')} waiting for an operator")
        return ", ".join(parts)

    def member(self, plan_id: str) -> MemberState:
        """A plan of it.

        Raises:
            KeyError: it has no such plan.
        """
        for each in self.plans:
            if each.plan_id == plan_id:
                return each
        raise KeyError(plan_id)


@dataclass(frozen=True)
class PlanQuestion:
    """A decision that a portfolio itself waits for, about one of its plans.

    Attributes:
        asked: what must be decided, and why.
        reason: why.
        if_unanswered: what happens if nobody decides, as a sentence without its full stop.
        commands: that make the decision.
    """

    kind: DecisionKind
    plan_id: str
    plan_name: str
    asked: str
    reason: str
    if_unanswered: str
    commands: tuple[str, ...]


def plan_questions(state: PortfolioState) -> list[PlanQuestion]:
    """The decisions that a recovery of a portfolio waits for; those of its plans are their own."""
    found: list[PlanQuestion] = []
    if state.is_over or state.execution_type is not ExecutionType.RECOVERY:
        return found
    held_back: dict[str, list[MemberState]] = {}
    for each in state.plans:
        for plan_id in each.asks_about:
            held_back.setdefault(plan_id, []).append(each)
    own = state.portfolio_id
    for each in state.plans:
        if waiting := held_back.get(each.plan_id):
            names = listed([one.plan_name for one in waiting])
            verb = "waits" if len(waiting) == 1 else "wait"
            reason = f"{each.plan_name} is {each.status}: {each.status_reason}".rstrip(": ")
            accept = f"drs-waves portfolio accept {own} {each.plan_id}"
            again = each.report and continue_command(each.report.execution_id, state.execution_type)
            found.append(
                PlanQuestion(
                    DecisionKind.PLAN,
                    each.plan_id,
                    each.plan_name,
                    f"{names} {verb} for a decision, because {reason}",
                    reason,
                    f"Without a decision, {names} will not be started",
                    (again, accept) if again else (accept,),
                )
            )
        if each.is_held:
            found.append(
                PlanQuestion(
                    DecisionKind.HELD_PLAN,
                    each.plan_id,
                    each.plan_name,
                    f"{each.plan_name} cannot be started: {each.status_reason}",
                    each.status_reason,
                    f"Without a decision, {each.plan_name} may never be started",
                    (
                        f"drs-waves cancel {each.plan_id}",
                        f"drs-waves portfolio skip {own} {each.plan_id}",
                    ),
                )
            )
    return found


class Attention(Model):
    """What a person must look at.

    Attributes:
        plan_id: the plan; what to do about it is in `command`.
        due: until when (epoch seconds); None: without limit.
    """

    plan_id: str
    plan_name: str
    text: str
    command: str
    due: float | None = None


def attention(state: PortfolioState, *, now: float) -> list[Attention]:
    """What a person must look at, most urgent first: decisions, failures, RTO at risk."""
    asks: list[Attention] = []
    failed: list[Attention] = []
    at_risk: list[Attention] = []
    asks += [
        Attention(
            plan_id=each.plan_id,
            plan_name=each.plan_name,
            text=each.asked,
            command=each.commands[0],
            due=state.deadline,
        )
        for each in plan_questions(state)
    ]
    asked = {each.plan_id for each in asks}
    for each in state.plans:
        who = {"plan_id": each.plan_id, "plan_name": each.plan_name}
        report = each.report
        if report is not None and report.end_time is None:
            due = report.decisions_due
            command = f"drs-waves watch {each.plan_id}"
            asks += [
                Attention(**who, text=text, command=command, due=due) for text in report.decisions
            ]
        is_failed = each.status is MemberStatus.FAILED and each.accepted_by is None
        if is_failed and each.plan_id not in asked:
            command = f"drs-waves portfolio accept {state.portfolio_id} {each.plan_id}"
            if report is not None:
                command = continue_command(report.execution_id, state.execution_type)
            text = f"{each.status}: {each.status_reason}".rstrip(": ")
            failed.append(Attention(**who, text=text, command=command))
        risk = rto_risk(state, each, now=now)
        if risk is not None:
            command = f"drs-waves watch {each.plan_id}"
            at_risk.append(Attention(**who, text=risk, command=command))
    asks.sort(key=lambda one: one.due if one.due is not None else float("inf"))
    return [*asks, *failed, *at_risk]


def rto_risk(state: PortfolioState, member: MemberState, *, now: float) -> str | None:
    """Why a plan may miss its RTO, counted from the portfolio's start; None if it does not."""
    if member.rto is None or member.status.satisfies or member.skipped_by is not None:
        return None
    limit = state.counted_from + member.rto * 60.0 / state.speed
    if member.report is None:
        left = (member.expected_seconds or 0.0) / state.speed
        expected = now + left
    else:
        expected = member.report.ready_time or now
    if now > limit:
        return f"its RTO of {member.rto} min is over"
    if expected > limit:
        late = (expected - limit) * state.speed / 60.0
        return f"its RTO of {member.rto} min is at risk: expected {max(1, round(late))} min late"
    return None


# What a person looks for first.
_ORDER = (
    MemberStatus.FAILED,
    MemberStatus.PAUSED,
    MemberStatus.IN_PROGRESS,
    MemberStatus.PENDING,
    MemberStatus.WAITING,
    MemberStatus.CANCELLED,
    MemberStatus.SKIPPED,
    MemberStatus.PARTIAL,
    MemberStatus.COMPLETED,
)


def by_urgency(state: PortfolioState) -> list[MemberState]:
    """The plans in the order in which a person looks for them, by their status."""
    return sorted(state.plans, key=lambda each: _ORDER.index(each.status))
