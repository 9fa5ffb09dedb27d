"""An execution as the API returns it: state, remaining time, links."""

import time

from api.hub import POLL_ERRORS, Snapshot
from api.service import ExecutionService
from client.executions import LastKnownState, list_runs
from contract.identifiers import plan_workflow_id, wave_workflow_id
from recovery.base_model import Model
from recovery.execution.state import ExecutionState
from recovery.forecast.remaining import Remaining, critical_path, remaining


class WaveLink(Model):
    """The URL of a wave in Temporal's Web UI."""

    wave_id: str
    url: str


class Links(Model):
    """The URLs of an execution in Temporal's Web UI.

    Attributes:
        execution: null if no Web UI is configured, or Temporal no longer has the execution.
        waves: the waves that have started.
    """

    execution: str | None = None
    waves: list[WaveLink] = []


class ExecutionView(Model):
    """An execution and what is computed from its state.

    Attributes:
        execution: the state; with RecordedTime and OutdatedReason if it is only the last known one.
        seen_time: when the state was last confirmed, or recorded (epoch seconds).
        error: why the state could not be read again since then; null if it is current.
        remaining: null once the execution has ended, or Temporal no longer runs it.
        critical_path: the chain of waves that determines the duration.
    """

    execution: LastKnownState | ExecutionState
    seen_time: float
    error: str | None = None
    remaining: Remaining | None = None
    critical_path: list[str]
    links: Links


def known_state(snapshot: Snapshot[ExecutionState]) -> ExecutionState:
    """The state of a snapshot; marked as the last known one if nothing newer can be read."""
    state = snapshot.value
    if not snapshot.error or isinstance(state, LastKnownState):
        return state
    return LastKnownState.model_validate(
        dict(state) | {"recorded_time": snapshot.seen_time, "outdated_reason": snapshot.error}
    )


async def view_of(service: ExecutionService, snapshot: Snapshot[ExecutionState]) -> ExecutionView:
    """The view of a snapshot."""
    state = known_state(snapshot)
    # What is not known does not go on counting.
    now = snapshot.seen_time if snapshot.error else time.time()
    return ExecutionView(
        execution=state,
        seen_time=snapshot.seen_time,
        error=snapshot.error or None,
        remaining=None if state.is_over else remaining(state, now=now),
        critical_path=list(critical_path(state, now=now)),
        links=await _links(service, state),
    )


async def _links(service: ExecutionService, state: ExecutionState) -> Links:
    if service.settings.temporal_ui is None:
        return Links()
    try:
        client = await service.client()
        run_id = None
        if state.end_time is not None:
            # A later execution may have the same workflow ID.
            runs = await list_runs(client, state.execution_id)
            if not runs:
                return Links()
            run_id = runs[0].run_id
    except POLL_ERRORS:
        return Links()
    links = Links(execution=service.web_ui_link(plan_workflow_id(state.plan_id), run_id))
    for wave in state.waves:
        workflow_id = wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)
        if wave.attempt and (url := service.web_ui_link(workflow_id)):
            links.waves.append(WaveLink(wave_id=wave.wave_id, url=url))
    return links
