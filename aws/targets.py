"""A DRS client for each target, and a check of the account that it acts in."""

from aws.drs.client import DrsClient
from aws.errors import AwsError, AwsErrorKind
from aws.quotas import ServiceQuotas
from aws.sessions import AwsSessions
from recovery.plan.model import Target
from settings import Settings


class WrongAccountError(AwsError):
    """The worker acts in another account than the plan names."""


class TargetClients:
    """DRS clients by target; shared by all activities of a worker."""

    def __init__(self, sessions: AwsSessions) -> None:
        self._sessions = sessions
        self._accounts: dict[Target, str] = {}

    def drs(self, target: Target) -> DrsClient:
        """The DRS client of a target; it makes calls only in the account that the plan names."""
        return DrsClient(self._sessions, target, check=lambda: self._check(target))

    def quotas(self, settings: Settings) -> ServiceQuotas:
        """The quotas of all targets."""
        return ServiceQuotas(self._sessions, settings)

    async def _check(self, target: Target) -> None:
        """Raise for a wrong account; ignore a failure of STS."""
        if not target.account_id:
            return
        try:
            await self.account_of(target)
        except WrongAccountError:
            raise
        except AwsError:
            return

    async def account_of(self, target: Target) -> str:
        """The account that calls act in; looked up once a target.

        Raises:
            WrongAccountError: it is not the account the plan names.
            AwsError: STS did not answer.
        """
        if target not in self._accounts:
            account = await self.drs(target).account_id()
            if target.account_id and account != target.account_id:
                raise WrongAccountError(
                    AwsErrorKind.INVALID,
                    f"Nothing was launched in {target.region}: the plan names account "
                    f"{target.account_id}, but the worker acts in {account}. Correct AccountId "
                    "or RoleArn, or the worker's credentials",
                )
            self._accounts[target] = account
        return self._accounts[target]
