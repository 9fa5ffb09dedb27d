"""What an execution of a recovery plan is and knows: statuses, server, wave and plan results.

One `ExecutionState` is what the status query answers, what the terminal shows and what the
history stores. Times are epoch seconds.
"""

from collections.abc import Iterable
from enum import StrEnum

from recovery.model import Model
from recovery.plan import Impact, RecoveryPlan, Wave


class ExecutionType(StrEnum):
    """A drill rehearses; a recovery is the real thing."""

    DRILL = "DRILL"
    RECOVERY = "RECOVERY"


class LaunchStatus(StrEnum):
    """How far a server's launch is, judged from DRS's answers."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    LAUNCHED = "LAUNCHED"
    FAILED = "FAILED"


class Verified(StrEnum):
    """What the look-up of a launched server's recovery instance said."""

    YES = "YES"
    NO = "NO"
    UNKNOWN = "UNKNOWN"


class WaveStatus(StrEnum):
    """Where a wave stands."""

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
        """Whether nothing more is awaited of the wave."""
        return self not in _OPEN

    @property
    def satisfies(self) -> bool:
        """Whether the waves that depend on it may start."""
        return self in (WaveStatus.COMPLETED, WaveStatus.PARTIAL)


_OPEN = (WaveStatus.PENDING, WaveStatus.WAITING, WaveStatus.IN_PROGRESS)


class PlanStatus(StrEnum):
    """Where an execution stands."""

    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class OperatingSystem(StrEnum):
    """The kinds of operating system that DRS replicates."""

    LINUX = "LINUX"
    WINDOWS = "WINDOWS"


