"""An execution as the API returns it: state, remaining time, links."""

import time

from temporalio.service import RPCError

from api.hub import Snapshot
from api.service import ExecutionService, web_ui_link
from client.errors import RefusedError, UnreachableError
from client.executions import list_runs
from contract.identifiers import plan_workflow_id, wave_workflow_id
from recovery.base_model import Model
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS
from recovery.forecast.remaining import remaining
from recovery.plan.graph import WaveGraph


class RemainingTime(Model):
    """The expected remaining time of an execution.

    Attributes:
        seconds: until the last wave is up.
        overdue: a wave runs longer than expected, so `seconds` is too low.
    """

    seconds: float
    overdue: bool


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
        execution: the state.
        seen_time: when the state was last confirmed (epoch seconds).
        error: why the state could not be read again since then; null if it is current.
        remaining: null once the execution has ended.
        critical_path: the chain of waves that determines the duration.
    """

    execution: ExecutionState
    seen_time: float
    error: str | None = None
    remaining: RemainingTime | None = None
    critical_path: list[str]
    links: Links


async def view_of(service: ExecutionService, snapshot: Snapshot[ExecutionState]) -> ExecutionView:
    """The view of a snapshot."""
    state = snapshot.value
    left = remaining(state, now=time.time()) if state.end_time is None else None
    return ExecutionView(
        execution=state,
        seen_time=snapshot.seen_time,
        error=snapshot.error or None,
        remaining=left and RemainingTime(seconds=left.seconds, overdue=left.overdue),
        critical_path=critical_path(state),
        links=await _links(service, state),
    )


def critical_path(state: ExecutionState) -> list[str]:
    """The longest chain of waves, by actual or expected durations."""
    graph = WaveGraph({wave.wave_id: wave.depends_on for wave in state.waves})
    return list(
        graph.critical_path({w.wave_id: _seconds(w, state.speed) for w in state.waves}).waves
    )


def _seconds(wave: WaveState, speed: float) -> float:
    if wave.completion_duration is not None:
        return wave.completion_duration * speed
    if wave.status.is_settled:
        return 0.0
    return wave.expected_seconds or DEFAULT_SERVER_SECONDS


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
    except (RefusedError, UnreachableError, RPCError):
        return Links()
    namespace = client.namespace

    def link(workflow_id: str, run_id: str | None = None) -> str:
        return web_ui_link(service.settings, namespace, workflow_id, run_id) or ""

    started = [wave for wave in state.waves if wave.attempt]
    return Links(
        execution=link(plan_workflow_id(state.plan_id), run_id),
        waves=[
            WaveLink(
                wave_id=wave.wave_id,
                url=link(wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)),
            )
            for wave in started
        ],
    )
