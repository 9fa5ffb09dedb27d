"""The state of one wave, and the operators' decisions about it."""

import math
from collections.abc import Iterable
from enum import StrEnum

from pydantic import JsonValue, computed_field

from recovery.base_model import Model
from recovery.execution.server import LaunchStatus, OperatingSystem, ServerResult, server_label
from recovery.launch_settings.model import LaunchSettings
from recovery.launch_settings.resolve import drill_settings_in
from recovery.plan.fields import Impact
from recovery.plan.model import Wave
from recovery.plan.snapshots import ChosenPoint
from recovery.steps.attempts import states_to_begin
from recovery.steps.model import StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus
from recovery.text_format import shortened


class WaveStatus(StrEnum):
    """The status of a wave."""

    PENDING = "PENDING"
    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"

    @property
    def is_settled(self) -> bool:
        """Whether the wave is neither pending, waiting nor in progress."""
        return self not in _OPEN

    @property
    def satisfies(self) -> bool:
        """Whether the waves that depend on it may start."""
        return self in _SATISFYING

    @property
    def has_failed(self) -> bool:
        """Whether its failure policy applies."""
        return self in _FAILED


# Made once: a plan of a thousand waves asks each of them after each report.
_OPEN = (WaveStatus.PENDING, WaveStatus.WAITING, WaveStatus.IN_PROGRESS)
_SATISFYING = (WaveStatus.COMPLETED, WaveStatus.PARTIAL)
_FAILED = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)


class WaitingFor(StrEnum):
    """What a wave that is WAITING waits for."""

    DEPENDENCIES = "DEPENDENCIES"
    RECOVERY_APPROVAL = "RECOVERY_APPROVAL"
    """The people who must approve a real recovery before its first launch."""
    APPROVAL = "APPROVAL"
    DECISION = "DECISION"
    """An operator's decision on a dependency that failed or timed out."""
    RESUME = "RESUME"
    REVIEW = "REVIEW"
    """The results of earlier launches of its servers."""
    RETRY = "RETRY"
    """The pause before an automatic retry."""
    STEP = "STEP"
    """Its first step, which comes before its launch or instead of one."""
    LAUNCH = "LAUNCH"
    """DRS to accept its launch."""
    QUOTA = "QUOTA"
    RECOVERY = "RECOVERY"
    """The end of a real recovery in the account and Region of a drill."""
    OTHER_JOB = "OTHER_JOB"
    """Another job with its servers."""
    ISOLATION = "ISOLATION"
    """The launch templates of its servers, which a drill changes or has changed."""
    LAUNCH_DECISION = "LAUNCH_DECISION"
    """An operator to say whether DRS has the job of its launch."""
    OPERATOR = "OPERATOR"
    """An operator to remove the cause of an error that lasts."""

    def text(self, detail: str = "") -> str:
        """The reason of a wave that waits for this.

        Args:
            detail: what exactly, such as the names of the dependencies.
        """
        text, separator = _WAITING_TEXTS[self]
        return f"{text}{separator}{detail}" if detail else text


# The text and what joins it to its detail.
_WAITING_TEXTS = {
    WaitingFor.DEPENDENCIES: ("Waiting for", " "),
    WaitingFor.RECOVERY_APPROVAL: (
        "Waiting for the recovery's approval (approve-recovery)",
        ": ",
    ),
    WaitingFor.APPROVAL: ("Waiting for approval (approve-wave)", ": "),
    WaitingFor.DECISION: ("Waiting for an operator's decision", " on "),
    WaitingFor.RESUME: ("Waiting for resume", ". "),
    WaitingFor.REVIEW: ("Waiting for the results of earlier launches", ": "),
    WaitingFor.RETRY: ("Waiting before the next attempt", ". "),
    WaitingFor.STEP: ("Waiting for its first step", ": "),
    WaitingFor.LAUNCH: ("Waiting for DRS to accept the launch", ": "),
    WaitingFor.QUOTA: ("Waiting for quota", ": "),
    WaitingFor.RECOVERY: ("Waiting for the end of a real recovery", ": "),
    WaitingFor.OTHER_JOB: ("Waiting for another job", ": "),
    WaitingFor.ISOLATION: ("Waiting for launch templates", ": "),
    WaitingFor.LAUNCH_DECISION: ("Waiting for an operator's decision", ": "),
    WaitingFor.OPERATOR: ("Waiting for an operator", ": "),
}