class ServerResult(Model):
    """What is known of one server's launch.

    Attributes:
        taken_over: its job is another's: of an earlier execution, or of somebody else.
        launch_time: when DRS launched it, by the job's log where that is readable.
        end_time: when it reached its final state, LAUNCHED or FAILED.
        reason: why it failed, or what is still doubtful.
    """

    source_server_id: str
    impact: Impact = Impact.CRITICAL
    launch_status: LaunchStatus = LaunchStatus.PENDING
    verified: Verified | None = None
    recovery_job_id: str | None = None
    recovery_instance_id: str | None = None
    taken_over: bool = False
    launch_time: float | None = None
    end_time: float | None = None
    reason: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the launch is over: failed, or launched with the look-up made or out of time."""
        if self.launch_status is LaunchStatus.LAUNCHED:
            return self.verified is not None
        return self.launch_status is LaunchStatus.FAILED

    def is_behind(self, known: "ServerResult") -> bool:
        """Whether this is an earlier view than `known` of the same launch."""
        same_launch = self.recovery_job_id == known.recovery_job_id
        return same_launch and self._progress < known._progress

    @property
    def _progress(self) -> int:
        if self.launch_status is LaunchStatus.LAUNCHED:
            return {None: 2, Verified.UNKNOWN: 3}.get(self.verified, 4)
        return {LaunchStatus.PENDING: 0, LaunchStatus.IN_PROGRESS: 1}.get(self.launch_status, 4)

    def failed(self, reason: str, *, at: float) -> "ServerResult":
        """This server, failed for `reason` at `at` (epoch seconds)."""
        return self.model_copy(
            update={
                "launch_status": LaunchStatus.FAILED,
                "reason": shortened(reason),
                "end_time": at,
            }
        )


def shortened(reason: str, *, most: int = 400) -> str:
    """A reason on one printable line, short enough for 500 of them in one item of the history.

    AWS's encoded authorization failures alone are about 1 KB each; DynamoDB takes 400 KB an item.
    Half a surrogate pair in a text could not even be sent to Temporal.
    """
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(reason.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


class OperatorAct(Model):
    """What an operator did to a wave.

    Attributes:
        expires: until when it holds (epoch seconds); None for ever.
    """

    actor: str
    time: float
    reason: str = ""
    expires: float | None = None

    def __str__(self) -> str:
        return f"{self.actor}: {self.reason}" if self.reason else self.actor


class Decisions(Model):
    """What operators have decided about a wave."""

    skipped_by: OperatorAct | None = None
    accepted_by: OperatorAct | None = None
    approved_by: OperatorAct | None = None
    refused_by: OperatorAct | None = None


class MessageRecord(Model):
    """A message of an operator and what it did.

    Attributes:
        actor_verified: our own client vouches for the actor; the `temporal` CLI does not.
        accepted: whether it had an effect.
        effect: what it did, or why it was rejected.
    """

    name: str
    wave_id: str | None = None
    actor: str
    actor_verified: bool = False
    time: float
    reason: str = ""
    accepted: bool
    effect: str

    @property
    def revision(self) -> int:
        """Its revision in the history.

        A reset may number its messages anew: the later one is the true one.
        """
        return int(self.time * 1000)


class WaveState(Model):
    """What is known of one wave.

    Attributes:
        revision: grows with every change; an older state never replaces a newer one.
        start_time: when DRS accepted the launch.
        end_time: when the last server reached its final state.
        completion_duration: seconds between the two.
        late: the wave completed after its waiting had ended.
        caused_by: the waves whose failure made it SKIPPED.
        handed_over: its workflow decides about it; before, and after a retry, the plan does.
        automatic_retries: how many of the plan's `Retries` were used.
        ask_until: until when its dependents wait for an operator's decision (epoch seconds).
        launch_in_doubt: whether DRS has its job cannot be known; an operator must answer.
        expected_seconds: what it is expected to take from acceptance on; None if nothing is known.
        operating_systems: of its servers, where DRS says so.
    """

    wave_id: str
    wave_name: str
    status: WaveStatus = WaveStatus.PENDING
    status_reason: str = ""
    attempt: int = 0
    revision: int = 0
    account_id: str | None = None
    region: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    completion_duration: float | None = None
    late: bool = False
    caused_by: list[str] = []
    depends_on: list[str] = []
    handed_over: bool = False
    automatic_retries: int = 0
    ask_until: float | None = None
    launch_in_doubt: bool = False
    expected_seconds: float | None = None
    operating_systems: dict[str, OperatingSystem] = {}
    decisions: Decisions = Decisions()
    servers: list[ServerResult] = []

    @classmethod
    def of(cls, wave: Wave) -> "WaveState":
        """The state of a wave that nothing has happened to yet."""
        return cls(
            wave_id=wave.wave_id,
            wave_name=wave.wave_name,
            region=wave.region,
            depends_on=list(wave.depends_on),
            servers=[
                ServerResult(source_server_id=s.source_server_id, impact=s.impact)
                for s in wave.servers
            ],
        )

    @property
    def lets_dependents_go_on(self) -> bool:
        """Whether it is up, or an operator said to go on without it."""
        decided = self.decisions
        skipped = self.status is WaveStatus.SKIPPED and decided.skipped_by is not None
        return self.status.satisfies or decided.accepted_by is not None or skipped

    @property
    def is_running(self) -> bool:
        """Whether its workflow has it and it is still waited for."""
        return self.handed_over and not self.status.is_settled

    @property
    def launched_count(self) -> int:
        """How many servers are LAUNCHED."""
        return sum(s.launch_status is LaunchStatus.LAUNCHED for s in self.servers)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The DRS jobs of this attempt, each once, in the order of the servers."""
        return tuple(dict.fromkeys(s.recovery_job_id for s in self.servers if s.recovery_job_id))

    @property
    def open_job_ids(self) -> tuple[str, ...]:
        """The jobs of servers that are neither up nor failed."""
        jobs = (s.recovery_job_id for s in self.servers if not s.is_final)
        return tuple(dict.fromkeys(job for job in jobs if job))

    def merge_servers(self, changed: Iterable[ServerResult]) -> None:
        """Replace the results of the servers named in `changed`."""
        by_id = {server.source_server_id: server for server in changed}
        self.servers = [by_id.get(s.source_server_id, s) for s in self.servers]

    def ended(self, status: WaveStatus, reason: str, *, at: float | None) -> None:
        """Settle the wave; its duration counts from acceptance, where there was one."""
        self.status, self.status_reason, self.end_time = status, reason, at
        if self.start_time is not None and at is not None:
            self.completion_duration = round(max(0.0, at - self.start_time), 3)


class WaveReport(Model):
    """What a wave's workflow tells the plan's: the wave's state with the changed servers only."""

    execution_id: str
    wave: WaveState


class WaveOutcome(Model):
    """What a wave's workflow closes with.

    Attributes:
        wave: its last state, without the servers, which its reports carried.
        recorded_revision: up to which revision the history has the wave.
    """

    wave: WaveState
    recorded_revision: int


class CleanupStatus(StrEnum):
    """Where a drill's clean-up stands."""

    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"


class LaunchedInstance(Model):
    """A recovery instance that an execution launched.

    Attributes:
        reason: why it is still there, if it is.
    """

    recovery_instance_id: str
    source_server_id: str
    recovery_job_id: str
    region: str
    reason: str | None = None


class CleanupState(Model):
    """The clean-up after an execution.

    Attributes:
        terminated: instances that are gone, as DRS was seen to say.
        leftovers: what is still there, or may be.
    """

    execution_id: str
    status: CleanupStatus
    status_reason: str = ""
    revision: int = 0
    actor: str
    start_time: float
    end_time: float | None = None
    terminated: list[LaunchedInstance] = []
    leftovers: list[LaunchedInstance] = []


