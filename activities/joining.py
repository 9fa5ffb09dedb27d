"""How a wave reaches the launcher of its account and Region, which is started if need be."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.aws import AwsTrouble
from activities.heartbeat import heartbeating
from activities.launches import LaunchRequest
from activities.places import Places, WrongAccountError
from recovery.admission import DEFAULT_PRIORITY, Quotas
from recovery.model import Model
from recovery.plan import Target
from settings import TASK_QUEUE, Settings

_RPC = timedelta(seconds=10)


class WantLaunches(Model):
    """What a wave wants launched, and how urgently. The launcher takes it as a signal, too.

    Attributes:
        priority: the plan's, 1 the first.
        remaining: seconds that the plan takes from here on, along its longest chain.
        launch_before: when the plan's deadline passes (epoch seconds).
        quotas: what DRS allows, as the worker knows it.
        pause_seconds: between two looks at jobs, as the worker is set.
    """

    requests: list[LaunchRequest]
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    launch_before: float
    quotas: Quotas = Quotas()
    pause_seconds: float = 5.0


class StartLauncher(Model):
    """Input of the launcher's workflow; more of it is the launcher's own, from run to run."""

    account_id: str
    region: str


class JoiningActivities:
    """The activities by which waves reach their launcher."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self._places = places
        self._settings = settings
        self._quotas = places.quotas(settings)

    @activity.defn
    async def want_launches(self, wanted: WantLaunches) -> str:
        """Tell the launcher of the account and Region what is wanted; once is as good as twice.

        Returns:
            The launcher's workflow ID.

        Raises:
            ApplicationError: not retryable, if the worker acts in another account than the plan
                says; retryable, if Temporal does not take it.
        """
        target = wanted.requests[0].target
        async with heartbeating():
            account_id = await self._account_of(target)
            known = target.model_copy(update={"account_id": account_id})
            settings = self._settings
            news = wanted.model_copy(
                update={
                    "requests": [
                        request.model_copy(update={"target": known}) for request in wanted.requests
                    ],
                    "quotas": await self._quotas.of(target),
                    "pause_seconds": settings.scaled_poll_seconds,
                }
            )
            workflow_id = launcher_workflow_id(account_id or "unknown", target.region)
            try:
                await activity.client().start_workflow(
                    "LauncherWorkflow",
                    StartLauncher(account_id=account_id or "unknown", region=target.region),
                    id=workflow_id,
                    task_queue=TASK_QUEUE,
                    start_signal="want",
                    start_signal_args=[news],
                    rpc_timeout=_RPC,
                )
            except RPCError as error:
                raise ApplicationError(f"Temporal did not take it: {error.message}") from error
        return workflow_id

    async def _account_of(self, target: Target) -> str | None:
        """The account; as the plan or the role tells it, if STS does not."""
        try:
            return await self._places.account_of(target)
        except WrongAccountError as wrong:
            raise ApplicationError(str(wrong), type=wrong.kind, non_retryable=True) from wrong
        except AwsTrouble:
            in_role = target.role_arn.split(":")[4] if target.role_arn else None
            return target.account_id or in_role


def launcher_workflow_id(account_id: str, region: str) -> str:
    """The workflow ID of the launcher of an account and Region."""
    return f"drs-launcher/{account_id}/{region}"
