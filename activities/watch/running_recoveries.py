"""Which real recoveries run in an account, as Temporal knows without asking a worker."""

from dataclasses import dataclass

from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from aws.errors import AwsError
from aws.targets import TargetClients
from contract.identifiers import EXECUTION_ID_KEY, TARGETS_MEMO
from contract.temporal import RPC_TIMEOUT
from recovery.plan.model import Target

_QUERY = (
    "WorkflowType = 'RecoveryPlanWorkflow' AND ExecutionStatus = 'Running' "
    "AND DrsExecutionType = 'RECOVERY'"
)


@dataclass(frozen=True)
class RunningRecovery:
    """A real recovery that runs.

    Attributes:
        targets: the accounts, or none for the worker's own, and Regions that it launches in.
    """

    execution_id: str
    targets: frozenset[tuple[str, str]]


class RunningRecoveries:
    """Looks for the recoveries that drills must not disturb."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients

    async def in_target(self, client: Client, target: Target) -> list[str]:
        """The recoveries with launches in an account and Region.

        Raises:
            ApplicationError: retryable; Temporal or STS did not answer.
        """
        if not (running := await _running(client)):
            return []
        account = await self._account(target)
        own = await self._account(Target(region=target.region))
        return [
            each.execution_id
            for each in running
            if any((of or own, region) == (account, target.region) for of, region in each.targets)
        ]

    async def in_accounts(self, client: Client, targets: list[Target]) -> list[str]:
        """The recoveries with launches in an account of these targets, in whichever Region.

        Raises:
            ApplicationError: retryable; Temporal or STS did not answer.
        """
        if not (running := await _running(client)):
            return []
        accounts = {await self._account(target) for target in targets}
        own = await self._account(Target(region=targets[0].region))
        return [
            each.execution_id
            for each in running
            if any((of or own) in accounts for of, _ in each.targets)
        ]

    async def _account(self, target: Target) -> str:
        known = target.account_id or target.role_account_id
        if known is not None:
            return known
        try:
            return await self._clients.drs(target).account_id()
        except AwsError as error:
            raise ApplicationError(f"The account is not known: {error}") from error


async def _running(client: Client) -> list[RunningRecovery]:
    found = []
    try:
        async for each in client.list_workflows(_QUERY, rpc_timeout=RPC_TIMEOUT):
            keys = (await each.memo()).get(TARGETS_MEMO, [])
            targets = frozenset(_target(key) for key in keys if isinstance(key, str))
            execution_id = each.typed_search_attributes.get(EXECUTION_ID_KEY) or each.id
            found.append(RunningRecovery(execution_id, targets))
    except RPCError as error:
        raise ApplicationError(f"Running recoveries cannot be listed: {error.message}") from error
    return found


def _target(key: str) -> tuple[str, str]:
    """The account and Region of a `target_key`."""
    account, _, region = key.partition("/")
    return account, region
