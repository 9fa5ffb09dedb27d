"""What follows the registration of a plan in Temporal."""

from collections.abc import Awaitable, Callable

from temporalio.client import Client

from client.errors import ClientError, UnreachableError
from client.schedules.reconcile import reconcile_schedules, remove_schedules
from recovery.plan.model import RecoveryPlan
from security.signers import RequestSigner


async def apply_registration(
    connect: Callable[[], Awaitable[Client]],
    plan: RecoveryPlan,
    *,
    actor: str,
    signer: RequestSigner | None = None,
) -> None:
    """Make the Schedules of a plan that is registered as its newest version has them.

    Args:
        connect: connects to Temporal.
        plan: the plan.
        actor: who registered it.
        signer: signs what its schedule may start.

    Raises:
        UnreachableError: the plan has a Schedule, and Temporal does not have it now.
    """
    try:
        await reconcile_schedules(await connect(), plan, actor=actor, signer=signer)
    except ClientError as error:
        # An earlier Schedule starts nothing that the registered plan does not have.
        if plan.schedule is not None:
            raise UnreachableError(
                f"{plan.plan_id} is registered, but its schedule is not changed: {error.text}. "
                "Register it again"
            ) from error


async def apply_removal(connect: Callable[[], Awaitable[Client]], plan: RecoveryPlan) -> None:
    """Remove the Schedules of a plan, before it is marked as removed.

    Raises:
        UnreachableError: the plan has a Schedule, and Temporal did not remove it.
    """
    try:
        await remove_schedules(await connect(), plan.plan_id)
    except ClientError as error:
        # What is left looks at a plan that is not registered, and so does nothing.
        if plan.schedule is not None:
            raise UnreachableError(
                f"{plan.plan_id} was not removed, for its schedule was not: {error.text}"
            ) from error
