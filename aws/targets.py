"""A DRS client for each target, and a check of the account that it acts in."""

from aws.drs.client import DrsApi
from aws.errors import AwsTrouble, Trouble
from aws.quotas import ServiceQuotas
from aws.sessions import AwsSessions
from recovery.plan.model import Target
from settings import Settings


class WrongAccountError(AwsTrouble):
    """The worker acts in another account than the plan names."""


class Places:
    """DRS clients by target; shared by all activities of a worker."""

    def __init__(self, sessions: AwsSessions) -> None:
        self._sessions = sessions
        self._accounts: dict[Target, str] = {}

    def api(self, target: Target) -> DrsApi:
        """The DRS client of a target; it makes calls only in the account that the plan names."""
        return DrsApi(self._sessions, target, check=lambda: self._check(target))

    def quotas(self, settings: Settings) -> ServiceQuotas:
        """The quotas of all targets."""
        return ServiceQuotas(self._sessions, settings)

    async def _check(self, target: Target) -> None:
        """Refuse a wrong account; go on where STS does not answer."""
        if not target.account_id:
            return
        try:
            await self.account_of(target)
        except WrongAccountError:
            raise
        except AwsTrouble:
            return

    async def account_of(self, target: Target) -> str:
        """The account that calls act in; looked up once a target.

        Raises:
            WrongAccountError: it is not the account the plan names.
            AwsTrouble: STS did not answer.
        """
        if target not in self._accounts:
            account = await self.api(target).account_id()
            if target.account_id and account != target.account_id:
                raise WrongAccountError(
                    Trouble.INVALID,
                    f"Nothing was launched in {target.region}: the plan names account "
                    f"{target.account_id}, but the worker acts in {account}. Correct AccountId "
                    "or RoleArn, or the worker's credentials",
                )
            self._accounts[target] = account
        return self._accounts[target]
