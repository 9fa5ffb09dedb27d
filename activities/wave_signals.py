"""What activities tell waves' workflows."""

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from contract.rpc_limits import RPC_TIMEOUT
from recovery.base_model import Model


async def signal_wave(name: str, news: Model, *, workflow_id: str | None = None) -> bool:
    """Signal a wave's workflow; one that has ended needs no news.

    Args:
        name: the signal.
        news: its input.
        workflow_id: the wave's; None: the workflow that runs this activity.

    Returns:
        Whether there is nothing left to tell; False when Temporal did not take it.
    """
    told = workflow_id or activity.info().workflow_id
    if told is None:
        return False
    handle = activity.client().get_workflow_handle(told)
    try:
        await handle.signal(name, news, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        activity.logger.warning("The wave could not be told: %s", error)
        return False
    return True
