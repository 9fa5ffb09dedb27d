"""The look at a plan before a drill of it, whose findings somebody accepts."""

import structlog
from temporalio.client import Client

from client.errors import ClientError
from client.readiness.check import check_readiness
from client.takeover import PreviousExecution
from contract.readiness import Readiness
from recovery.plan.model import RecoveryPlan


async def look_before_drill(
    client: Client, plan: RecoveryPlan, previous: PreviousExecution | None
) -> Readiness | None:
    """What a look finds, without the jobs that are taken over; None where no worker can look.

    Such a drill waits for a worker, which refuses itself to launch over a live recovery instance,
    or in a wrong account.
    """
    try:
        found = await check_readiness(client, plan)
    except ClientError as error:
        structlog.get_logger().warning(f"{plan.plan_id} was not looked at before a drill: {error}")
        return None
    return found if previous is None else previous.without_own(found)
