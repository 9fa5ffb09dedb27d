"""Starts the job of a batch's launches; what DRS does not accept is excluded."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from activities.fence import confirm_attempt
from activities.launch.launch import Launch
from aws.drs.client import DrsClient
from aws.drs.launch_search import SearchResult, part_id
from aws.drs.models import Job
from aws.errors import AwsError, AwsErrorKind
from contract.launch import LaunchHeartbeat
from recovery.execution.wave import WaitingFor
from recovery.plan.model import Server
from recovery.plan.point_in_time import lost_snapshot_reason

Search = Callable[[], Awaitable[list[tuple[Launch, SearchResult]]]]


class JobStarter:
    """Calls StartRecovery for launches.

    Attributes:
        in_doubt: DRS may have accepted a call that it did not answer.
        split: DRS refused the call because of one unnamed launch.
    """

    def __init__(
        self, api: DrsClient, heartbeat: LaunchHeartbeat, search: Search, *, is_drill: bool
    ) -> None:
        """Prepare.

        Args:
            api: DRS in the launches' target.
            heartbeat: the heartbeat details.
            search: reads the jobs, and searches those of the open launches.
            is_drill: whether the job is a drill.
        """
        self._api = api
        self._heartbeat = heartbeat
        self._search = search
        self._is_drill = is_drill
        self.in_doubt = False
        self.split = False
        self._not_after = math.inf

    async def start(self, launches: Sequence[Launch], *, not_after: float = math.inf) -> None:
        """Start the launches' job; servers that DRS does not accept are excluded and reported.

        Args:
            launches: the launches.
            not_after: do not send a call after this time (`time.monotonic`).

        Raises:
            AwsError: no launch can be sent now.
        """
        self._not_after = not_after
        while requested := [m for m in launches if m.is_open and m.launchable]:
            servers = [server for launch in requested for server in launch.launchable]
            try:
                job = await self._send(servers, [m.request.launch_id for m in requested])
            except AwsError as error:
                if not await self._exclude(requested, error):
                    return
            else:
                for launch in requested:
                    launch.job = job
                return

    async def _send(self, servers: Sequence[Server], launch_ids: Sequence[str]) -> Job:
        self.in_doubt = True
        self._heartbeat.sent_time, self._heartbeat.searched_seconds = time.time(), 0.0
        try:
            await self._api.renew_credentials()
            not_after = min(self._not_after, await confirm_attempt(self._heartbeat))
            job = await _finish_call(
                self._api.start_recovery(
                    servers, is_drill=self._is_drill, launch_ids=launch_ids, not_after=not_after
                )
            )
        except AwsError as error:
            self.in_doubt = not error.kind.had_no_effect
            raise
        self.in_doubt = False
        return job

    async def _exclude(self, requested: list[Launch], error: AwsError) -> bool:
        """Exclude what the call was refused for.

        Returns:
            Whether to send the rest at once.

        Raises:
            AwsError: the error concerns the whole call.
        """
        if error.kind is AwsErrorKind.QUOTA:
            for launch in requested:
                launch.postpone(WaitingFor.QUOTA, f"Waiting for quota: {error}")
            return False
        if error.kind is AwsErrorKind.CONFLICT:
            return await self._postpone_conflicting(requested, error)
        is_lasting = _may_concern_one_server(error)
        named = [(m, s) for m in requested for s in m.launchable if _names_server(error, s)]
        if is_lasting and len(named) == 1:
            ((launch, server),) = named
            launch.refuse(server.source_server_id, _refusal_text(error, server))
            return True
        if len(requested) > 1 and (is_lasting or error.kind is AwsErrorKind.REFUSED):
            self.split = True
            return False
        if not is_lasting:
            raise error
        (launch,) = requested
        try:
            await self._send_parts(launch, launch.launchable, error)
        except AwsError as failed:
            return await self._exclude(requested, failed)
        return True

    async def _send_parts(self, launch: Launch, servers: list[Server], refusal: AwsError) -> None:
        """Send a launch that DRS refuses in halves, until the servers that it refuses are found.

        Raises:
            AwsError: the error does not concern one server; the other parts are not sent.
        """
        if len(servers) == 1:
            launch.refuse(servers[0].source_server_id, _refusal_text(refusal, servers[0]))
            return
        middle = len(servers) // 2
        for part in (servers[:middle], servers[middle:]):
            launch_id = part_id(launch.request.launch_id, part[0].source_server_id)
            try:
                job = await self._send(part, [launch_id])
            except AwsError as error:
                if not _may_concern_one_server(error):
                    raise
                await self._send_parts(launch, part, error)
            else:
                launch.parts.update({server.source_server_id: job for server in part})

    async def _postpone_conflicting(self, requested: list[Launch], error: AwsError) -> bool:
        named = [m for m in requested if error.resource_id in m.request.server_ids]
        try:
            found = await self._search()
        except AwsError as failed:
            for launch in named or requested:
                launch.wait_for_jobs([], unknown=f"one that cannot be read ({failed})")
            return True
        for launch, seen in found:
            if seen.blocking and launch.launchable:
                launch.wait_for_jobs(seen.blocking)
        if not named and all(launch.is_open for launch in requested):
            if len(requested) > 1:
                self.split = True
                return False
            named = requested
        for launch in named:
            if launch.is_open:
                launch.wait_for_jobs([], unknown="one with these servers")
        return True


def _may_concern_one_server(error: AwsError) -> bool:
    """Whether DRS refused the call for good, perhaps because of one of its servers."""
    return not error.kind.is_retryable and error.kind is not AwsErrorKind.UNINITIALIZED


def _names_server(error: AwsError, server: Server) -> bool:
    """Whether an error names a server or its snapshot."""
    ids = [server.source_server_id, server.snapshot_id]
    return any(i and (i == error.resource_id or i in str(error)) for i in ids)


def _refusal_text(error: AwsError, server: Server) -> str:
    """Why DRS does not launch a server; of a snapshot that it may have lost, what to do."""
    point, snapshot_id = server.chosen_point, server.snapshot_id
    if point and snapshot_id and (snapshot_id == error.resource_id or snapshot_id in str(error)):
        return lost_snapshot_reason(point, str(error))
    return str(error)


async def _finish_call(call: Coroutine[Any, Any, Job]) -> Job:
    """Await a call even if we are cancelled: otherwise its job's ID would be lost."""
    task = asyncio.create_task(call)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()
