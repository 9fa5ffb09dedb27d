"""The input, requests and results of the clean-up after an execution."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from recovery.access.grants import CleanupSubject, SignedRequest
from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model, StrictModel
from recovery.execution.cleanup_state import LaunchedInstance
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.launch_settings.network import LaunchNetwork
from recovery.notify.events import NotifiedExecution
from recovery.plan.model import PlanChannel, RecoveryPlan, Target


class TargetScope(Model):
    """The scope of a clean-up in one target.

    Attributes:
        job_ids: the jobs that the execution recorded as its own.
        launch_prefix: the prefix of the execution's launch IDs, which finds jobs that were not
            recorded.
        since: the execution's start (epoch seconds).
        is_drill: jobs and instances of the other type are not its own.
        launched_ids: the servers that the execution launched, or may have launched; None: all may
            be, as an older worker read the history.
        acting_for: the execution and actor that sessions in AWS are named after.
        isolated: by server that the drill isolated, its network and launch template.
    """

    target: Target
    server_ids: list[str]
    job_ids: list[str]
    launch_prefix: str
    since: float
    is_drill: bool = True
    launched_ids: list[str] | None = None
    acting_for: SessionIdentity | None = None
    isolated: dict[str, LaunchNetwork] = {}


class TemplateComparison(Model):
    """How launch templates differ from what they were before an isolated drill.

    Attributes:
        differences: what must not be; what could not be compared is one.
        applied: what `launch-settings apply` has changed since.
    """

    differences: list[str] = []
    applied: list[str] = []


class CleanupScope(Model):
    """The scope of a clean-up in all targets.

    Attributes:
        channels: those that the plan names.
    """

    execution: NotifiedExecution
    targets: list[TargetScope]
    channels: list[PlanChannel] = []

    @classmethod
    def of(cls, state: ExecutionState, plan: RecoveryPlan) -> "CleanupScope":
        """The scope of a recorded execution."""
        scopes = []
        for target in plan.targets:
            ids = {w.wave_id for w in plan.waves if w.target == target}
            waves = [w for w in state.waves if w.wave_id in ids]
            scopes.append(
                TargetScope(
                    target=target,
                    server_ids=[s.source_server_id for w in waves for s in w.servers],
                    job_ids=list(dict.fromkeys(_own_jobs(waves))),
                    launch_prefix=f"{state.execution_id}/",
                    since=state.start_time,
                    is_drill=state.execution_type is ExecutionType.DRILL,
                    launched_ids=[s.source_server_id for s in _maybe_launched(waves)],
                    isolated={
                        s.source_server_id: s.network
                        for w in waves
                        for s in w.servers
                        if s.network is not None and s.network.template_id is not None
                    },
                )
            )
        return cls(execution=NotifiedExecution.of(state), targets=scopes, channels=plan.notify)


class FoundInstances(Model):
    """The instances that an execution launched in one target.

    Attributes:
        unfinished: its jobs that had not ended in time.
        left: what its jobs launched, which cannot be terminated, with the reason.
    """

    instances: list[LaunchedInstance]
    unfinished: list[str] = []
    left: list[LaunchedInstance] = []


class StartCleanup(StrictModel):
    """Input of the clean-up's workflow.

    Attributes:
        after_seconds: how long to wait after the execution's end.
        confirmation: the PlanId, typed; needed for a real recovery.
        signed: what was signed of it; left out where nothing was.
        scheduled_time: of a drill that its plan's schedule started (epoch seconds); then the
            schedule is what was signed.
    """

    execution_id: str
    plan_id: str
    actor: str = "unknown"
    after_seconds: float = 0.0
    confirmation: str | None = None
    signed: SignedRequest | None = Field(default=None, exclude_if=lambda value: value is None)
    scheduled_time: float | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def subject(self) -> CleanupSubject:
        """What a signature of it covers."""
        return CleanupSubject(
            execution_id=self.execution_id,
            plan_id=self.plan_id,
            after_seconds=self.after_seconds,
            confirmation=self.confirmation,
        )


class TerminateRequest(Model):
    """The instances to terminate in one target.

    Attributes:
        acting_for: the execution and actor that sessions in AWS are named after.
        cleanup: the clean-up that asks for it; None from a workflow of an earlier version.
    """

    target: Target
    instances: list[LaunchedInstance]
    acting_for: SessionIdentity | None = None
    cleanup: StartCleanup | None = None


def own_servers(waves: Iterable[WaveState]) -> Iterator[ServerResult]:
    """The servers with a job of the execution itself, whose instances a clean-up terminates."""
    servers = (server for wave in waves for server in wave.servers)
    return (s for s in servers if s.recovery_job_id and not s.taken_over)


def _maybe_launched(waves: Iterable[WaveState]) -> Iterator[ServerResult]:
    """Its own servers, and those of launches whose outcome the history does not have."""
    for wave in waves:
        own = {server.source_server_id for server in own_servers([wave])}
        is_open = wave.is_running or wave.launch_in_doubt
        for server in wave.servers:
            is_unknown = is_open and not server.recovery_job_id and not server.is_final
            if server.source_server_id in own or is_unknown:
                yield server


def _own_jobs(waves: Iterable[WaveState]) -> Iterator[str]:
    return (s.recovery_job_id for s in own_servers(waves) if s.recovery_job_id)
