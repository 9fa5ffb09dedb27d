"""Reads which post-launch actions DRS is to run on the servers of a watch."""

import asyncio
import random
from contextlib import suppress

from temporalio import activity

from aws.drs.client import DrsClient
from aws.drs.server_status import ServerStatusTracker
from aws.errors import AwsError
from recovery.execution.server import LaunchStatus

_LONGEST_PAUSE = 600.0
_FIRST_PAUSE = 10.0
# When it begins, as shares of the time in which polls are slow, which is 0.6 of what the fastest
# server takes: when hundreds of waves start at once, their launches come first.
_FIRST_SHARE, _LAST_SHARE = 1.0, 1.5


class ExpectedActions:
    """Reads each server's launch configuration once, and its actions where they are enabled.

    It begins some time before a server is expected to be launched, or when the first is. One call
    at a time, so that a wave of 500 servers makes no burst of calls; after an error it pauses,
    twice as long each time. No launch, poll or lookup waits for it.
    """

    def __init__(self, api: DrsClient, tracker: ServerStatusTracker, *, speed: float) -> None:
        """Prepare to read for the servers of `tracker`; `speed` divides the pauses."""
        self._api = api
        self._tracker = tracker
        self._speed = speed
        self._needed = asyncio.Event()

    def begin(self) -> None:
        """Begin to read now, because a server is launched."""
        self._needed.set()

    async def run(self, *, within: float) -> None:
        """Read until the actions of all servers are known.

        Args:
            within: seconds in which no server is expected to be launched.
        """
        results = self._tracker.results
        if any(each.launch_status is LaunchStatus.LAUNCHED for each in results):
            # By an earlier attempt.
            self.begin()
        delay = random.uniform(_FIRST_SHARE, _LAST_SHARE) * max(0.0, within)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._needed.wait(), delay)
        pause = _FIRST_PAUSE
        while self._tracker.without_expected_actions:
            try:
                await self.read()
            except AwsError as error:
                activity.logger.warning("Post-launch actions cannot be read: %s", error)
            if self._tracker.without_expected_actions:
                await asyncio.sleep(pause / self._speed)
                pause = min(_LONGEST_PAUSE, pause * 2)

    async def read(self) -> None:
        """Read what is not known, up to the first error; an unclear response is tried again.

        Raises:
            AwsError: DRS could not be read.
        """
        for server_id in self._tracker.without_expected_actions:
            enabled = (await self._api.launch_configuration(server_id)).post_launch_enabled
            if enabled is not None:
                actions = await self._api.launch_actions(server_id) if enabled else []
                self._tracker.expected_actions[server_id] = actions
