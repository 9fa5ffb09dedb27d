"""What activities tell the wave's workflow that runs them, while they run."""

from datetime import timedelta

from temporalio import activity
from temporalio.service import RPCError

from recovery.model import Model


async def signal_wave(name: str, news: Model) -> bool:
    """Signal the wave's workflow that runs this activity; False when Temporal did not take it."""
    info = activity.info()
    if info.workflow_id is None:
        return False
    handle = activity.client().get_workflow_handle(info.workflow_id)
    try:
        await handle.signal(name, news, rpc_timeout=timedelta(seconds=10))
    except RPCError as error:
        activity.logger.warning("The wave could not be told: %s", error)
        return False
    return True
