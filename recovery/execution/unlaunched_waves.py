"""Derives the status of the waves that have no workflow.

It follows only from their dependencies, the policies, the operators' decisions and the deadlines.
"""

from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import (
    Cause,
    OperatorDecision,
    WaitingFor,
    WaveState,
    WaveStatus,
    next_revision,
)
from recovery.plan.model import OnFailure, RecoveryPlan
from recovery.text_format import listed, rounded_duration, shortened


class UnlaunchedWaves:
    """The waves of an execution that have no workflow: PENDING, WAITING, SKIPPED and the like.

    Attributes:
        pause_reason: why the plan is paused; "" if it is not.
        retry_reasons: by WaveId, why an automatic retry waits.
        is_deadline_passed: whether the plan's deadline has passed.
    """

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self.pause_reason = ""
        self.retry_reasons: dict[str, str] = {}
        self.is_deadline_passed = False
        self._plan = plan
        self._state = state
        self._graph = plan.graph
        self._order = self._graph.order()
        self._position = {wave_id: position for position, wave_id in enumerate(self._order)}
        self._waves = {wave.wave_id: wave for wave in state.waves}
        self._planned = {wave.wave_id: wave for wave in plan.waves}
        # During an update: those whose dependents may start.
        self._releasing: set[str] = set()

    def policy(self, wave_id: str) -> OnFailure:
        """The failure policy of a wave: its own, the plan's, or the execution type's default."""
        is_recovery = self._state.execution_type is ExecutionType.RECOVERY
        default = OnFailure.ASK if is_recovery else OnFailure.SKIP_DEPENDENTS
        chosen = self._planned[wave_id].on_failure or self._plan.on_failure or default
        fence = self._state.open_fence(self._waves[wave_id])
        if chosen is OnFailure.CONTINUE and fence is not None and not fence.is_overridden:
            # Only a person lets waves launch although the sources were not fenced.
            return OnFailure.ASK
        return chosen

    @property
    def deadline(self) -> float:
        """The plan's deadline (epoch seconds)."""
        return self._state.deadline

    def stopping_waves(self) -> list[WaveState]:
        """The failed waves whose policy STOP prevents new launches."""
        return [
            w
            for w in self._state.waves
            if w.status.has_failed
            and not w.decisions.accepted_by
            and self.policy(w.wave_id) is OnFailure.STOP
        ]

    def affected_by(self, wave_id: str) -> tuple[str, ...]:
        """The waves whose status a wave may change, itself included."""
        if self.policy(wave_id) is OnFailure.STOP:
            return self._order
        return (wave_id, *self._graph.downstream_of(wave_id))

    def update(self, wave_ids: tuple[str, ...] | None = None, *, now: float) -> None:
        """Derive the status of those of these waves, or of all, that have no workflow."""
        if self._state.status is PlanStatus.CANCELLED or self._state.end_time is not None:
            return
        wave_ids = self._order if wave_ids is None else wave_ids
        stopped_by = self.stopping_waves()
        awaited = set[str]().union(*(self._graph.dependencies_of(i) for i in wave_ids))
        self._releasing = {i for i in awaited if self._releases(self._waves[i])}
        for wave_id in sorted(wave_ids, key=self._position.__getitem__):
            wave = self._waves[wave_id]
            if not wave.has_workflow:
                self._settle(wave, stopped_by, now=now)
                if self._releases(wave):
                    self._releasing.add(wave_id)
                else:
                    self._releasing.discard(wave_id)

    def _settle(self, wave: WaveState, stopped_by: list[WaveState], *, now: float) -> None:
        decided = wave.decisions
        approval = decided.approved_by
        expired = is_expired(approval, now=now)
        is_settled = wave.status.is_settled and wave.status is not WaveStatus.FAILED
        if decided.skipped_by:
            skipped, cause = f"Skipped by {decided.skipped_by}", Cause.SKIPPED_BY_OPERATOR
            change(wave, WaveStatus.SKIPPED, skipped, now=now, cause=cause)
        elif decided.refused_by:
            refused, cause = f"Approval refused by {decided.refused_by}", Cause.APPROVAL_REFUSED
            change(wave, WaveStatus.CANCELLED, refused, now=now, cause=cause)
        elif approval is not None and expired and not is_settled:
            self._expire(wave, approval, now=now)
        elif (others := [w for w in stopped_by if w is not wave]) and not wave.attempt:
            # A wave that an operator retries is launched in spite of STOP.
            stopped = "Stopped because " + names_of(others)
            skip(wave, stopped, Cause.STOP_POLICY, others, now=now)
        else:
            self._settle_by_dependencies(wave, now=now)

    def _settle_by_dependencies(self, wave: WaveState, *, now: float) -> None:
        dependencies = self._graph.dependencies_of(wave.wave_id)
        awaited = [self._waves[d] for d in dependencies if d not in self._releasing]
        undecided_waves = [d for d in awaited if d.ask_until is not None]
        unmet = [d for d in awaited if d.status.is_settled and d.ask_until is None]
        if unmet:
            ids = dict.fromkeys(i for d in unmet for i in d.caused_by or [d.wave_id])
            roots = [self._waves[i] for i in ids]
            skipped = "Skipped because " + names_of(roots)
            if any(root.unanswered_since is not None for root in roots):
                within = rounded_duration(self._plan.decision_seconds)
                skipped += f" and nobody decided within {within}"
            skip(wave, skipped, Cause.DEPENDENCY, roots, now=now)
        elif undecided_waves and self.is_deadline_passed:
            self._fail_at_deadline(wave, now=now)
        elif undecided_waves:
            answers = "retry-wave, accept-wave, or skip-wave this one"
            wait_for(wave, WaitingFor.DECISION, f"{names_of(undecided_waves)}: {answers}", now=now)
        elif awaited:
            names = shortened(listed([d.wave_name for d in awaited]))
            wait_for(wave, WaitingFor.DEPENDENCIES, names, now=now)
        elif self.is_deadline_passed:
            self._fail_at_deadline(wave, now=now)
        elif self._state.awaits_approvals:
            wait_for(wave, WaitingFor.RECOVERY_APPROVAL, self._state.approvals_text, now=now)
        elif self.needs_approval(wave, now=now):
            wait_for(wave, WaitingFor.APPROVAL, now=now)
        elif self.pause_reason:
            wait_for(wave, WaitingFor.RESUME, self.pause_reason, now=now)
        elif wave.retry_after is not None and wave.retry_after > now:
            wait_for(wave, WaitingFor.RETRY, self.retry_reasons[wave.wave_id], now=now)
        else:
            change(wave, WaveStatus.PENDING, "Ready to launch", now=now)

    def _releases(self, wave: WaveState) -> bool:
        """Whether a wave's dependents may start."""
        continues = wave.status.has_failed and self.policy(wave.wave_id) is OnFailure.CONTINUE
        return wave.releases_dependents or continues

    def needs_approval(self, wave: WaveState, *, now: float) -> bool:
        """Whether a wave needs an approval that it does not have."""
        approval = wave.decisions.approved_by
        needed = self._planned[wave.wave_id].approval_required
        return needed and (approval is None or is_expired(approval, now=now))

    def _fail_at_deadline(self, wave: WaveState, *, now: float) -> None:
        """Fail a wave that waits for a person at the plan's deadline."""
        if wave.status is not WaveStatus.FAILED:
            reason = f"Not launched before the plan's deadline ({wave.status_reason})"
            change(wave, WaveStatus.FAILED, reason, now=now, cause=Cause.DEADLINE)
            wave.end_time = now

    def _expire(self, wave: WaveState, approval: OperatorDecision, *, now: float) -> None:
        if wave.status is WaveStatus.FAILED:
            return
        reason = f"The approval by {approval} expired before the wave could start"
        change(wave, WaveStatus.FAILED, reason, now=now, cause=Cause.APPROVAL_EXPIRED)
        wave.end_time = approval.expires
        if self.policy(wave.wave_id) is OnFailure.ASK:
            self.ask(wave, now=now)

    def ask(self, wave: WaveState, *, now: float) -> None:
        """Let the dependents of a failed wave wait for a decision, until its deadline."""
        decide_by = now + self._plan.decision_seconds / self._state.speed
        wave.ask_until = min(decide_by, self.deadline)


