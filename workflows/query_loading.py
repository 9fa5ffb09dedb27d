"""Keeps a query from splitting the workflow task that comes after it.

A query to a worker that does not hold the run is answered from its history. The SDK's core
(temporalio 1.35) then also applies the events after the last workflow task, although no task has
begun for them yet, and keeps the run. The next task brings only the events since: the workflow
sees in two activations what every replay shows in one, its commands may come in another order, and
then this history can never be replayed again: the workflow is stuck.

Go's SDK does not keep what it loaded for a query. Here such a run is evicted together with the
answer, so that its next task replays it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import (
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

# How core names a query that came by itself and not with a workflow task.
_QUERY_BY_ITSELF = "legacy_query"


class EvictingRunner(WorkflowRunner):
    """Runs workflows in the SDK's sandbox; evicts those that a query has brought too far."""

    def __init__(self) -> None:
        self._sandboxed = SandboxedWorkflowRunner()
        self._worker: Worker | None = None

    def serve(self, worker: Worker) -> Worker:
        """Evict from this worker, which must be the one that was made with this runner."""
        self._worker = worker
        return worker

    def prepare_workflow(self, defn: Any) -> None:
        """Check that a workflow can be loaded in the sandbox."""
        self._sandboxed.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run of a workflow, as it is held in the cache."""
        return _EvictedInstance(self._sandboxed.create_instance(det), self._evict)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        """Which errors fail a workflow instead of its task."""
        self._sandboxed.set_worker_level_failure_exception_types(types)

    def _evict(self, run_id: str) -> None:
        if self._worker is not None:
            # The SDK has no other way to it.
            self._worker._bridge_worker.request_workflow_eviction(run_id)


class _EvictedInstance(WorkflowInstance):
    """A run that leaves the cache with the answer to a query that has brought it too far."""

    def __init__(self, inner: WorkflowInstance, evict: Callable[[str], None]) -> None:
        self._inner = inner
        self._evict = evict
        self._task_time = 0
        self._is_ahead = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Handle an activation, and ask for the eviction before its answer goes out."""
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if kinds == {"query_workflow"}:
            if self._is_ahead and act.jobs[0].query_workflow.query_id == _QUERY_BY_ITSELF:
                self._evict(act.run_id)
        else:
            # All activations of a task tell the time at which it began.
            task_time = act.timestamp.ToNanoseconds()
            self._is_ahead = not act.is_replaying and task_time == self._task_time
            self._task_time = task_time
        return self._inner.activate(act)

    def get_serialization_context(self, command_info: Any) -> Any:
        """See the SDK's."""
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        """See the SDK's."""
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """See the SDK's."""
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        """See the SDK's."""
        return self._inner.get_thread_id()
