"""Makes a worker's first activations of a loaded run agree with every later replay.

The SDK's core (temporalio 1.35) splits the history of a run that it has just loaded into
activations differently than later replays do, in two cases. The workflow's commands may then come
in another order, and this history can never be replayed again: the workflow is stuck.

**Queries.** A query to a worker that does not hold the run is answered from its history. Core then
also applies the events after the last workflow task, although no task has begun for them yet, and
those of a last task without commands, which may turn out to be a heartbeat (see below); and it
keeps the run. The next task has only the events since: two activations of what a replay does in
one. Go's SDK does not keep a run that it loads for a query. Here such a run is evicted with the
answer, so that its next task replays it; unless commands ended its last task, for then a replay
cuts the history there too.

**Updates.** Core takes a task that ended without commands, and that another one directly follows,
for a heartbeat, and shows the events of both at once; unless the second task accepted an update,
which only later replays see. So the first task after a load accepts no update together with
other events: it is rejected and has to be sent again, after a signal, which leaves an event. The
run is evicted: where the rejection leaves no trace in the history, the other events belong to an
earlier task, and another time, in every later replay. And after a task without commands no update
is rejected by a validator, without a trace: it is accepted and then fails.
"""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

from contract.failures import FailureType

# Core's ID of a query that came without a workflow task.
_DIRECT_QUERY_ID = "legacy_query"
_SEND_AGAIN = (
    "a worker has just loaded this execution; nothing was done. Send a signal, then send this again"
)


class ReplayableRunner(WorkflowRunner):
    """Runs workflows so that their histories can be replayed.

    Tests run them in the SDK's sandbox, where what is not deterministic fails. A worker runs them
    without: the sandbox imports a workflow's modules again for each run, which takes 20 ms to 30 ms
    and keeps a copy of them for each run in the cache.
    """

    def __init__(self, *, is_sandboxed: bool = True) -> None:
        self._runner = SandboxedWorkflowRunner() if is_sandboxed else UnsandboxedWorkflowRunner()
        self._worker: Worker | None = None

    def serve(self, worker: Worker) -> Worker:
        """Set the worker to evict runs from; it must be the one that uses this runner."""
        self._worker = worker
        return worker

    def prepare_workflow(self, defn: Any) -> None:
        """Check that a workflow can be loaded."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create a run of a workflow for the cache."""
        return _LoadedRun(self._runner.create_instance(det), self._evict)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        """Set which errors fail a workflow instead of its task."""
        self._runner.set_worker_level_failure_exception_types(types)

    def _evict(self, run_id: str) -> None:
        if self._worker is not None:
            # The SDK has no public method for it.
            self._worker._bridge_worker.request_workflow_eviction(run_id)


class _LoadedRun(WorkflowInstance):
    """A run in a worker's cache."""

    def __init__(self, inner: WorkflowInstance, evict: Callable[[str], None]) -> None:
        self._inner = inner
        self._evict = evict
        self._activating = Lock()
        # Of the last activation: when its task began, and the last event that it covers.
        self._task_time = 0
        self._end = 0
        self._was_replayed = False
        self._has_begun_task = False
        self._answers_tasks = False
        # Whether the last task may be taken for a heartbeat.
        self._left_nothing = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Handle an activation, after the one that the SDK may have given up waiting for."""
        with self._activating:
            return self._activate(act)

    def _activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if kinds == {"query_workflow"}:
            is_direct = act.jobs[0].query_workflow.query_id == _DIRECT_QUERY_ID
            if is_direct and not self._answers_tasks and self._end == act.history_length:
                # Before the response is sent, after which another task may come.
                self._evict(act.run_id)
            return self._inner.activate(act)
        # All activations of a task carry the time at which it began, and so do later events.
        task_time = act.timestamp.ToNanoseconds()
        begins_task = not act.is_replaying and task_time != self._task_time
        # A loaded run's first may show a query the events after what may be a heartbeat.
        is_known = self._has_begun_task or "initialize_workflow" in kinds
        self._answers_tasks = begins_task and is_known
        self._has_begun_task |= begins_task
        self._task_time, self._end = task_time, act.history_length
        is_first_after_replay = self._was_replayed and not act.is_replaying
        self._was_replayed = act.is_replaying
        if is_first_after_replay and "do_update" in kinds and len(kinds) > 1:
            completion = self._activate_without_updates(act)
        else:
            for job in act.jobs:
                if self._left_nothing and job.HasField("do_update"):
                    job.do_update.run_validator = False
            completion = self._inner.activate(act)
        leaves_events = _leave_events(completion.successful.commands)
        if leaves_events or kinds != {"do_update"}:
            # A task with updates alone that are all rejected has no part in a replay.
            self._left_nothing = not leaves_events
        return completion

    def _activate_without_updates(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        updates = [job.do_update for job in act.jobs if job.HasField("do_update")]
        others = [job for job in act.jobs if not job.HasField("do_update")]
        reduced = WorkflowActivation()
        reduced.CopyFrom(act)
        del reduced.jobs[:]
        reduced.jobs.extend(others)
        self._evict(act.run_id)
        completion = self._inner.activate(reduced)
        if completion.HasField("successful"):
            for update in updates:
                answer = completion.successful.commands.add().update_response
                answer.protocol_instance_id = update.protocol_instance_id
                answer.rejected.CopyFrom(_rejection())
        return completion

    def get_serialization_context(self, command_info: Any) -> None:
        """None, because our payloads are encoded the same way everywhere.

        The SDK would run code in the workflow's sandbox for each payload: a quarter of a busy
        worker's CPU time.
        """

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        """Empty, because no payload is stored externally; otherwise as the other context."""
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        """See the SDK's."""
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        """None, so that the SDK interrupts no activation that takes over 2 seconds.

        An interrupted one may lose a step of a task. The run could then never be evicted, nor
        could the worker stop. On a machine that stalls, the activation ends by itself, and its
        task is tried again.
        """


def _leave_events(commands: Iterable[WorkflowCommand]) -> bool:
    """Whether commands leave events in the history."""
    leaving: set[tuple[str, int]] = set()
    for command in commands:
        match command.WhichOneof("variant"):
            case "respond_to_query":
                pass
            case "update_response" if command.update_response.HasField("rejected"):
                pass
            case "cancel_timer" if ("start_timer", command.cancel_timer.seq) in leaving:
                leaving.remove(("start_timer", command.cancel_timer.seq))
            case "start_timer":
                leaving.add(("start_timer", command.start_timer.seq))
            case _:
                return True
    return bool(leaving)


def _rejection() -> Failure:
    failure = Failure(message=_SEND_AGAIN)
    failure.application_failure_info.type = FailureType.SEND_AGAIN
    return failure
