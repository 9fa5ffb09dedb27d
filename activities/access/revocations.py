"""Whether the signature of a schedule was revoked, as the table of plans has it."""

import time

from temporalio.exceptions import ApplicationError

from recovery.access.grants import AccessCode, AccessRefusedError
from storage.dynamodb import TableError
from storage.schedules import ScheduleTable

# A thousand launches of a drill need not ask a thousand times.
_VALID_SECONDS = 15.0


class Revocations:
    """Looks up revocations, and remembers for a few seconds that there is none."""

    def __init__(self, table: ScheduleTable) -> None:
        self._table = table
        self._valid: dict[str, float] = {}

    async def require_valid(self, plan_id: str, nonce: str) -> None:
        """Refuse a signature that was revoked.

        Raises:
            AccessRefusedError: it was.
            ApplicationError: retryable; DynamoDB did not answer.
        """
        if time.monotonic() < self._valid.get(nonce, 0.0):
            return
        try:
            revoked = await self._table.revoked(plan_id, nonce)
        except TableError as error:
            raise ApplicationError(f"Revocations cannot be read: {error}") from error
        if revoked is not None:
            raise AccessRefusedError(
                AccessCode.REVOKED, f"the signature of its schedule is revoked: {revoked}"
            )
        self._valid[nonce] = time.monotonic() + _VALID_SECONDS
