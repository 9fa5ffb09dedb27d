"""The targets as this worker reaches them: a DRS client each, and the account it really acts in."""

from temporalio.exceptions import ApplicationError

from activities.aws import AwsSessions, Trouble
from activities.drs_api import DrsApi
from recovery.plan import Target


class Places:
    """DRS in every target; shared by all activities of a worker."""

    def __init__(self, sessions: AwsSessions) -> None:
        self._sessions = sessions
        self._accounts: dict[Target, str] = {}

    def api(self, target: Target) -> DrsApi:
        """DRS in a target."""
        return DrsApi(self._sessions, target)

    async def account_of(self, target: Target) -> str:
        """The account we really act in; asked once a target.

        Raises:
            ApplicationError: not retryable, when it is not the account the plan names.
        """
        if target not in self._accounts:
            account = await self.api(target).account_id()
            if target.account_id and account != target.account_id:
                raise ApplicationError(
                    f"Nothing was launched in {target.region}: the plan names account "
                    f"{target.account_id}, but the worker acts in {account}. Correct AccountId "
                    "or RoleArn, or the worker's credentials",
                    type=Trouble.INVALID,
                    non_retryable=True,
                )
            self._accounts[target] = account
        return self._accounts[target]
