"""Which plans of a portfolio are started when, and how it ends.

It knows nothing of Temporal. The status of a plan without an execution is derived again after each
event, so a plan that is run again releases what was skipped because of it.
"""

from recovery.execution.state import ExecutionType, PlanStatus, continue_command
from recovery.portfolio.model import PlanDependency
from recovery.portfolio.state import MemberState, MemberStatus, PlanReport, PortfolioState
from recovery.text_format import shortened

_SHOWN = 5


class PortfolioScheduler:
    """Applies events to the `state` of one execution of a portfolio."""

    def __init__(self, state: PortfolioState) -> None:
        self.state = state
        self._plans = {each.plan_id: each for each in state.plans}
        self._is_cancelled = False
        self._cancel_reason = ""
        self._is_deadline_passed = False
        # Why a plan that is free to start could not be started yet.
        self._held: dict[str, str] = {}
        self._order = self._in_order()
        self.update()

    def ready(self) -> list[MemberState]:
        """The plans to start now, those of the highest priority first."""
        if self.state.status is not PlanStatus.IN_PROGRESS:
            return []
        found = [each for each in self.state.plans if each.status is MemberStatus.PENDING]
        return sorted(found, key=lambda each: each.priority)

    def awaited_waves(self, plan_id: str) -> list[str]:
        """The waves of a plan that other plans wait for."""
        needed = (d for each in self.state.plans for d in each.depends_on if d.plan_id == plan_id)
        return list(dict.fromkeys(d.wave_id for d in needed if d.wave_id is not None))

    @property
    def is_over(self) -> bool:
        """Whether every plan has ended, or is not started."""
        return all(each.status.is_settled for each in self.state.plans)

    @property
    def next_deadline(self) -> float | None:
        """When `tick` must be called; None if nothing waits."""
        waits = any(not p.has_started and not p.status.is_settled for p in self.state.plans)
        return self.state.deadline if waits and not self._is_deadline_passed else None

    def tick(self, *, now: float) -> None:
        """Apply the deadline, if it has passed."""
        self._is_deadline_passed = now >= self.state.deadline
        self.update()

    def request_start(self, plan_id: str) -> None:
        """A plan's start is asked for: from now on its execution may exist."""
        member = self._plans[plan_id]
        member.has_started = True
        member.status, member.status_reason = MemberStatus.IN_PROGRESS, "Starting"

    def begin(self, plan_id: str, execution_id: str) -> None:
        """A plan's execution was started, or one that ran already was found."""
        member = self._plans[plan_id]
        member.is_attached = execution_id != member.execution_id
        member.status_reason = f"Follows {execution_id}" if member.is_attached else "Started"
        self.update()

    def hold(self, plan_id: str, reason: str) -> None:
        """A plan could not be started yet; the start is asked for again."""
        self._held[plan_id] = shortened(reason)
        self._plans[plan_id].has_started = False
        self.update()

    def release(self, plan_id: str) -> None:
        """What held a plan may be over."""
        self._held.pop(plan_id, None)
        self.update()

    def refuse(self, plan_id: str, reason: str) -> None:
        """A plan cannot be started."""
        member = self._plans[plan_id]
        member.has_started = True
        member.status, member.status_reason = MemberStatus.FAILED, shortened(reason)
        self.update()

    def report(self, plan_id: str, report: PlanReport) -> None:
        """Apply what is known of a plan's execution."""
        member = self._plans[plan_id]
        member.has_started = True
        member.is_attached = report.execution_id != member.execution_id
        member.report = report
        # An open execution that has set its final status still writes its history.
        status = report.status
        if report.end_time is None and status not in (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED):
            status = PlanStatus.IN_PROGRESS
        member.status = MemberStatus(status.value)
        member.status_reason = shortened(_reason(member, report))
        self.update()

    def cancel(self, reason: str) -> None:
        """Start nothing new."""
        self._is_cancelled, self._cancel_reason = True, shortened(reason)
        self.update()

    def close(self, *, now: float) -> None:
        """Set the final status."""
        for each in self.state.plans:
            if not each.status.is_settled and each.has_started:
                each.status_reason = f"{each.status_reason}; {self._left(each)}".strip("; ")
        self.state.status, self.state.status_reason = self._verdict()
        self.state.end_time = now

    def _left(self, member: MemberState) -> str:
        """What is said of an execution that still runs at the end of a cancelled portfolio."""
        if member.is_attached:
            return "it goes on: the portfolio did not start it"
        return f"it has not confirmed the cancellation: {self._cancel_reason}"

    def touch(self, now: float) -> None:
        """Count a change; revisions are milliseconds, so that a reset's are higher."""
        self.state.revision = max(self.state.revision + 1, int(now * 1000))

    def update(self) -> None:
        """Derive the status of the plans that have no execution."""
        for plan_id in self._order:
            member = self._plans[plan_id]
            member.is_held, member.asks_about = False, []
            if not member.has_started:
                member.status, member.status_reason = self._derived(member)

    def _in_order(self) -> list[str]:
        """Each plan after those that it depends on."""
        done: dict[str, None] = {}
        waiting = list(self._plans)
        while waiting:
            free = [i for i in waiting if all(d.plan_id in done for d in self._plans[i].depends_on)]
            done |= dict.fromkeys(free)
            # A cycle was refused before; it must not hang a workflow either.
            waiting = [i for i in waiting if i not in done] if free else []
        return list(done)

    def _derived(self, member: MemberState) -> tuple[MemberStatus, str]:
        if member.skipped_by is not None:
            return MemberStatus.SKIPPED, f"Skipped by {member.skipped_by}"
        if self._is_cancelled:
            return MemberStatus.CANCELLED, f"Not started: {self._cancel_reason}"
        open_ = [] if member.released_by else self._unmet(member)
        failed = [d for d in open_ if self._has_failed(d.plan_id)]
        if self._is_deadline_passed:
            why = f"; it waited for {self._names(open_)}" if open_ else ""
            return MemberStatus.FAILED, f"Not started before the portfolio's deadline{why}"
        if failed:
            return self._after_failure(member, failed)
        if open_:
            return MemberStatus.WAITING, f"Waiting for {self._names(open_)}"
        return self._startable(member)

    def _after_failure(
        self, member: MemberState, failed: list[PlanDependency]
    ) -> tuple[MemberStatus, str]:
        """A drill leaves out what depends on a plan that is not up; a recovery asks."""
        if self.state.execution_type is ExecutionType.DRILL:
            return MemberStatus.SKIPPED, f"Not started, because {self._outcomes(failed)}"
        member.asks_about = list(dict.fromkeys(each.plan_id for each in failed))
        return MemberStatus.WAITING, self._question(member, failed)

    def _startable(self, member: MemberState) -> tuple[MemberStatus, str]:
        if self.state.status is PlanStatus.PAUSED:
            return MemberStatus.WAITING, "Waiting for resume: the portfolio is paused"
        if (held := self._held.get(member.plan_id)) is not None:
            member.is_held = True
            return MemberStatus.WAITING, held
        return MemberStatus.PENDING, "Starts now"

    def _unmet(self, member: MemberState) -> list[PlanDependency]:
        return [d for d in member.depends_on if not self._plans[d.plan_id].releases(d)]

    def _has_failed(self, plan_id: str) -> bool:
        """Whether a plan has ended, or is not started, and is not up."""
        return self._plans[plan_id].status.is_settled

    def _names(self, needed: list[PlanDependency]) -> str:
        names = []
        for each in needed[:_SHOWN]:
            name = self._plans[each.plan_id].plan_name
            names.append(f"{each.wave_id} of {name}" if each.wave_id else name)
        more = f" and {len(needed) - _SHOWN} more" if len(needed) > _SHOWN else ""
        return ", ".join(names) + more

    def _outcomes(self, failed: list[PlanDependency]) -> str:
        texts = []
        for each in failed[:_SHOWN]:
            plan = self._plans[each.plan_id]
            wave = f"{each.wave_id} of {plan.plan_name} is not up, and " if each.wave_id else ""
            texts.append(f"{wave}{plan.plan_name} is {plan.status}")
        return ", ".join(texts)

    def _question(self, member: MemberState, failed: list[PlanDependency]) -> str:
        first = self._plans[failed[0].plan_id]
        again = first.current_execution_id
        kind = self.state.execution_type
        remedies = [f"`{continue_command(again, kind)}`"] if again and first.report else []
        own = self.state.portfolio_id
        remedies += [
            f"`drs-waves portfolio accept {own} {first.plan_id}`",
            f"`drs-waves portfolio start {own} {member.plan_id}`",
            f"`drs-waves portfolio skip {own} {member.plan_id}`",
        ]
        text = f"Waiting for an operator's decision, because {self._outcomes(failed)}"
        return f"{text}: {', '.join(remedies[:-1])} or {remedies[-1]}"

    def _verdict(self) -> tuple[PlanStatus, str]:
        """The outcome, once every plan is settled or the portfolio is cancelled."""
        plans, counts = self.state.plans, self.state.counts_text
        if self._is_cancelled:
            return PlanStatus.CANCELLED, f"{self._cancel_reason}: {counts}"
        # A plan that is SKIPPED because of one of these needs no rule of its own.
        failed = [p for p in plans if p.status is MemberStatus.FAILED and not p.accepted_by]
        if failed:
            names = ", ".join(f"{p.plan_name} {p.status}" for p in failed[:_SHOWN])
            more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
            return PlanStatus.FAILED, f"{names}{more}: {counts}"
        others = [p.plan_name for p in plans if p.runs_other_plan]
        if others:
            counts += f"; another version than was confirmed ran of {', '.join(others[:_SHOWN])}"
        if others or any(p.status is not MemberStatus.COMPLETED or p.accepted_by for p in plans):
            return PlanStatus.PARTIAL, counts
        return PlanStatus.COMPLETED, counts


def _reason(member: MemberState, report: PlanReport) -> str:
    parts = [f"follows {report.execution_id}"] if member.is_attached else []
    if member.runs_other_plan:
        parts.append("it runs another version of the plan than was confirmed")
    if report.end_time is None:
        parts.append(f"{report.waves_up} of {report.waves} waves up")
    if report.status_reason:
        parts.append(report.status_reason)
    if report.problem:
        parts.append(report.problem)
    return "; ".join(parts)