class Cause(StrEnum):
    """Why the plan settled a wave, unless its servers' results did."""

    DEPENDENCY = "DEPENDENCY"
    """A wave that it depends on is not up; `caused_by` names the first ones."""
    STOP_POLICY = "STOP_POLICY"
    SKIPPED_BY_OPERATOR = "SKIPPED_BY_OPERATOR"
    APPROVAL_REFUSED = "APPROVAL_REFUSED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    DEADLINE = "DEADLINE"
    TARGET_REFUSED = "TARGET_REFUSED"
    CANCELLED = "CANCELLED"
    """An operator cancelled it or the execution."""
    WORKFLOW_LOST = "WORKFLOW_LOST"
    """Its workflow ended without a result."""


class OperatorDecision(Model):
    """A decision of an operator about a wave, or about the execution.

    Attributes:
        expires: until when it is valid (epoch seconds); None: without limit.
        break_glass: it passes an approval, by an offline key.
    """

    actor: str
    time: float
    reason: str = ""
    expires: float | None = None
    break_glass: bool = False

    def __str__(self) -> str:
        return f"{self.actor}: {self.reason}" if self.reason else self.actor


class Decisions(Model):
    """The operators' decisions about a wave."""

    skipped_by: OperatorDecision | None = None
    accepted_by: OperatorDecision | None = None
    approved_by: OperatorDecision | None = None
    refused_by: OperatorDecision | None = None


class WaveAttempt(Model):
    """One attempt of a wave.

    Attributes:
        number: from 1.
        start_time: when DRS accepted its launch; None if it never did.
        end_time: when it was settled; None while it runs.
    """

    number: int
    status: WaveStatus
    status_reason: str = ""
    start_time: float | None = None
    end_time: float | None = None


# An item of the history and the input of a wave's workflow have room for so many, and so long.
_MAX_PAST_ATTEMPTS = 20
_MAX_ATTEMPT_REASON_BYTES = 200


