"""An execution as the API shows it: its state, what is expected, where to see more."""

import time

from temporalio.service import RPCError

from api.hub import Sight
from api.service import House, web_ui_link
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
    """What an execution is expected to still need.

    Attributes:
        seconds: until its last wave is up.
        overdue: a wave already takes longer than expected, so `seconds` is too short.
    """

    seconds: float
    overdue: bool


class WaveLink(Model):
    """Where Temporal's Web UI shows a wave."""

    wave_id: str
    url: str


class Links(Model):
    """Where Temporal's Web UI shows an execution.

    Attributes:
        execution: None where the UI's address is not known, or Temporal has forgotten it.
        waves: of the waves that were begun.
    """

    execution: str | None = None
    waves: list[WaveLink] = []


class ExecutionView(Model):
    """An execution and what follows from its state.

    Attributes:
        execution: its whole state.
        seen_time: when it was so (epoch seconds).
        error: why it could not be looked at since; null where this is its state of now.
        remaining: null once it has ended.
        critical_path: the chain of waves that decides how long it takes.
    """

    execution: ExecutionState
    seen_time: float
    error: str | None = None
    remaining: RemainingTime | None = None
    critical_path: list[str]
    links: Links


async def view_of(house: House, sight: Sight[ExecutionState]) -> ExecutionView:
    """An execution as it was seen."""
    state = sight.value
    left = remaining(state, now=time.time()) if state.end_time is None else None
    return ExecutionView(
        execution=state,
        seen_time=sight.seen_time,
        error=sight.error or None,
        remaining=left and RemainingTime(seconds=left.seconds, overdue=left.overdue),
        critical_path=critical_path(state),
        links=await _links(house, state),
    )


def critical_path(state: ExecutionState) -> list[str]:
    """The longest chain of waves, by what they took, or are expected to take."""
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


async def _links(house: House, state: ExecutionState) -> Links:
    if house.settings.temporal_ui is None:
        return Links()
    try:
        client = await house.client()
        run_id = None
        if state.end_time is not None:
            # Its workflow's ID may be a later execution's by now.
            runs = await list_runs(client, state.execution_id)
            if not runs:
                return Links()
            run_id = runs[0].run_id
    except (RefusedError, UnreachableError, RPCError):
        return Links()
    namespace = client.namespace

    def link(workflow_id: str, run_id: str | None = None) -> str:
        return web_ui_link(house.settings, namespace, workflow_id, run_id) or ""

    begun = [wave for wave in state.waves if wave.attempt]
    return Links(
        execution=link(plan_workflow_id(state.plan_id), run_id),
        waves=[
            WaveLink(
                wave_id=wave.wave_id,
                url=link(wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)),
            )
            for wave in begun
        ],
    )
