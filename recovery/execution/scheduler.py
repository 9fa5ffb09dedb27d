"""The wave scheduler: decides which waves are ready, waiting or skipped.

It knows nothing of Temporal or AWS. The status of a wave without a workflow (PENDING, WAITING,
SKIPPED…) follows only from its dependencies, the policies and the operators' decisions, so a late
success or a retry upstream makes skipped waves pending again.
"""

from collections.abc import Sequence

from recovery.execution.judge import judge_plan
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
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
from recovery.text_format import listed, rounded_duration, shortened

# The first automatic retry starts at once, the second after this, each further one after twice the
# time of the one before.
_RETRY_SECONDS = 10.0
_MAX_RETRY_SECONDS = 600.0
_FAILED_STATUSES = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
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
    "late",
    "launches_in_doubt",
)


class WaveScheduler:
    """Applies events to the `state` of one execution, along its wave graph."""

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self.plan = plan
        self.state = state
        self.graph = plan.graph
        self._order = self.graph.order()
        self._position = {wave_id: position for position, wave_id in enumerate(self._order)}
        self._waves = {wave.wave_id: wave for wave in state.waves}
        self._planned = {wave.wave_id: wave for wave in plan.waves}
        self._paused = ""
        # By WaveId: until when an automatic retry waits (epoch seconds), and its reason.
        self._retries: dict[str, tuple[float, str]] = {}
        self._is_deadline_passed = False
        # While waves are settled: those whose dependents may start.
        self._releasing: set[str] = set()
        self._resettle(self._order, now=state.start_time)

    def wave(self, wave_id: str) -> WaveState:
        """The state of one wave.

        Raises:
            KeyError: the plan has no such wave.
        """
        return self._waves[wave_id]

    def policy(self, wave_id: str) -> OnFailure:
        """The failure policy of a wave: its own, the plan's, or the execution type's default."""
        is_recovery = self.state.execution_type is ExecutionType.RECOVERY
        default = OnFailure.ASK if is_recovery else OnFailure.SKIP_DEPENDENTS
        return self._planned[wave_id].on_failure or self.plan.on_failure or default

    def ready(self) -> list[WaveState]:
        """The waves to start now, in dependency order."""
        if self.state.status is not PlanStatus.IN_PROGRESS:
            return []
        waves = [self._waves[wave_id] for wave_id in self._order]
        return [w for w in waves if w.status is WaveStatus.PENDING and not w.has_workflow]

    def running(self) -> list[WaveState]:
        """The waves that have a workflow and are not settled."""
        return [w for w in self.state.waves if w.is_running]

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
            and not self._is_deadline_passed
            and any(
                w.status is WaveStatus.SKIPPED
                and any(self._waves[i].unanswered_since is not None for i in w.caused_by)
                for w in self.state.waves
            )
        )

    def next_deadline(self) -> float | None:
        """The next deadline (epoch seconds); call `tick` then."""
        ends: list[float] = []
        if not self._is_deadline_passed:
            ends += [w.ask_until for w in self.state.waves if w.ask_until is not None]
        undecided = [w for w in self.state.waves if not w.has_workflow and not w.status.is_settled]
        approvals = [w.decisions.approved_by for w in undecided]
        ends += [a.expires for a in approvals if a is not None and a.expires is not None]
        retries = [w for w in undecided if w.waiting_for is WaitingFor.RETRY]
        ends += [self._retries[w.wave_id][0] for w in retries]
        # Waits for other waves end with those; other waits end at the plan's deadline.
        for_people = [
            w
            for w in undecided
            if self._paused
            or w.waiting_for is WaitingFor.DECISION
            or self._needs_approval(w, now=0.0)
        ]
        awaited = for_people or retries or self._awaits_late_answer
        if awaited and not self._is_deadline_passed:
            ends.append(self._deadline)
        return min(ends, default=None)

    @property
    def stop_reason(self) -> str | None:
        """Why the policy STOP prevents new launches; None if it does not."""
        stoppers = self._stopping_waves()
        return "Stopped because " + _names(stoppers) if stoppers else None

    @property
    def _deadline(self) -> float:
        return self.state.start_time + self.plan.deadline_seconds / self.state.speed

    def _stopping_waves(self) -> list[WaveState]:
        return [
            w
            for w in self.state.waves
            if w.status in _FAILED_STATUSES
            and not w.decisions.accepted_by
            and self.policy(w.wave_id) is OnFailure.STOP
        ]

    def tick(self, *, now: float) -> None:
        """Apply the deadlines that have passed."""
        self._is_deadline_passed = now >= self._deadline
        for wave in self.state.waves:
            asked = wave.ask_until
            # What waits for a decision at the plan's deadline has FAILED, and is not SKIPPED.
            if asked is not None and asked <= now and not self._is_deadline_passed:
                wave.unanswered_since, wave.ask_until = asked, None
        self._resettle(self._order, now=now)

    def take_over(self, servers: Sequence[ServerResult]) -> None:
        """Show what an earlier execution has up or in a job, before its wave checks it."""
        kept = [s for s in servers if s.launch_status is not LaunchStatus.FAILED]
        for wave in self.state.waves:
            wave.merge_servers(wave.taken_over(kept))

    def start(self, wave_id: str, *, now: float) -> WaveState:
        """Record that a ready wave's workflow is started."""
        wave = self._waves[wave_id]
        wave.attempt += 1
        wave.has_workflow = True
        self._retries.pop(wave_id, None)
        self._wait(wave, WaitingFor.LAUNCH, now=now)
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
        if (
            reported.attempt != wave.attempt
            or reported.revision <= wave.revision
            or not wave.has_workflow
        ):
            return False
        before, had_failed = wave.status, wave.status in _FAILED_STATUSES
        wave.merge_servers(reported.servers)
        stays_cancelled = (
            wave.status is WaveStatus.CANCELLED and reported.status is not WaveStatus.CANCELLED
        )
        for name in ("revision", "account_id", "start_time") if stays_cancelled else _REPORTED:
            setattr(wave, name, getattr(reported, name))
        if wave.status is not WaveStatus.WAITING:
            wave.waiting_for = None
        if wave.status is WaveStatus.CANCELLED:
            wave.cause = Cause.CANCELLED
        if wave.status is not before or had_failed:
            self._after_end(wave, now=now, had_failed=had_failed)
        return True

    def fail(self, wave_id: str, reason: str, *, now: float, may_retry: bool = True) -> None:
        """Settle a wave as FAILED when its workflow ended without a result."""
        wave = self._waves[wave_id]
        wave.has_workflow = True
        wave.revision = next_revision(wave.revision, now)
        wave.ended(WaveStatus.FAILED, reason, at=now)
        wave.cause = Cause.WORKFLOW_LOST
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
                self._change(wave, WaveStatus.FAILED, reason, now=now, cause=refused)
            else:
                self._skip(wave, f"Not launched: {reason}", refused, wrong, now=now)

    def reopen(self, wave_id: str, reason: str, *, now: float) -> None:
        """Reset a wave that has ended, for another attempt."""
        wave = self._waves[wave_id]
        wave.reopened()
        wave.decisions = wave.decisions.model_copy(update={"refused_by": None, "accepted_by": None})
        if not wave.attempt:
            wave.decisions.approved_by = None
        self._change(wave, WaveStatus.PENDING, reason, now=now)
        self._resettle((wave_id, *self.graph.downstream_of(wave_id)), now=now)
        if wave.status is WaveStatus.PENDING:
            self._change(wave, WaveStatus.PENDING, reason, now=now)

    def decide(self, *wave_ids: str, now: float, **decision: OperatorDecision) -> None:
        """Record an operator's decision about waves and apply it."""
        for wave_id in wave_ids:
            wave = self._waves[wave_id]
            wave.decisions = wave.decisions.model_copy(update=decision)
            wave.ask_until = wave.unanswered_since = None
        self.touch(now)
        affected = self._affected_by(wave_ids[0]) if len(wave_ids) == 1 else self._order
        self._resettle(affected, now=now)

    def pause(self, reason: str, *, now: float) -> None:
        """Launch nothing new until `resume`."""
        self._set_status(PlanStatus.PAUSED, reason, now=now)

    def resume(self, *, now: float) -> None:
        """Launch ready waves again."""
        self._set_status(PlanStatus.IN_PROGRESS, "", now=now)

    def _set_status(self, status: PlanStatus, paused: str, *, now: float) -> None:
        self.state.status, self.state.status_reason, self._paused = status, paused, paused
        self.touch(now)
        self._resettle(self._order, now=now)

    def cancel(self, reason: str, *, now: float) -> None:
        """Launch nothing new: every wave without a workflow becomes CANCELLED."""
        self.state.status, self.state.status_reason = PlanStatus.CANCELLED, reason
        self.touch(now)
        for wave in self.state.waves:
            if not wave.has_workflow and not wave.status.is_settled:
                self._change(wave, WaveStatus.CANCELLED, reason, now=now, cause=Cause.CANCELLED)

    def cancel_running(self, wave_id: str, reason: str, *, now: float) -> None:
        """Mark a wave CANCELLED whose workflow did not confirm the cancellation in time."""
        wave = self._waves[wave_id]
        self._change(wave, WaveStatus.CANCELLED, reason, now=now, cause=Cause.CANCELLED)

    def close(self, *, now: float) -> None:
        """Set the execution's final status."""
        cancelled = self.state.status is PlanStatus.CANCELLED
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
        other_stopping = [w for w in self._stopping_waves() if w is not wave]
        overruled = wave.decisions.accepted_by or other_stopping
        if wave.status is WaveStatus.FAILED and has_retries and is_open and not overruled:
            wave.automatic_retries += 1
            reason = f"Retry {wave.automatic_retries} of {retries} after: {wave.status_reason}"
            pause = min(_MAX_RETRY_SECONDS, _RETRY_SECONDS * 2.0 ** (wave.automatic_retries - 2))
            if wave.automatic_retries > 1:
                self._retries[wave.wave_id] = now + pause / self.state.speed, reason
            self.reopen(wave.wave_id, reason, now=now)
            return
        asks = wave.status in _FAILED_STATUSES and self.policy(wave.wave_id) is OnFailure.ASK
        if not asks:
            wave.ask_until = wave.unanswered_since = None
        elif not had_failed and not wave.decisions.accepted_by:
            self._ask(wave, now=now)
        self._resettle(self._affected_by(wave.wave_id), now=now)

    @property
    def _may_attempt(self) -> bool:
        """Whether the history has room for another attempt; `validate` counts the Retries only."""
        return attempts_problem((w.attempt, len(w.servers)) for w in self.state.waves) is None

    def _affected_by(self, wave_id: str) -> tuple[str, ...]:
        if self.policy(wave_id) is OnFailure.STOP:
            return self._order
        return (wave_id, *self.graph.downstream_of(wave_id))

    def _resettle(self, wave_ids: tuple[str, ...], *, now: float) -> None:
        """Derive the status of those waves that have no workflow."""
        if self.state.status is PlanStatus.CANCELLED or self.state.end_time is not None:
            return
        stopped_by = self._stopping_waves()
        awaited = set[str]().union(*(self.graph.dependencies_of(i) for i in wave_ids))
        self._releasing = {i for i in awaited if self._releases(self._waves[i])}
        for wave_id in sorted(wave_ids, key=self._position.__getitem__):
            wave = self._waves[wave_id]
            if not wave.has_workflow:
                self._settle(wave, stopped_by, now=now)
                change = self._releasing.add if self._releases(wave) else self._releasing.discard
                change(wave_id)

    def _settle(self, wave: WaveState, stopped_by: list[WaveState], *, now: float) -> None:
        decided = wave.decisions
        approval = decided.approved_by
        expired = _is_expired(approval, now=now)
        is_settled = wave.status.is_settled and wave.status is not WaveStatus.FAILED
        if decided.skipped_by:
            skipped, cause = f"Skipped by {decided.skipped_by}", Cause.SKIPPED_BY_OPERATOR
            self._change(wave, WaveStatus.SKIPPED, skipped, now=now, cause=cause)
        elif decided.refused_by:
            refused, cause = f"Approval refused by {decided.refused_by}", Cause.APPROVAL_REFUSED
            self._change(wave, WaveStatus.CANCELLED, refused, now=now, cause=cause)
        elif approval is not None and expired and not is_settled:
            self._expire(wave, approval, now=now)
        elif (others := [w for w in stopped_by if w is not wave]) and not wave.attempt:
            # A wave that an operator retries is launched in spite of STOP.
            stopped = "Stopped because " + _names(others)
            self._skip(wave, stopped, Cause.STOP_POLICY, others, now=now)
        else:
            self._settle_by_dependencies(wave, now=now)

    def _settle_by_dependencies(self, wave: WaveState, *, now: float) -> None:
        dependencies = self.graph.dependencies_of(wave.wave_id)
        awaited = [self._waves[d] for d in dependencies if d not in self._releasing]
        undecided_waves = [d for d in awaited if d.ask_until is not None]
        unmet = [d for d in awaited if d.status.is_settled and d.ask_until is None]
        if unmet:
            ids = dict.fromkeys(i for d in unmet for i in d.caused_by or [d.wave_id])
            roots = [self._waves[i] for i in ids]
            skipped = "Skipped because " + _names(roots)
            if any(root.unanswered_since is not None for root in roots):
                within = rounded_duration(self.plan.decision_seconds)
                skipped += f" and nobody decided within {within}"
            self._skip(wave, skipped, Cause.DEPENDENCY, roots, now=now)
        elif undecided_waves and self._is_deadline_passed:
            self._fail_at_deadline(wave, now=now)
        elif undecided_waves:
            answers = "retry_wave, accept_wave, or skip_wave this one"
            self._wait(wave, WaitingFor.DECISION, f"{_names(undecided_waves)}: {answers}", now=now)
        elif awaited:
            names = shortened(listed([d.wave_name for d in awaited]))
            self._wait(wave, WaitingFor.DEPENDENCIES, names, now=now)
        elif self._is_deadline_passed:
            self._fail_at_deadline(wave, now=now)
        elif self._needs_approval(wave, now=now):
            self._wait(wave, WaitingFor.APPROVAL, now=now)
        elif self._paused:
            self._wait(wave, WaitingFor.RESUME, self._paused, now=now)
        elif (retry := self._retries.get(wave.wave_id)) is not None and retry[0] > now:
            self._wait(wave, WaitingFor.RETRY, retry[1], now=now)
        else:
            self._change(wave, WaveStatus.PENDING, "Ready to launch", now=now)

    def _releases(self, wave: WaveState) -> bool:
        """Whether a wave's dependents may start."""
        continues = (
            wave.status in _FAILED_STATUSES and self.policy(wave.wave_id) is OnFailure.CONTINUE
        )
        return wave.releases_dependents or continues

    def _needs_approval(self, wave: WaveState, *, now: float) -> bool:
        approval = wave.decisions.approved_by
        needed = self._planned[wave.wave_id].approval_required
        return needed and (approval is None or _is_expired(approval, now=now))

    def _fail_at_deadline(self, wave: WaveState, *, now: float) -> None:
        """Fail a wave that waits for a person at the plan's deadline."""
        if wave.status is not WaveStatus.FAILED:
            reason = f"Not launched before the plan's deadline ({wave.status_reason})"
            self._change(wave, WaveStatus.FAILED, reason, now=now, cause=Cause.DEADLINE)
            wave.end_time = now

    def _expire(self, wave: WaveState, approval: OperatorDecision, *, now: float) -> None:
        if wave.status is WaveStatus.FAILED:
            return
        reason = f"The approval by {approval} expired before the wave could start"
        self._change(wave, WaveStatus.FAILED, reason, now=now, cause=Cause.APPROVAL_EXPIRED)
        wave.end_time = approval.expires
        if self.policy(wave.wave_id) is OnFailure.ASK:
            self._ask(wave, now=now)

    def _ask(self, wave: WaveState, *, now: float) -> None:
        decide_by = now + self.plan.decision_seconds / self.state.speed
        wave.ask_until = min(decide_by, self._deadline)

    def _wait(
        self, wave: WaveState, waiting_for: WaitingFor, detail: str = "", *, now: float
    ) -> None:
        reason = waiting_for.text(detail)
        self._change(wave, WaveStatus.WAITING, reason, now=now, waiting_for=waiting_for)

    def _skip(
        self, wave: WaveState, reason: str, cause: Cause, by: list[WaveState], *, now: float
    ) -> None:
        skipped, ids = WaveStatus.SKIPPED, [w.wave_id for w in by]
        self._change(wave, skipped, reason, now=now, cause=cause, caused_by=ids)

    def _change(
        self,
        wave: WaveState,
        status: WaveStatus,
        reason: str,
        *,
        now: float,
        waiting_for: WaitingFor | None = None,
        cause: Cause | None = None,
        caused_by: list[str] | None = None,
    ) -> None:
        current = (wave.status, wave.status_reason, wave.waiting_for, wave.cause, wave.caused_by)
        new = (status, reason, waiting_for, cause, caused_by or [])
        if current == new:
            return
        wave.status, wave.status_reason, wave.waiting_for, wave.cause, wave.caused_by = new
        wave.revision = next_revision(wave.revision, now)


def _is_expired(approval: OperatorDecision | None, *, now: float) -> bool:
    return approval is not None and approval.expires is not None and approval.expires <= now


def _names(waves: list[WaveState]) -> str:
    return shortened(listed([f"{w.wave_name} {w.status}" for w in waves]))
