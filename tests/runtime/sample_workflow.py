"""Two workflows whose next command tells how the SDK's core has cut their history.

They are alone in a module because the workflow sandbox imports it again, with all that it imports.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

_TIMEOUT = timedelta(minutes=1)
_SOON_SECONDS = 3.0


@workflow.defn
class TwoBranches:
    """Starts a timer after `record` and a third activity after `check`.

    The timer waits for a condition. Conditions are looked at when an activation has no more to do,
    so if both results come in one activation, the third activity comes first.
    """

    def __init__(self) -> None:
        self._is_recorded = False

    @workflow.run
    async def run(self) -> None:
        """Run both branches."""
        await asyncio.gather(self._check(), self._record(), self._wait())

    @workflow.query
    def status(self) -> str:
        """Anything, as only the moment of the query counts."""
        return "running"

    async def _check(self) -> None:
        await workflow.execute_activity("check", schedule_to_close_timeout=_TIMEOUT)
        await workflow.execute_activity("launch", schedule_to_close_timeout=_TIMEOUT)

    async def _record(self) -> None:
        await workflow.execute_activity("record", schedule_to_close_timeout=_TIMEOUT)
        self._is_recorded = True

    async def _wait(self) -> None:
        await workflow.wait_condition(lambda: self._is_recorded)
        await workflow.sleep(_TIMEOUT)


@workflow.defn
class TwoReports:
    """Starts a timer if two reports come together or soon after each other, else an activity."""

    def __init__(self) -> None:
        self._times: list[float] = []

    @workflow.run
    async def run(self) -> None:
        """Wait for the reports."""
        await workflow.sleep(_TIMEOUT)
        await workflow.wait_condition(lambda: len(self._times) > 0)
        came_together = len(self._times) > 1
        await workflow.wait_condition(lambda: len(self._times) > 1)
        if came_together or self._times[1] - self._times[0] < _SOON_SECONDS:
            await workflow.sleep(_TIMEOUT)
        else:
            await workflow.execute_activity("record", schedule_to_close_timeout=_TIMEOUT)

    @workflow.signal
    def report(self) -> None:
        """One report."""
        self._times.append(workflow.time())

    @workflow.update
    def ask(self) -> None:
        """Change nothing, as only the events of an accepted update count."""

    @workflow.update
    def refuse(self) -> None:
        """Fail, as its validator does."""
        raise ApplicationError("refused")

    @refuse.validator
    def refuse_early(self) -> None:
        """Reject every such update."""
        raise ApplicationError("refused")
