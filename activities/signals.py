"""Signals from activities to workflows: to the one that runs them, and to others."""

from datetime import timedelta
from enum import StrEnum

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from recovery.base_model import Model

_RPC_TIMEOUT = timedelta(seconds=10)


class Delivery(StrEnum):
    """What became of a signal."""

    SENT = "SENT"
    ENDED = "ENDED"
    FAILED = "FAILED"


async def signal_caller(name: str, *signal: Model) -> bool:
    """Signal the workflow that runs this activity, while the activity continues.

    A later run of the same ID, after a reset for example, does not get it.

    Returns:
        Whether the signal is done: Temporal accepted it, or the workflow has ended.
    """
    info = activity.info()
    if info.workflow_id is None:
        return False
    return await signal_other(info.workflow_id, name, *signal, run_id=info.workflow_run_id)


async def signal_other(
    workflow_id: str, name: str, *signal: Model, run_id: str | None = None
) -> bool:
    """Signal any workflow.

    Returns:
        Whether the signal is done: Temporal accepted it, or the workflow has ended.
    """
    return await deliver(workflow_id, name, *signal, run_id=run_id) is not Delivery.FAILED


async def deliver(
    workflow_id: str, name: str, *signal: Model, run_id: str | None = None
) -> Delivery:
    """Signal any workflow: whether Temporal accepted it, or the workflow has ended."""
    handle = activity.client().get_workflow_handle(workflow_id, run_id=run_id)
    try:
        await handle.signal(name, args=signal, rpc_timeout=_RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Delivery.ENDED
        activity.logger.warning("Signal %s was not sent: %s", name, error)
        return Delivery.FAILED
    return Delivery.SENT
