"""Signals from an activity to the workflow that runs it."""

from datetime import timedelta

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from recovery.base_model import Model

_RPC_TIMEOUT = timedelta(seconds=10)


async def signal_caller(name: str, *signal: Model) -> bool:
    """Signal the workflow that runs this activity, while the activity continues.

    A later run of the same ID, after a reset for example, does not get it.

    Returns:
        Whether the signal is done: Temporal accepted it, or the workflow has ended.
    """
    info = activity.info()
    if info.workflow_id is None:
        return False
    handle = activity.client().get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
    try:
        await handle.signal(name, args=signal, rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        activity.logger.warning("Signal %s was not sent: %s", name, error)
        return False
    return True
