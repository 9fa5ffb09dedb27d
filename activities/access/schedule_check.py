"""Whether a signed schedule still starts drills, as the table of plans and the freeze file say."""

import time
from pathlib import Path

from temporalio.exceptions import ApplicationError

from recovery.access.grants import AccessCode, AccessRefusedError, ScheduleSubject
from recovery.model_file import ModelFileError, read_model
from recovery.schedule.decision import forbidden
from recovery.schedule.model import FreezeFile, FreezeWindow
from settings import Settings
from storage.dynamodb import TableError
from storage.schedules import ScheduleTable

# A thousand launches of a drill need not ask a thousand times.
_VALID_SECONDS = 15.0


def freeze_windows(settings: Settings) -> list[FreezeWindow]:
    """The freeze windows of the installation, read afresh.

    Raises:
        ModelFileError: the file cannot be read, or is not valid.
    """
    file = settings.freeze_file
    if file is None:
        return []
    return read_model(Path(file), FreezeFile, what="the file of freeze windows").freeze


class ScheduleCheck:
    """Verifies what the workflow of a scheduled drill has decided, for it may have been left out.

    It remembers for a few seconds that a signature is not revoked.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._table = ScheduleTable(settings)
        self._valid: dict[str, float] = {}

    async def require_allowed(self, schedule: ScheduleSubject, *, began: float) -> None:
        """Refuse a drill that was started although its plan, or a freeze window, forbade it.

        Args:
            schedule: as it is signed.
            began: when the plan's workflow was started, by Temporal (epoch seconds); what was
                registered since changes nothing.

        Raises:
            AccessRefusedError: it must not be launched.
            ApplicationError: retryable; DynamoDB, or the file of freeze windows, cannot be read.
        """
        try:
            registered = await self._table.plan_at(schedule.plan_id, began)
            windows = freeze_windows(self._settings)
        except (TableError, ModelFileError) as error:
            raise ApplicationError(f"A scheduled drill cannot be verified: {error}") from error
        plan = registered.plan if registered is not None else None
        if (skip := forbidden(plan, windows, schedule, start_time=began)) is not None:
            raise AccessRefusedError(
                AccessCode.NOT_SCHEDULED, f"the drill must not have started: {skip.reason}"
            )

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
