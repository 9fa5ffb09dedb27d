"""Reads the running portfolios of recoveries, which may wait for decisions of their own."""

import asyncio

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from client.errors import ClientError
from client.executions import describe_workflow
from contract.identifiers import EXECUTION_TYPE_KEY
from contract.portfolio.start import unpacked_portfolio
from contract.temporal import RPC_TIMEOUT
from recovery.execution.state import ExecutionType
from recovery.portfolio.state import PortfolioState

_SECONDS = 3.0
_RUNNING = (
    "WorkflowType = 'PortfolioWorkflow' AND ExecutionStatus = 'Running' "
    f"AND {EXECUTION_TYPE_KEY.name} = '{ExecutionType.RECOVERY}'"
)


class RunningPortfolios:
    """Reads the portfolios that run; a worker is asked only if a history has grown."""

    def __init__(self) -> None:
        """Create it; nothing is read yet."""
        # By workflow ID, with the run and how long its history was before that state was read.
        self._seen: dict[str, tuple[tuple[str, int], PortfolioState]] = {}

    async def read(self, client: Client) -> tuple[list[PortfolioState], tuple[str, ...]]:
        """The states of the portfolios, and what could not be read."""
        known, self._seen = self._seen, {}
        try:
            async with asyncio.timeout(_SECONDS):
                async for each in client.list_workflows(_RUNNING, rpc_timeout=RPC_TIMEOUT):
                    self._seen[each.id] = await _read(client, each.id, known.get(each.id))
        except (ClientError, RPCError, WorkflowQueryFailedError, TimeoutError) as error:
            self._seen = known | self._seen
            why = str(error) or "no worker answered in time"
            warning = f"whether portfolios wait for other decisions is not known: {why}"
            return [state for _, state in self._seen.values()], (warning,)
        return [state for _, state in self._seen.values()], ()


async def _read(
    client: Client, workflow_id: str, known: tuple[tuple[str, int], PortfolioState] | None
) -> tuple[tuple[str, int], PortfolioState]:
    found = await describe_workflow(client, workflow_id)
    position = found.run_id, found.history_length
    if known is not None and known[0] == position:
        return known
    packed: bytes = await client.get_workflow_handle(workflow_id).query(
        "packed_status", result_type=bytes, rpc_timeout=RPC_TIMEOUT
    )
    return position, unpacked_portfolio(packed)
