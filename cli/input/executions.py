"""The execution that an operator names, by its own ID or by its PlanId."""

from cli.render.output import notice
from client.errors import ClientError
from client.recoveries.protocol import Recoveries
from contract.identifiers import is_execution_id
from recovery.portfolio.state import PortfolioState
from storage.history import HistoryError


async def recorded_execution_id(recoveries: Recoveries, given: str) -> str:
    """Return the ID of a recorded execution.

    Args:
        recoveries: where it is recorded.
        given: that ID; or a PlanId, for the last execution of the plan.

    Raises:
        RefusedError: there is no such execution; the message names the nearest.
        HistoryError: the history cannot be read.
    """
    found = await recoveries.recorded_id(given)
    if found != given:
        notice(f"The last recorded execution of {given} is {found}")
    return found


async def execution_id_of(recoveries: Recoveries, given: str) -> str:
    """Return the ID of an execution, which may run and not be recorded yet.

    Raises:
        RefusedError: there is no such execution; the message names the nearest.
    """
    if is_execution_id(given):
        return given
    running = await recoveries.find_running(given)
    return running.execution_id if running else await recorded_execution_id(recoveries, given)


async def portfolio_named(recoveries: Recoveries, given: str) -> PortfolioState | None:
    """The portfolio that was named where a plan is expected; None if none has this ID."""
    try:
        return await recoveries.portfolios.state(given)
    except (ClientError, HistoryError):
        return None
