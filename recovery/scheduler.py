"""The wave scheduler: given what has happened, which waves are ready, waiting or skipped.

It knows nothing of Temporal or AWS. What a wave that was not started yet is worth (PENDING,
WAITING, SKIPPED) follows from its dependencies alone, so a late success upstream makes skipped
waves pending again without bookkeeping.
"""

from recovery.execution import (
    ExecutionState,
    PlanStatus,
    WaveReport,
    WaveState,
    WaveStatus,
    judge_plan,
)
from recovery.plan import RecoveryPlan


class WaveScheduler:
    """Walks the wave graph of one execution, keeping its `state` true."""

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self.plan = plan
        self.state = state
        self.graph = plan.graph
        self._order = self.graph.order()
        self._place = {wave_id: place for place, wave_id in enumerate(self._order)}
        self._waves = {wave.wave_id: wave for wave in state.waves}
        self._resettle(self._order, now=state.start_time)

    def wave(self, wave_id: str) -> WaveState:
        """The state of one wave."""
        return self._waves[wave_id]

    def ready(self) -> list[WaveState]:
        """The waves to start now, in dependency order."""
        if self.state.status is not PlanStatus.IN_PROGRESS:
            return []
        return [w for i in self._order if (w := self._waves[i]).status is WaveStatus.PENDING]

    def running(self) -> list[WaveState]:
        """The waves that were started and are still waited for."""
        return [w for w in self.state.waves if w.attempt and not w.status.is_settled]

    @property
    def all_settled(self) -> bool:
        """Whether nothing more is awaited of any wave."""
        return all(w.status.is_settled for w in self.state.waves)

    def start(self, wave_id: str, *, now: float) -> WaveState:
        """Mark a ready wave as handed to its workflow."""
        wave = self._waves[wave_id]
        wave.attempt += 1
        self._change(wave, WaveStatus.WAITING, "Waiting for DRS to accept the launch", now=now)
        return wave

    def attach(self, wave_id: str) -> None:
        """Let an attempt that has outlived a reset of the plan speak for its wave.

        Its revisions are older than the start that was made anew, but they are the true ones.
        """
        self._waves[wave_id].revision = 0

    def report(self, report: WaveReport, *, now: float) -> bool:
        """Take what a wave's workflow says of its wave.

        Reports of other executions, of unknown waves, of earlier attempts and out of date ones
        are left aside.

        Returns:
            Whether anything changed.
        """
        told = report.wave
        wave = self._waves.get(told.wave_id)
        if report.execution_id != self.state.execution_id or wave is None:
            return False
        if told.attempt != wave.attempt or told.revision <= wave.revision:
            return False
        if wave.status is WaveStatus.CANCELLED and told.status is not WaveStatus.CANCELLED:
            told = told.model_copy(update={"status": wave.status})
        wave.merge_servers(told.servers)
        for name in WaveState.model_fields:
            if name not in ("servers", "wave_id", "wave_name"):
                setattr(wave, name, getattr(told, name))
        self._resettle(self.graph.downstream_of(wave.wave_id), now=now)
        return True

    def fail(self, wave_id: str, reason: str, *, now: float) -> None:
        """Settle a wave as FAILED when its workflow can no longer say how it went."""
        wave = self._waves[wave_id]
        wave.revision = next_revision(wave.revision, now)
        wave.ended(WaveStatus.FAILED, reason, at=now)
        self._resettle(self.graph.downstream_of(wave_id), now=now)

    def cancel(self, reason: str, *, now: float) -> None:
        """Launch nothing new: every wave that was not started is CANCELLED."""
        self.state.status, self.state.status_reason = PlanStatus.CANCELLED, reason
        self.touch(now)
        for wave in self.state.waves:
            if not wave.attempt and not wave.status.is_settled:
                self._change(wave, WaveStatus.CANCELLED, reason, now=now)

    def cancel_running(self, wave_id: str, reason: str, *, now: float) -> None:
        """Stop waiting for a wave that did not answer its cancellation in time."""
        wave = self._waves[wave_id]
        self._change(wave, WaveStatus.CANCELLED, reason, now=now)

    def close(self, *, now: float) -> None:
        """Give the execution its outcome."""
        cancelled = self.state.status is PlanStatus.CANCELLED
        self.state.status, self.state.status_reason = judge_plan(
            self.state.waves, cancelled=cancelled
        )
        self.state.end_time = now
        self.touch(now)

    def touch(self, now: float) -> None:
        """Count a change of the execution itself."""
        self.state.revision = next_revision(self.state.revision, now)

    def _resettle(self, wave_ids: tuple[str, ...], *, now: float) -> None:
        """Derive anew the status of the given waves that were not started, dependencies first."""
        if self.state.status is PlanStatus.CANCELLED:
            return
        for wave_id in sorted(wave_ids, key=self._place.__getitem__):
            wave = self._waves[wave_id]
            if not wave.attempt:
                self._settle(wave, now=now)

    def _settle(self, wave: WaveState, *, now: float) -> None:
        dependencies = [self._waves[d] for d in self.graph.dependencies_of(wave.wave_id)]
        lost = [d for d in dependencies if d.status.is_settled and not d.status.satisfies]
        if lost:
            roots: dict[str, None] = {}
            for dependency in lost:
                roots.update(dict.fromkeys(dependency.caused_by or [dependency.wave_id]))
            causes = [self._waves[r] for r in roots]
            reason = "Skipped because " + ", ".join(f"{c.wave_name} {c.status}" for c in causes)
            self._change(wave, WaveStatus.SKIPPED, reason, now=now, caused_by=list(roots))
            return
        awaited = [d.wave_name for d in dependencies if not d.status.satisfies]
        if awaited:
            reason = "Waiting for " + ", ".join(awaited)
            self._change(wave, WaveStatus.WAITING, reason, now=now)
        else:
            self._change(wave, WaveStatus.PENDING, "Ready to launch", now=now)

    def _change(
        self,
        wave: WaveState,
        status: WaveStatus,
        reason: str,
        *,
        now: float,
        caused_by: list[str] | None = None,
    ) -> None:
        told = (status, reason, caused_by or [])
        if (wave.status, wave.status_reason, wave.caused_by) == told:
            return
        wave.status, wave.status_reason, wave.caused_by = told
        wave.revision = next_revision(wave.revision, now)


def next_revision(previous: int, now: float) -> int:
    """The revision that follows `previous` at `now` (epoch seconds).

    It is the time in milliseconds, so that a run that was reset, and counts anew from an earlier
    state, still writes newer revisions than the run it replaces.
    """
    return max(previous + 1, int(now * 1000))
