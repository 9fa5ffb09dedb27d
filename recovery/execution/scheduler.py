"""The wave scheduler: applies reports, decisions and deadlines, and says which waves are ready.

It knows nothing of Temporal or AWS. The status of a wave without a workflow is derived again after
each event (`unlaunched_waves`), so a late success or a retry upstream makes skipped waves pending
again.
"""

from collections.abc import Sequence

from recovery.execution.judge import judge_plan
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.unlaunched_waves import (
    UnlaunchedWaves,
    change,
    is_expired,
    names_of,
    skip,
    wait_for,
)
from recovery.execution.wave import (
    Cause,
    OperatorDecision,
    WaitingFor,
    WaveReport,
    WaveState,
    WaveStatus,
    next_revision,
)
from recovery.plan.limits import attempts_problem
from recovery.plan.model import OnFailure, RecoveryPlan

# The first automatic retry starts at once, the second after this, each further one after twice the
# time of the one before.
_RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 600.0
# The fields that a wave's workflow reports; the plan's workflow sets the others.
_REPORTED = (
    "status",
    "status_reason",
    "waiting_for",
    "cause",
    "revision",
    "account_id",
    "start_time",
    "end_time",
    "completion_duration",
    "launch_end_time",
    "late",
    "launches_in_doubt",
)


