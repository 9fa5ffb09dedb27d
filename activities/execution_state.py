"""Reads the state of an execution, running or closed, by queries of its workflows.

A worker must answer queries, for which it replays the workflow's history.
"""

import asyncio

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError, RPCStatusCode

from contract.execution import ExecutionRun, unpacked_state
from contract.identifiers import EXECUTION_ID_KEY, wave_workflow_id
from contract.temporal import REPLAY_TIMEOUT
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.history.comparison import TemporalState
from recovery.plan.model import RecoveryPlan

_QUERIES_AT_ONCE = 16


class StateUnavailableError(Exception):
    """Temporal or its workers do not return the state of an execution."""


async def read_temporal_state(client: Client, run: ExecutionRun) -> TemporalState:
    """Read an execution's state from its plan's workflow and from those of its waves.

    Raises:
        StateUnavailableError: no response; a retry may succeed.
    """
    try:
        described = await _latest(client, run)
        handle = client.get_workflow_handle(run.workflow_id, run_id=described.run_id)
        packed: bytes = await handle.query(
            "packed_status", result_type=bytes, rpc_timeout=REPLAY_TIMEOUT
        )
        state = unpacked_state(packed)
        plan: RecoveryPlan = await handle.query(
            "plan", result_type=RecoveryPlan, rpc_timeout=REPLAY_TIMEOUT
        )
        waves = await _wave_states(client, state)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise StateUnavailableError(
            f"The state of {run.execution_id} cannot be read: {error}. Is a worker running? "
            "`drs-waves worker` starts one"
        ) from error
    is_closed = described.status is not WorkflowExecutionStatus.RUNNING
    return TemporalState(state=state, plan=plan, waves=waves, is_closed=is_closed)


async def _latest(client: Client, run: ExecutionRun) -> WorkflowExecutionDescription:
    """The execution's last run; after a reset, another than the given one."""
    latest = await client.get_workflow_handle(run.workflow_id).describe(rpc_timeout=REPLAY_TIMEOUT)
    if latest.typed_search_attributes.get(EXECUTION_ID_KEY) == run.execution_id:
        return latest
    known = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    return await known.describe(rpc_timeout=REPLAY_TIMEOUT)


async def _wave_states(client: Client, state: ExecutionState) -> dict[str, WaveState]:
    """By WaveId, the states from the waves' own workflows, which may outlive the plan's."""
    semaphore = asyncio.Semaphore(_QUERIES_AT_ONCE)

    async def query(wave: WaveState) -> WaveState | None:
        workflow_id = wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)
        async with semaphore:
            try:
                state_of_wave: WaveState = await client.get_workflow_handle(workflow_id).query(
                    "status", result_type=WaveState, rpc_timeout=REPLAY_TIMEOUT
                )
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
            return state_of_wave

    started = [wave for wave in state.waves if wave.has_workflow and wave.attempt]
    states = await asyncio.gather(*(query(wave) for wave in started))
    return {wave.wave_id: wave for wave in states if wave is not None}