def wait_for(wave: WaveState, waiting_for: WaitingFor, detail: str = "", *, now: float) -> None:
    """Set a wave to WAITING."""
    reason = waiting_for.text(detail)
    change(wave, WaveStatus.WAITING, reason, now=now, waiting_for=waiting_for)


def skip(wave: WaveState, reason: str, cause: Cause, by: list[WaveState], *, now: float) -> None:
    """Set a wave to SKIPPED, because of other waves."""
    skipped, ids = WaveStatus.SKIPPED, [w.wave_id for w in by]
    change(wave, skipped, reason, now=now, cause=cause, caused_by=ids)


def change(
    wave: WaveState,
    status: WaveStatus,
    reason: str,
    *,
    now: float,
    waiting_for: WaitingFor | None = None,
    cause: Cause | None = None,
    caused_by: list[str] | None = None,
) -> None:
    """Set the status of a wave, and increase its revision if that is a change."""
    current = (wave.status, wave.status_reason, wave.waiting_for, wave.cause, wave.caused_by)
    new = (status, reason, waiting_for, cause, caused_by or [])
    if current == new:
        return
    wave.status, wave.status_reason, wave.waiting_for, wave.cause, wave.caused_by = new
    if current[0].is_settled:
        wave.reopen_steps()
    if status.is_settled:
        wave.leave_steps()
    wave.revision = next_revision(wave.revision, now)


def is_expired(approval: OperatorDecision | None, *, now: float) -> bool:
    """Whether an approval is no longer valid."""
    return approval is not None and approval.expires is not None and approval.expires <= now


def names_of(waves: list[WaveState]) -> str:
    """`Database FAILED, Cache TIMED_OUT`."""
    return shortened(listed([f"{w.wave_name} {w.status}" for w in waves]))