class ExecutionState(Model):
    """The whole state of an execution.

    Attributes:
        revision: grows with every change of the execution itself (its waves have their own).
        speed: by how much our polls and deadlines are divided; 1 everywhere but in a sandbox.
        from_execution: the earlier execution whose servers this one took over.
        warnings: what is wrong around it, such as a history in the Region that is recovered.
    """

    execution_id: str
    plan_id: str
    plan_name: str
    plan_hash: str
    execution_type: ExecutionType
    status: PlanStatus = PlanStatus.IN_PROGRESS
    status_reason: str = ""
    revision: int = 0
    started_by: str
    start_time: float
    end_time: float | None = None
    speed: float = 1.0
    from_execution: str | None = None
    warnings: list[str] = []
    waves: list[WaveState] = []
    messages: list[MessageRecord] = []
    cleanup: CleanupState | None = None

    @classmethod
    def begin(
        cls,
        plan: RecoveryPlan,
        *,
        execution_id: str,
        execution_type: ExecutionType,
        started_by: str,
        now: float,
    ) -> "ExecutionState":
        """The state of an execution that begins now."""
        return cls(
            execution_id=execution_id,
            plan_id=plan.plan_id,
            plan_name=plan.plan_name,
            plan_hash=plan.plan_hash,
            execution_type=execution_type,
            started_by=started_by,
            start_time=now,
            waves=[WaveState.of(wave) for wave in plan.waves],
        )

    def without_waves(self) -> "ExecutionState":
        """The execution's own part, as it stands now."""
        return self.model_copy(update={"waves": [], "messages": []})


class Verdict(Model):
    """A judgement of a wave by its servers."""

    status: WaveStatus
    reason: str
    end_time: float | None = None


def judge_wave(servers: list[ServerResult]) -> Verdict:
    """Judge a wave from its servers' own results, never from a job's status.

    Args:
        servers: the results of all the wave's servers.

    Returns:
        IN_PROGRESS while any server is not final; else COMPLETED, PARTIAL (only servers marked
        OPTIONAL failed) or FAILED, with the time the last server reached its final state.
    """
    total = len(servers)
    up = [s for s in servers if s.launch_status is LaunchStatus.LAUNCHED]
    if not all(s.is_final for s in servers):
        return Verdict(status=WaveStatus.IN_PROGRESS, reason=f"{len(up)} of {total} launched")
    ends = [s.end_time for s in servers if s.end_time is not None]
    end_time = max(ends) if ends else None
    failed = [s for s in servers if s.launch_status is LaunchStatus.FAILED]
    if not failed:
        doubtful = sum(s.verified is not Verified.YES for s in servers)
        reason = f"{total} of {total} launched"
        if doubtful:
            reason += f", {doubtful} not verified"
        return Verdict(status=WaveStatus.COMPLETED, reason=reason, end_time=end_time)
    reason = f"{len(up)} of {total} launched; " + "; ".join(
        f"{s.source_server_id}: {s.reason or 'FAILED'}" for s in failed[:_FAILURES_SHOWN]
    )
    if len(failed) > _FAILURES_SHOWN:
        reason += f"; and {len(failed) - _FAILURES_SHOWN} more"
    critical = any(s.impact is Impact.CRITICAL for s in failed)
    status = WaveStatus.FAILED if critical else WaveStatus.PARTIAL
    return Verdict(status=status, reason=reason, end_time=end_time)


_FAILURES_SHOWN = 5


def judge_plan(waves: list[WaveState], *, cancelled: bool) -> tuple[PlanStatus, str]:
    """An execution's outcome and its reason, once every wave is settled.

    Args:
        waves: all waves of the execution.
        cancelled: whether the execution was cancelled.
    """
    status_of = {wave.wave_id: wave.status for wave in waves}
    count = {s: sum(w.status is s for w in waves) for s in WaveStatus}
    told = ", ".join(f"{n} {s}" for s, n in count.items() if n)
    if cancelled:
        return PlanStatus.CANCELLED, f"Cancelled: {told}"
    broken = (WaveStatus.FAILED, WaveStatus.TIMED_OUT)
    failed = [w for w in waves if w.status in broken]
    skipped_by_failure = any(
        w.status is WaveStatus.SKIPPED and any(status_of.get(c) in broken for c in w.caused_by)
        for w in waves
    )
    if failed or skipped_by_failure:
        names = ", ".join(f"{w.wave_name} {w.status}" for w in failed[:_FAILURES_SHOWN])
        return PlanStatus.FAILED, f"{names}: {told}"
    partial = (WaveStatus.PARTIAL, WaveStatus.CANCELLED, WaveStatus.SKIPPED)
    if any(w.status in partial or w.decisions.accepted_by for w in waves):
        return PlanStatus.PARTIAL, told
    return PlanStatus.COMPLETED, told


def next_revision(previous: int, now: float) -> int:
    """The revision that follows `previous` at `now` (epoch seconds).

    It is the time in milliseconds, so that a run that was reset, and counts anew from an earlier
    state, still writes newer revisions than the run it replaces.
    """
    return max(previous + 1, int(now * 1000))
