"""Reads the running portfolios of recoveries, which may wait for decisions of their own."""

import asyncio

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

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


async def running_portfolios(client: Client) -> tuple[list[PortfolioState], tuple[str, ...]]:
    """The states of the portfolios, and what could not be read."""
    found: list[PortfolioState] = []
    try:
        async with asyncio.timeout(_SECONDS):
            async for each in client.list_workflows(_RUNNING, rpc_timeout=RPC_TIMEOUT):
                packed: bytes = await client.get_workflow_handle(each.id).query(
                    "packed_status", result_type=bytes, rpc_timeout=RPC_TIMEOUT
                )
                found.append(unpacked_portfolio(packed))
    except (RPCError, WorkflowQueryFailedError, TimeoutError) as error:
        why = str(error) or "no worker answered in time"
        return found, (f"whether portfolios wait for decisions is not known: {why}",)
    return found, ()
