"""How a wave reaches the launcher of its account and Region, which is started if need be."""

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.heartbeat import heartbeating
from aws.errors import AwsError
from aws.targets import TargetClients, WrongAccountError
from contract.identifiers import launcher_workflow_id
from contract.launcher import StartLauncher, WantLaunches
from contract.rpc_limits import RPC_TIMEOUT
from contract.task_queues import TASK_QUEUE
from recovery.plan.model import Target
from settings import Settings


class EnqueueActivities:
    """The activities by which waves reach their launcher."""

    def __init__(self, clients: TargetClients, settings: Settings) -> None:
        self._clients = clients
        self._settings = settings
        self._quotas = clients.quotas(settings)

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
                    rpc_timeout=RPC_TIMEOUT,
                )
            except RPCError as error:
                raise ApplicationError(f"Temporal did not take it: {error.message}") from error
        return workflow_id

    async def _account_of(self, target: Target) -> str | None:
        """The account; as the plan or the role tells it, if STS does not."""
        try:
            return await self._clients.account_of(target)
        except WrongAccountError as wrong:
            raise ApplicationError(str(wrong), type=wrong.kind, non_retryable=True) from wrong
        except AwsError:
            in_role = target.role_arn.split(":")[4] if target.role_arn else None
            return target.account_id or in_role