class WaveScheduler:
    """Applies events to the `state` of one execution, along its wave graph."""

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self.plan = plan
        self.state = state
        self._order = plan.graph.order()
        self._waves = {wave.wave_id: wave for wave in state.waves}
        self._planned = {wave.wave_id: wave for wave in plan.waves}
        self._unlaunched = UnlaunchedWaves(plan, state)
        self._unlaunched.update(now=state.start_time)

    def wave(self, wave_id: str) -> WaveState:
        """The state of one wave.

        Raises:
            KeyError: the plan has no such wave.
        """
        return self._waves[wave_id]

    def ready(self) -> list[WaveState]:
        """The waves to start now, in dependency order."""
        if self.state.status is not PlanStatus.IN_PROGRESS:
            return []
        waves = [self._waves[wave_id] for wave_id in self._order]
        return [w for w in waves if w.status is WaveStatus.PENDING and not w.has_workflow]

    def running(self) -> list[WaveState]:
        """The waves that have a workflow and are not settled."""
        return [w for w in self.state.waves if w.is_running]

    def late(self) -> list[WaveState]:
        """The waves that are TIMED_OUT, and may still begin steps."""
        return [w for w in self.state.waves if w.may_begin_late_steps]

    @property
    def all_settled(self) -> bool:
        """Whether every wave is settled."""
        return all(w.status.is_settled for w in self.state.waves)

    @property
    def is_over(self) -> bool:
        """Whether every wave is settled and no later answer could still launch one."""
        return self.all_settled and not self._awaits_late_answer

    @property
    def _awaits_late_answer(self) -> bool:
        """Whether a recovery has waves that an answer before the plan's deadline still launches."""
        is_recovery = self.state.execution_type is ExecutionType.RECOVERY
        return (
            is_recovery
            and not self._unlaunched.is_deadline_passed
            and any(
                w.status is WaveStatus.SKIPPED
                and any(self._waves[i].unanswered_since is not None for i in w.caused_by)
                for w in self.state.waves
            )
        )

    def next_deadline(self) -> float | None:
        """The next deadline (epoch seconds); call `tick` then."""
        ends: list[float] = []
        if not self._unlaunched.is_deadline_passed:
            ends += [w.ask_until for w in self.state.waves if w.ask_until is not None]
        undecided = [w for w in self.state.waves if not w.has_workflow and not w.status.is_settled]
        approvals = [w.decisions.approved_by for w in undecided]
        ends += [a.expires for a in approvals if a is not None and a.expires is not None]
        retries = [w for w in undecided if w.waiting_for is WaitingFor.RETRY]
        ends += [w.retry_after for w in retries if w.retry_after is not None]
        # Waits for other waves end with those; other waits end at the plan's deadline.
        for_people = [
            w
            for w in undecided
            if self._unlaunched.pause_reason
            or w.waiting_for in (WaitingFor.DECISION, WaitingFor.RECOVERY_APPROVAL)
            or self._unlaunched.needs_approval(w, now=0.0)
        ]
        awaited = for_people or retries or self._awaits_late_answer
        if awaited and not self._unlaunched.is_deadline_passed:
            ends.append(self._unlaunched.deadline)
        return min(ends, default=None)

    @property
    def stop_reason(self) -> str | None:
        """Why the policy STOP prevents new launches; None if it does not."""
        stoppers = self._unlaunched.stopping_waves()
        return "Stopped because " + names_of(stoppers) if stoppers else None

    def tick(self, *, now: float) -> None:
        """Apply the deadlines that have passed."""
        self._unlaunched.is_deadline_passed = now >= self._unlaunched.deadline
        for wave in self.state.waves:
            asked = wave.ask_until
            # What waits for a decision at the plan's deadline has FAILED, and is not SKIPPED.
            if asked is not None and asked <= now and not self._unlaunched.is_deadline_passed:
                wave.unanswered_since, wave.ask_until = asked, None
        self._unlaunched.update(now=now)

    def take_over(self, servers: Sequence[ServerResult], *, now: float) -> None:
        """Show what an earlier execution has up or in a job, before its wave checks it."""
        kept = [s for s in servers if s.launch_status is not LaunchStatus.FAILED]
        for wave in self.state.waves:
            if theirs := wave.taken_over(kept):
                wave.merge_servers(theirs)
                wave.revision = next_revision(wave.revision, now)

    def start(self, wave_id: str, *, now: float) -> WaveState:
        """Record that a ready wave's workflow is started."""
        wave = self._waves[wave_id]
        wave.attempt += 1
        wave.has_workflow = True
        wave.retry_after = None
        wait_for(wave, wave.begins_with, now=now)
        return wave

    def attach(self, wave_id: str) -> None:
        """Accept the reports of an attempt that was already running when the plan was reset.

        Its revisions are older than that of the repeated start, but they are the correct ones.
        """
        self._waves[wave_id].revision = 0

    def report(self, report: WaveReport, *, now: float) -> bool:
        """Apply a report of a wave's workflow.

        Reports of other executions, unknown waves and earlier attempts, and outdated reports, are
        ignored.

        Returns:
            Whether anything changed.
        """
        reported = report.wave
        wave = self._waves.get(reported.wave_id)
        if report.execution_id != self.state.execution_id or wave is None:
            return False
        if reported.attempt == wave.attempt - wave.has_workflow:
            # It was about to end for another attempt, which begins with what became of its steps.
            wave.merge_steps(reported.steps)
            return bool(reported.steps)
        if (
            reported.attempt != wave.attempt
            or reported.revision <= wave.revision
            or not wave.has_workflow
        ):
            return False
        before, had_failed = wave.status, wave.status.has_failed
        did_release = wave.releases_dependents
        wave.merge_servers(reported.servers)
        wave.merge_steps(reported.steps)
        stays_cancelled = (
            wave.status is WaveStatus.CANCELLED and reported.status is not WaveStatus.CANCELLED
        )
        for name in ("revision", "account_id", "start_time") if stays_cancelled else _REPORTED:
            setattr(wave, name, getattr(reported, name))
        if wave.status is not WaveStatus.WAITING:
            wave.waiting_for = None
        if wave.status is WaveStatus.CANCELLED:
            wave.cause = Cause.CANCELLED
        accepted = wave.decisions.accepted_by
        # It was about what had failed before.
        if accepted and any((s.end_time or 0.0) > accepted.time for s in wave.failed_steps):
            wave.withdraw_acceptance()
        if not before.is_settled and wave.lacks_accepted_steps:
            wave.withdraw_acceptance()
        has_released = wave.releases_dependents and not did_release
        if wave.status is not before or had_failed or has_released:
            self._after_end(wave, now=now, had_failed=had_failed)
        return True

    def fail(self, wave_id: str, reason: str, *, now: float, may_retry: bool = True) -> None:
        """Settle a wave as FAILED when its workflow ended without a result."""
        wave = self._waves[wave_id]
        wave.has_workflow = True
        wave.revision = next_revision(wave.revision, now)
        wave.ended(WaveStatus.FAILED, reason, at=now)
        wave.lose_steps(reason, now=now)
        wave.cause = Cause.WORKFLOW_LOST
        if wave.lacks_accepted_steps:
            wave.withdraw_acceptance()
        self._after_end(wave, now=now, may_retry=may_retry)

    def refuse(self, region: str, role_arn: str | None, reason: str, *, now: float) -> None:
        """Launch nothing, regardless of policies: a target has another account than planned."""
        planned = self._planned
        wrong = [
            w
            for w in self.state.waves
            if (planned[w.wave_id].region, planned[w.wave_id].role_arn) == (region, role_arn)
        ]
        for wave in self.state.waves:
            if wave.status.is_settled:
                continue
            wave.has_workflow = True
            refused = Cause.TARGET_REFUSED
            if wave in wrong:
                change(wave, WaveStatus.FAILED, reason, now=now, cause=refused)
            else:
                skip(wave, f"Not launched: {reason}", refused, wrong, now=now)

    def reopen(
        self,
        wave_id: str,
        reason: str,
        *,
        now: float,
        retry_after: float | None = None,
        accepted_by: OperatorDecision | None = None,
    ) -> None:
        """Reset a wave that has ended, for another attempt, not before `retry_after`.

        If an operator accepted its launch, that attempt launches nothing.
        """
        wave = self._waves[wave_id]
        wave.reopened()
        wave.retry_after = retry_after
        wave.decisions = wave.decisions.model_copy(
            update={"refused_by": None, "accepted_by": accepted_by}
        )
        # An expired approval would fail the wave again, and no new one could be given.
        approval = wave.decisions.approved_by
        is_passed = approval is not None and approval.break_glass
        if not is_passed and (not wave.attempt or is_expired(approval, now=now)):
            wave.decisions.approved_by = None
        change(wave, WaveStatus.PENDING, reason, now=now)
        self._unlaunched.update((wave_id, *self.plan.graph.downstream_of(wave_id)), now=now)
        if wave.status is WaveStatus.PENDING:
            change(wave, WaveStatus.PENDING, reason, now=now)

    def decide(self, *wave_ids: str, now: float, **decision: OperatorDecision) -> None:
        """Record an operator's decision about waves and apply it."""
        for wave_id in wave_ids:
            wave = self._waves[wave_id]
            wave.decisions = wave.decisions.model_copy(update=decision)
            wave.ask_until = wave.unanswered_since = None
        self.touch(now)
        affected = self._unlaunched.affected_by(wave_ids[0]) if len(wave_ids) == 1 else self._order
        self._unlaunched.update(affected, now=now)

    def approve(self, approval: OperatorDecision, *, now: float) -> None:
        """Record an approval of the recovery; with the last one, waves can be launched."""
        self.state.approvals = [*self.state.approvals, approval]
        self.touch(now)
        self._unlaunched.update(now=now)

    def pass_approvals(self, reason: str, *, now: float) -> None:
        """Pass every approval, because the execution was started by break-glass."""
        actor = self.state.started_by
        self.state.break_glass_time = now
        by = OperatorDecision(actor=actor, time=now, reason=reason, break_glass=True)
        needed = [w.wave_id for w in self.state.waves if w.approval_required]
        self.decide(*needed, now=now, approved_by=by)
        if self.state.approvers:
            self.approve(by, now=now)

    def refuse_recovery(self, decision: OperatorDecision, *, now: float) -> None:
        """Launch nothing: a person who must approve the recovery refused it."""
        self.state.refused_by = decision
        self.cancel(f"Approval refused by {decision}; nothing was launched", now=now)

    def pause(self, reason: str, *, now: float) -> None:
        """Launch nothing new until `resume`."""
        self._set_status(PlanStatus.PAUSED, reason, now=now)

    def resume(self, *, now: float) -> None:
        """Launch ready waves again."""
        self._set_status(PlanStatus.IN_PROGRESS, "", now=now)

    def _set_status(self, status: PlanStatus, paused: str, *, now: float) -> None:
        self.state.status, self.state.status_reason = status, paused
        self._unlaunched.pause_reason = paused
        self.touch(now)
        self._unlaunched.update(now=now)

    def cancel(self, reason: str, *, now: float) -> None:
        """Launch nothing new: every wave without a workflow becomes CANCELLED."""
        self.state.status, self.state.status_reason = PlanStatus.CANCELLED, reason
        self.touch(now)
        for wave in self.state.waves:
            if not wave.has_workflow and not wave.status.is_settled:
                change(wave, WaveStatus.CANCELLED, reason, now=now, cause=Cause.CANCELLED)

    def cancel_running(self, wave_id: str, reason: str, *, now: float) -> None:
        """Mark a wave CANCELLED whose workflow did not confirm the cancellation in time."""
        wave = self._waves[wave_id]
        change(wave, WaveStatus.CANCELLED, reason, now=now, cause=Cause.CANCELLED)

    def close(self, *, now: float) -> None:
        """Set the execution's final status."""
        cancelled = self.state.status is PlanStatus.CANCELLED
        if self.state.refused_by is None:
            self.state.status, self.state.status_reason = judge_plan(
                self.state.waves, cancelled=cancelled
            )
        self.state.end_time = now
        self.touch(now)

    def touch(self, now: float) -> None:
        """Increase the execution's own revision."""
        self.state.revision = next_revision(self.state.revision, now)

    def _after_end(
        self, wave: WaveState, *, now: float, had_failed: bool = False, may_retry: bool = True
    ) -> None:
        """Retry a failed wave automatically if retries are left; otherwise apply its policy."""
        retries = self._planned[wave.wave_id].retries
        is_open = self.state.status in (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)
        has_retries = wave.automatic_retries < retries and may_retry and self._may_attempt
        # They count launches; a step has its own, and DRS does not run its actions again.
        has_retries = has_retries and not wave.failed_steps and not wave.failed_by_actions
        other_stopping = [w for w in self._unlaunched.stopping_waves() if w is not wave]
        overruled = wave.decisions.accepted_by or other_stopping
        if wave.status is WaveStatus.FAILED and has_retries and is_open and not overruled:
            wave.automatic_retries += 1
            reason = f"Retry {wave.automatic_retries} of {retries} after: {wave.status_reason}"
            pause = min(MAX_RETRY_SECONDS, _RETRY_SECONDS * 2.0 ** (wave.automatic_retries - 2))
            retry_after = now + pause / self.state.speed if wave.automatic_retries > 1 else None
            self._unlaunched.retry_reasons[wave.wave_id] = reason
            self.reopen(wave.wave_id, reason, now=now, retry_after=retry_after)
            return
        asks = wave.status.has_failed and self._unlaunched.policy(wave.wave_id) is OnFailure.ASK
        if not asks:
            wave.ask_until = wave.unanswered_since = None
        elif not had_failed and not wave.decisions.accepted_by:
            self._unlaunched.ask(wave, now=now)
        self._unlaunched.update(self._unlaunched.affected_by(wave.wave_id), now=now)

    @property
    def _may_attempt(self) -> bool:
        """Whether the history has room for another attempt; `validate` counts the Retries only."""
        attempts = [(w.attempt, len(w.servers)) for w in self.state.waves]
        return attempts_problem(attempts, self.plan.step_attempts) is None
