"""The state of one attempt of a wave, and what changes it."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.launch import LaunchResult, LaunchWaiting
    from contract.wave import WaveInput
    from recovery.execution.judge import Verdict, judge_steps, judge_wave
    from recovery.execution.server import LaunchStatus, ServerResult
    from recovery.execution.wave import Cause, WaitingFor, WaveState, WaveStatus, next_revision
    from recovery.steps.attempts import states_to_begin
    from recovery.steps.model import StepPhase
    from recovery.steps.state import StepState, StepStatus
    from recovery.text_format import listed


class WaveTracker:
    """Applies events to the wave's state, and increases its revision.

    Attributes:
        state: the wave's state.
        report_now: a change must be reported to the plan at once.
        poll_error: why DRS cannot be polled now; empty if it can.
        launch_reason: what a launch waits for; empty if none does.
        post_steps_over: no step after the launch is to begin any more.
        step_outputs: what steps returned, by StepId and name; not masked.
        is_launch_accepted: an operator accepted what is up, so that steps begin.
    """

    def __init__(self, start: WaveInput, *, on_change: Callable[[], None]) -> None:
        self._timeout_seconds = start.wave.timeout_seconds
        self._on_change = on_change
        self.state = WaveState.of(
            start.wave, is_drill=start.is_drill, drill_settings=start.drill_settings
        )
        self.state.optimal_seconds = start.optimal_seconds
        # Earlier results stay visible during the review.
        self.state.merge_servers(server.model_copy() for server in start.earlier)
        self.state.attempt, self.state.revision = start.attempt, start.revision
        self.state.expected_seconds = start.expected_seconds
        self.state.operating_systems = start.operating_systems
        self.state.server_names = start.server_names
        self.state.past_attempts = start.past_attempts
        self.state.steps = states_to_begin(
            start.wave,
            start.earlier_steps,
            is_drill=start.is_drill,
        )
        self.state.status = WaveStatus.WAITING
        self.state.waiting_for = self.state.begins_with
        self.state.status_reason = self.state.begins_with.text()
        self.report_now = False
        self.poll_error = ""
        self.launch_reason = ""
        # Of earlier attempts, the plan has them.
        self.step_outputs: dict[str, dict[str, JsonValue]] = {}
        phases = [step.phase for step in self.state.steps]
        self.post_steps_over = StepPhase.POST_LAUNCH not in phases
        self.is_launch_accepted = start.launch_accepted
        self._in_doubt: dict[str, str] = {}
        self._unreported: dict[str, ServerResult] = {}
        # With the initial states, which the plan has not seen.
        self._unreported_steps = {step.step_id for step in self.state.steps}
        self._has_own_job = False

    @property
    def unlaunched(self) -> list[str]:
        """The servers that have no job and have not failed."""
        return [
            s.source_server_id
            for s in self.state.servers
            if not s.recovery_job_id and not s.is_final
        ]

    def take_unreported(self, *, again: bool = False) -> WaveState:
        """The state with what changed since the last call; `again`: the next has it too."""
        servers = list(self._unreported.values())
        self._unreported = self._unreported if again else {}
        steps = [s for s in self.state.steps if s.step_id in self._unreported_steps]
        self._unreported_steps, self.report_now = set(), False
        return self.state.model_copy(
            update={
                "servers": servers,
                "steps": [step.model_copy() for step in steps],
                "server_names": {},
                "chosen_points": {},
                "drill_subnets": {},
                "optimal_seconds": {},
                "past_attempts": [],
            }
        )

    def update_step(self, state: StepState, **changes: Any) -> None:
        """Change the state of one of the wave's steps."""
        before = state.model_copy()
        for name, value in changes.items():
            setattr(state, name, value)
        if state == before:
            return
        if (state.status, state.decide_until) != (before.status, before.decide_until):
            self.report_now = True
        self._unreported_steps.add(state.step_id)
        self._changed()

    def show_step(self, text: str) -> None:
        """Show which step runs, or what it waits for."""
        wave = self.state
        if wave.status is WaveStatus.TIMED_OUT:
            self._change(wave.status, f"servers are up late; {text}")
        else:
            launched = self._verdict.reason + "; " if wave.servers and self.is_launch_over else ""
            self._change(WaveStatus.IN_PROGRESS, launched + text)

    @property
    def _verdict(self) -> Verdict:
        return judge_wave(self.state.servers, label=self.state.server_label)

    @property
    def is_launch_over(self) -> bool:
        """Whether every server has reached its final state, or the wave is settled."""
        return self.state.status.is_settled or self._verdict.status is not WaveStatus.IN_PROGRESS

    @property
    def is_launched(self) -> bool:
        """Whether every CRITICAL server is up and none is open."""
        return self._verdict.status.satisfies

    @property
    def is_timed_out(self) -> bool:
        """Whether the wave is TIMED_OUT; what comes up then is late."""
        return self.state.status is WaveStatus.TIMED_OUT

    def accept_launch(self) -> None:
        """Let the steps after the launch begin on what is up."""
        self.is_launch_accepted = True

    def wait_for_launch(self) -> None:
        """Wait for the launch, after the steps before it."""
        self._change(WaveStatus.WAITING, WaitingFor.LAUNCH.text(), WaitingFor.LAUNCH)

    def wait_for(self, waiting_for: WaitingFor, reason: str = "") -> None:
        """Set what the wave waits for before its launch."""
        if self.state.status is WaveStatus.WAITING:
            self._change(WaveStatus.WAITING, reason or waiting_for.text(), waiting_for)

    def apply_waiting(self, waiting: LaunchWaiting) -> None:
        """Apply what one of the launches waits for."""
        self._in_doubt.pop(waiting.launch_id, None)
        if waiting.waiting_for is WaitingFor.LAUNCH_DECISION:
            self._in_doubt[waiting.launch_id] = waiting.reason
        self._update_doubts()
        # A pending decision has priority over what other launches wait for.
        self.launch_reason = "; ".join(dict.fromkeys(self._in_doubt.values())) or waiting.reason
        waiting_for = WaitingFor.LAUNCH_DECISION if self._in_doubt else waiting.waiting_for
        self.wait_for(waiting_for, self.launch_reason)
        if self.state.start_time is not None:
            self.judge()

    def apply_results(self, results: Sequence[LaunchResult]) -> None:
        """Apply the results of launches."""
        for result in results:
            self.state.account_id = result.account_id or self.state.account_id
            self.apply(result.servers)
            self._has_own_job |= result.job_id is not None

    def end_doubt(self, *launch_ids: str) -> None:
        """Remove these launches from those that an operator must decide about."""
        for launch_id in launch_ids:
            self._in_doubt.pop(launch_id, None)
        if self.state.launches_in_doubt and not self._in_doubt:
            self.launch_reason = ""
            self._update_doubts()
            self.wait_for(WaitingFor.LAUNCH)
            self._changed()
        self._update_doubts()

    def doubt_reason(self, launch_id: str) -> str | None:
        """The reason why a launch is in doubt, if it is."""
        return self._in_doubt.get(launch_id)

    def set_accepted(self, accepted_time: float) -> None:
        """Set when DRS accepted a launch (epoch seconds)."""
        start_time = self.state.start_time
        self.state.start_time = min(start_time or accepted_time, accepted_time)

    def judge(self) -> None:
        """Derive the wave's status from its servers; a TIMED_OUT wave that is up is late."""
        wave = self.state
        verdict = self._verdict if wave.servers else None
        if verdict is not None and verdict.status is WaveStatus.IN_PROGRESS:
            if self.post_steps_over and wave.failed_steps and wave.status in _OPEN:
                # Of an accepted launch, whose other servers are only observed from now on.
                self.end_by_steps()
            elif wave.start_time is not None and wave.status in _OPEN:
                parts = [verdict.reason, self.launch_reason, self.poll_error]
                self._change(WaveStatus.IN_PROGRESS, "; ".join(part for part in parts if part))
            return
        if wave.status is WaveStatus.CANCELLED:
            return
        if verdict is not None and wave.launch_end_time is None:
            wave.launch_end_time = verdict.end_time
            self._changed()
        if verdict is None or (self.runs_steps and not self.post_steps_over):
            return
        if wave.runs_pre_launch_steps:
            # Of servers that an earlier attempt or execution launched.
            return
        combined = judge_steps(verdict, wave.steps) if wave.steps else verdict
        if wave.status is WaveStatus.TIMED_OUT:
            if self.steps_not_run:
                self._change(wave.status, "servers are up late, steps not run")
                return
            wave.late = True
        self._end(combined.status, combined.reason, at=combined.end_time)

    @property
    def runs_steps(self) -> bool:
        """Whether the steps after the launch run, as far as its servers say."""
        return self.is_launched or self.is_launch_accepted

    @property
    def steps_not_run(self) -> bool:
        """Whether steps of the wave were left because it ended before them."""
        return any(step.status is StepStatus.NOT_RUN for step in self.state.steps)

    def time_out(self) -> None:
        """Mark the wave TIMED_OUT because TimeoutSeconds have passed."""
        state = self.state
        open_ = [state.server_label(s.source_server_id) for s in state.servers if not s.is_final]
        reason = f"Not up within {self._timeout_seconds:g} s: {listed(open_, shown=5)}"
        if actions := self._verdict.reason:
            reason += f"; {actions}"
        self._end(WaveStatus.TIMED_OUT, reason, at=workflow.time())

    def cancel(self, reason: str) -> None:
        """Mark the wave CANCELLED."""
        jobs = ", ".join(self.state.open_job_ids)
        still = f"; still running: {jobs}" if jobs else ""
        self.state.cause = Cause.CANCELLED
        self._end(WaveStatus.CANCELLED, reason + still, at=workflow.time())

    def fail(self, server_ids: Sequence[str], reason: str) -> None:
        """Settle servers as FAILED."""
        servers = [s for s in self.state.servers if s.source_server_id in server_ids]
        self.apply([s.failed(reason, at=workflow.time()) for s in servers])

    def leave_unlaunched(self, earlier: Sequence[ServerResult], reason: str) -> None:
        """Settle what is not launched any more, each server with the job that it failed in."""
        failed = {s.source_server_id: s for s in earlier if s.launch_status is LaunchStatus.FAILED}
        unlaunched = set(self.unlaunched)
        self.apply(
            [
                before.failed(reason, at=before.end_time or workflow.time())
                for server in self.state.servers
                if server.source_server_id in unlaunched
                for before in (failed.get(server.source_server_id, server),)
            ]
        )

    def apply_watched(self, servers: Sequence[ServerResult]) -> None:
        """Apply a watch's results; of two watches, the later result may be the older one."""
        known = {s.source_server_id: s for s in self.state.servers}
        ours = [(s, known[s.source_server_id]) for s in servers if s.source_server_id in known]
        self.apply([seen for seen, before in ours if not seen.is_behind(before)])

    def apply(self, servers: Sequence[ServerResult]) -> None:
        """Apply servers' results."""
        known = {s.source_server_id: s for s in self.state.servers}
        changed = [s for s in servers if s != known.get(s.source_server_id)]
        if changed:
            self.state.merge_servers(changed)
            self._unreported.update({s.source_server_id: s for s in changed})
            self._changed()

    def _update_doubts(self) -> None:
        in_doubt = list(self._in_doubt)
        if self.state.launches_in_doubt != in_doubt:
            self.state.launches_in_doubt = in_doubt
            self.report_now = True
            self._changed()

    def end_by_steps(self) -> None:
        """End the wave by its steps: it has no servers, or they are not launched."""
        combined = judge_steps(None, self.state.steps)
        self._end(combined.status, combined.reason, at=combined.end_time or workflow.time())

    def leave_steps(self, reason: str) -> None:
        """Record that the steps that have not begun are not run."""
        for step in self.state.steps:
            if step.status is StepStatus.PENDING:
                self.update_step(step, status=StepStatus.NOT_RUN, reason=reason)

    def _end(self, status: WaveStatus, reason: str, *, at: float | None) -> None:
        if status is not WaveStatus.TIMED_OUT:
            self.leave_steps(f"the wave is {status}")
        self._change(status, reason)
        start_time = self.state.start_time
        if not self._has_own_job and at is not None and start_time and at < start_time:
            # Everything was up before this attempt, so DRS accepted nothing for it.
            self.state.start_time = None
        self.state.ended(status, reason, at=at)

    def _change(
        self, status: WaveStatus, reason: str, waiting_for: WaitingFor | None = None
    ) -> None:
        wave = self.state
        if (status, reason, waiting_for) == (wave.status, wave.status_reason, wave.waiting_for):
            return
        if (status, waiting_for) != (wave.status, wave.waiting_for):
            self.report_now = True
        wave.status, wave.status_reason, wave.waiting_for = status, reason, waiting_for
        self._changed()

    def _changed(self) -> None:
        self.state.revision = next_revision(self.state.revision, workflow.time())
        self._on_change()


_OPEN = (WaveStatus.WAITING, WaveStatus.IN_PROGRESS)