class WaveState(Model):
    """The state of one wave.

    Attributes:
        waiting_for: what it waits for; None unless it is WAITING.
        cause: why the plan settled it; None if its servers' results did.
        approval_required: whether an operator must approve it before it is launched.
        revision: grows with every change; an older state never replaces a newer one.
        start_time: when DRS accepted the launch of this attempt.
        end_time: when the last step ended; without steps, when the last server reached its final
            state.
        completion_duration: seconds between the two.
        launch_end_time: when the last server reached its final state.
        past_attempts: the attempts before this one; of many the first and the latest. Reports to
            the plan omit them.
        late: the wave completed after it was TIMED_OUT.
        caused_by: the waves whose failure made it SKIPPED.
        has_workflow: its workflow sets its status; otherwise the plan's scheduler does.
        automatic_retries: how many of the plan's `Retries` were used.
        retry_after: until when its next automatic attempt waits (epoch seconds).
        ask_until: until when its dependents wait for an operator's decision (epoch seconds).
        unanswered_since: when the time for that decision ended without one (epoch seconds).
        launches_in_doubt: launch IDs for which it is unknown whether DRS has the job; an
            operator must answer.
        expected_seconds: what it is expected to take from acceptance on; None if nothing is known.
        operating_systems: of its servers, where DRS says so.
        server_names: of its servers, where DRS says so; reports to the plan omit them.
        chosen_points: what its servers are launched from, if that was chosen for a point in time;
            reports to the plan omit them.
        drill_subnets: by server that this drill isolates, the subnet; reports to the plan omit
            them.
        optimal_seconds: by server that this drill launches in the mode FAST, how long it took in
            the mode OPTIMAL before; None if that is not known. Reports to the plan omit them.
        steps: its steps, in the order in which they run.
        steps_in_doubt: an earlier attempt was lost, and may have begun steps nobody recorded.
    """

    wave_id: str
    wave_name: str
    status: WaveStatus = WaveStatus.PENDING
    status_reason: str = ""
    waiting_for: WaitingFor | None = None
    cause: Cause | None = None
    approval_required: bool = False
    attempt: int = 0
    revision: int = 0
    account_id: str | None = None
    region: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    completion_duration: float | None = None
    launch_end_time: float | None = None
    past_attempts: list[WaveAttempt] = []
    late: bool = False
    caused_by: list[str] = []
    depends_on: list[str] = []
    has_workflow: bool = False
    automatic_retries: int = 0
    retry_after: float | None = None
    ask_until: float | None = None
    unanswered_since: float | None = None
    launches_in_doubt: list[str] = []
    expected_seconds: float | None = None
    operating_systems: dict[str, OperatingSystem] = {}
    server_names: dict[str, str] = {}
    chosen_points: dict[str, ChosenPoint] = {}
    drill_subnets: dict[str, str] = {}
    optimal_seconds: dict[str, float | None] = {}
    decisions: Decisions = Decisions()
    servers: list[ServerResult] = []
    steps: list[StepState] = []
    steps_in_doubt: bool = False

    @classmethod
    def of(
        cls, wave: Wave, *, is_drill: bool, drill_settings: LaunchSettings | None = None
    ) -> "WaveState":
        """The initial state of a wave, in which the steps that a drill leaves out are known.

        Args:
            wave: the wave.
            is_drill: whether it is a drill's.
            drill_settings: the DrillLaunchSettings of the plan itself.
        """
        isolated = drill_settings_in(drill_settings, wave) if is_drill else {}
        return cls(
            wave_id=wave.wave_id,
            wave_name=wave.wave_name,
            region=wave.region,
            depends_on=list(wave.depends_on),
            approval_required=wave.approval_required,
            chosen_points={
                s.source_server_id: s.chosen_point for s in wave.servers if s.chosen_point
            },
            drill_subnets={i: each.subnet_id or "" for i, each in isolated.items()},
            servers=[
                ServerResult(source_server_id=s.source_server_id, impact=s.impact)
                for s in wave.servers
            ],
            steps=states_to_begin(wave, [], is_drill=is_drill),
        )

    @property
    def releases_dependents(self) -> bool:
        """Whether it is up, or an operator accepted or skipped it."""
        decided = self.decisions
        accepted = decided.accepted_by is not None and not self.has_steps_to_run
        skipped = self.status is WaveStatus.SKIPPED and decided.skipped_by is not None
        return self.status.satisfies or accepted or skipped

    @property
    def has_steps_to_run(self) -> bool:
        """Whether its workflow runs, or is to run, steps."""
        return not self.status.is_settled and any(step.is_open for step in self.steps)

    @property
    def lacks_accepted_steps(self) -> bool:
        """Whether it has ended, and required steps that its acceptance began did not succeed."""
        accepted = self.decisions.accepted_by
        if accepted is None or not self.status.is_settled or self.status.satisfies:
            return False
        # Then it was accepted in spite of that.
        if any((step.end_time or math.inf) <= accepted.time for step in self.failed_steps):
            return False
        return any(
            step.impact is Impact.CRITICAL
            and not step.status.lets_next_begin
            and not step.makes_partial
            for step in self.steps
        )

    def withdraw_acceptance(self) -> None:
        """Forget that an operator accepted it: what was to follow did not come about."""
        self.decisions = self.decisions.model_copy(update={"accepted_by": None})

    @property
    def runs_steps_if_accepted(self) -> bool:
        """Whether an acceptance of its launch begins the steps after it."""
        waiting = (StepStatus.PENDING, StepStatus.NOT_RUN)
        return not self.failed_steps and any(
            s.phase is StepPhase.POST_LAUNCH and s.status in waiting for s in self.steps
        )

    @property
    def runs_pre_launch_steps(self) -> bool:
        """Whether steps before its launch, or of a wave without servers, have not ended."""
        after = StepPhase.POST_LAUNCH
        return any(step.is_open and step.phase is not after for step in self.steps)

    @property
    def begins_with(self) -> WaitingFor:
        """What an attempt that has begun waits for: its first step, or its launch.

        A wave without servers launches nothing, also where a drill leaves all its steps out.
        """
        begins_with_step = self.runs_pre_launch_steps or not self.servers
        return WaitingFor.STEP if begins_with_step else WaitingFor.LAUNCH

    @property
    def steps_under_way(self) -> list[StepState]:
        """The steps that run, or wait for an operator."""
        running = StepStatus.RUNNING
        return [step for step in self.steps if step.status is running or step.awaits_operator]

    @property
    def has_step_for_operator(self) -> bool:
        """Whether one of its steps waits for an operator."""
        return any(step.awaits_operator for step in self.steps)

    @property
    def failed_steps(self) -> list[StepState]:
        """The steps that make it FAILED."""
        return [step for step in self.steps if step.fails_wave]

    @property
    def failed_by_actions(self) -> bool:
        """Whether only DRS's post-launch actions failed, so that another launch is of no use."""
        failed = [server for server in self.servers if server.has_failed]
        return bool(failed) and all(server.actions_failed for server in failed)

    @property
    def is_running(self) -> bool:
        """Whether it has a workflow and is not settled."""
        return self.has_workflow and not self.status.is_settled

    @property
    def may_begin_late_steps(self) -> bool:
        """Whether it is TIMED_OUT, and its workflow runs steps once its servers are up."""
        is_late = self.has_workflow and self.status is WaveStatus.TIMED_OUT
        return is_late and any(step.is_open for step in self.steps)

    @property
    def launch_in_doubt(self) -> bool:
        """Whether an operator must decide about a launch in doubt."""
        return bool(self.launches_in_doubt)

    @property
    def attempts(self) -> list[WaveAttempt]:
        """All attempts, the first one first; of many the first and the latest."""
        past = self.past_attempts
        is_past = bool(past) and past[-1].number == self.attempt
        return past if is_past or not self.attempt else [*past, self._this_attempt]

    @property
    def _this_attempt(self) -> WaveAttempt:
        return WaveAttempt(
            number=self.attempt,
            status=self.status,
            status_reason=self.status_reason,
            start_time=self.start_time,
            end_time=self.end_time,
        )

    @property
    def first_start_time(self) -> float | None:
        """When DRS accepted a launch of the wave for the first time, in any attempt."""
        starts = (a.start_time for a in self.attempts if a.start_time is not None)
        return next(starts, self.start_time)

    @property
    def counted_since(self) -> float | None:
        """Since when its time counts: this attempt's acceptance; once it has ended, the first."""
        return self.first_start_time if self.status.is_settled else self.start_time

    @property
    def running_since(self) -> float | None:
        """Since when its clock runs; None before this attempt's acceptance and after its end."""
        return None if self.status.is_settled or self.end_time else self.start_time

    @property
    def total_duration(self) -> float | None:
        """Seconds from the first acceptance to the end of the last attempt; None before that."""
        start, end = self.first_start_time, self.end_time
        if end is None and self.status.is_settled:
            # It was settled between two attempts, so the last one that ended counts.
            end = next((a.end_time for a in reversed(self.attempts) if a.end_time), None)
        return None if start is None or end is None else round(max(0.0, end - start), 3)

    @property
    def launch_seconds(self) -> dict[str, float]:
        """How long the servers that it launched took, from its acceptance on."""
        if (start := self.start_time) is None:
            return {}
        return {
            server.source_server_id: server.launch_time - start
            for server in self.servers
            if server.launch_status is LaunchStatus.LAUNCHED
            and not server.taken_over
            and server.launch_time is not None
            and server.launch_time > start
        }

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fast_saved_seconds(self) -> dict[str, float]:
        """How much shorter launches in the mode FAST were than the same servers' in OPTIMAL."""
        launched = self.launch_seconds if self.optimal_seconds else {}
        return {
            i: round(before - launched[i], 3)
            for i, before in self.optimal_seconds.items()
            if before is not None and i in launched
        }

    @property
    def launched_count(self) -> int:
        """How many servers are LAUNCHED, without those that are only recorded as up."""
        return len(self.launched_ids) - self.recorded_count

    @property
    def recorded_count(self) -> int:
        """How many servers an earlier execution recorded as up, and this one has not checked."""
        return sum(server.is_recorded_up for server in self.servers)

    @property
    def launched_ids(self) -> set[str]:
        """The servers that are LAUNCHED, also those that are only recorded as up."""
        launched = (s for s in self.servers if s.launch_status is LaunchStatus.LAUNCHED)
        return {server.source_server_id for server in launched}

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The DRS jobs of this attempt, each once, in the order of the servers."""
        return tuple(dict.fromkeys(s.recovery_job_id for s in self.servers if s.recovery_job_id))

    @property
    def open_job_ids(self) -> tuple[str, ...]:
        """The jobs of servers that are neither up nor failed, once the wave has started."""
        if not self.attempt:
            return ()
        open_servers = (s for s in self.servers if not s.is_final and not s.is_recorded_up)
        jobs = (s.recovery_job_id for s in open_servers)
        return tuple(dict.fromkeys(job for job in jobs if job))

    def server_label(self, server_id: str) -> str:
        """A server's name and ID, or its ID alone."""
        return server_label(server_id, self.server_names.get(server_id))

    def taken_over(self, servers: Iterable[ServerResult]) -> list[ServerResult]:
        """Those of an earlier execution's servers that are in this wave, as not verified yet."""
        impacts = {server.source_server_id: server.impact for server in self.servers}
        return [
            s.model_copy(
                update={
                    "taken_over": True,
                    "impact": impacts[s.source_server_id],
                    "verified": None if s.launch_status is LaunchStatus.LAUNCHED else s.verified,
                }
            )
            for s in servers
            if s.source_server_id in impacts
        ]

    def merge_servers(self, changed: Iterable[ServerResult]) -> None:
        """Replace the results of the servers named in `changed`."""
        by_id = {server.source_server_id: server for server in changed}
        self.servers = [by_id.get(s.source_server_id, s) for s in self.servers]

    def merge_steps(self, changed: Iterable[StepState]) -> None:
        """Replace the states of the steps named in `changed`.

        An operator's decision stays until the wave's workflow has applied it.
        """
        by_id = {step.step_id: step for step in changed}
        self.steps = [
            by_id[s.step_id].with_pending_decision_of(s) if s.step_id in by_id else s
            for s in self.steps
        ]

    def reopened(self) -> None:
        """Clear what belongs to the attempt that has ended, and keep it as a past one."""
        if self.has_workflow and self.attempt:
            reason = shortened(self.status_reason, max_bytes=_MAX_ATTEMPT_REASON_BYTES)
            ended = self._this_attempt.model_copy(update={"status_reason": reason})
            past = [*self.past_attempts, ended]
            self.past_attempts = past[:1] + past[1:][1 - _MAX_PAST_ATTEMPTS :]
        self.steps_in_doubt |= self.cause is Cause.WORKFLOW_LOST
        self.has_workflow, self.late = False, False
        self.start_time = self.end_time = self.completion_duration = self.launch_end_time = None
        self.ask_until = self.unanswered_since = self.retry_after = None
        self.launches_in_doubt = []
        self.reopen_steps()

    def reopen_steps(self) -> None:
        """Let the steps that were not run begin after all, except what an operator skipped."""
        for step in self.steps:
            if step.status is StepStatus.NOT_RUN:
                step.status, step.reason = StepStatus.PENDING, ""
            if step.status is StepStatus.PENDING and step.decision is StepOverride.SKIP:
                # The attempt was lost before it could apply that.
                step.status, step.reason = (
                    StepStatus.SKIPPED,
                    f"{step.decision.text} by {step.actor}",
                )
            elif step.is_open and step.decision is not StepOverride.RERUN:
                step.decision = None

    def leave_steps(self) -> None:
        """Record that the steps that have not begun are not run, because the wave has ended."""
        for step in self.steps:
            if step.status is StepStatus.PENDING:
                step.status, step.reason = StepStatus.NOT_RUN, shortened(self.status_reason)

    def lose_steps(self, reason: str, *, now: float) -> None:
        """Record what is known of steps that nobody awaits any more. `now` is in epoch seconds."""
        self.leave_steps()
        for step in self.steps:
            # The attempt that it began may have been lost with its workflow.
            step.decision = None if step.decision is StepOverride.RERUN else step.decision
        for step in self.steps_under_way:
            step.status = StepStatus.OUTCOME_UNKNOWN if step.acts_outside else StepStatus.CANCELLED
            step.reason, step.end_time = shortened(reason), now
            step.decide_until = step.decision = None

    def ended(self, status: WaveStatus, reason: str, *, at: float | None) -> None:
        """Settle the wave; its duration counts from acceptance, where there was one."""
        self.status, self.status_reason, self.end_time = status, reason, at
        self.waiting_for = None
        if self.start_time is not None and at is not None:
            self.completion_duration = round(max(0.0, at - self.start_time), 3)


class WaveReport(Model):
    """A wave's state with its changed servers and steps only, from its workflow to the plan's.

    Attributes:
        outputs: what changed steps returned, by StepId and name; not masked.
    """

    execution_id: str
    wave: WaveState
    outputs: dict[str, dict[str, JsonValue]] = {}


def next_revision(previous: int, now: float) -> int:
    """The revision that follows `previous` at `now` (epoch seconds).

    It is the time in milliseconds, so that a run that was reset to an earlier state still writes
    newer revisions than the run it replaces.
    """
    return max(previous + 1, int(now * 1000))
