"""The watch of one wave's servers until each has failed, or is up and verified."""

import asyncio
import random
from collections.abc import Iterable, Sequence

from temporalio import activity

from activities.signals import signal_caller
from activities.watch.expected_actions import ExpectedActions
from activities.watch.instance_networks import InstanceNetworks
from activities.watch.steady_clock import SteadyClock
from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.drs.models import Job, RecoveryInstance
from aws.drs.server_status import InstanceNetwork, ServerStatusTracker
from aws.errors import AwsError
from contract.watch import ServersChanged, WatchHeartbeat, WatchRequest
from recovery.execution.server import LaunchStatus, ServerResult
from settings import Settings

LOOKUP_SECONDS = 120.0
# DRS may answer now and then for a day: each signal adds to the wave's history.
_ERROR_SECONDS = 60.0
# That DRS has begun with servers is reported with what follows, but not later: alone, it is a dozen
# events of the histories of a wave and its plan.
_GATHER_SECONDS = 300.0
_LOG_READ_ATTEMPTS = 5
# The wave waits 45 s for its last poll.
_LAST_READ_SECONDS = 15.0


class Watch:
    """The watch of one wave's servers."""

    def __init__(
        self,
        api: DrsClient,
        poller: JobPoller,
        request: WatchRequest,
        heartbeat: WatchHeartbeat,
        settings: Settings,
        *,
        networks: InstanceNetworks,
    ) -> None:
        self._api = api
        self._networks = networks
        self._poller = poller
        self._request = request
        self._heartbeat = heartbeat
        self._settings = settings
        lookup_seconds = LOOKUP_SECONDS / settings.speed
        self._tracker = ServerStatusTracker(heartbeat.servers, lookup_seconds=lookup_seconds)
        self._actions = ExpectedActions(api, self._tracker, speed=settings.speed)
        self._clock = SteadyClock(activity.info().started_time)
        self._should_run: dict[str, bool] = {}
        self._error_reported = -_ERROR_SECONDS
        # Since when DRS has begun with servers whose wave does not know it.
        self._begun: float | None = None
        # Copies, because the tracker changes its results in place.
        self._reported = {s.source_server_id: s.model_copy() for s in request.servers}

    async def run(self) -> list[ServerResult]:
        """Watch; returns the servers' last results."""
        left = self._request.slow_poll_until - self._clock.now()
        reading = (
            None if self._is_last_poll else asyncio.create_task(self._actions.run(within=left))
        )
        try:
            return await self._watch()
        finally:
            if reading is not None:
                reading.cancel()

    async def _watch(self) -> list[ServerResult]:
        while True:
            error = ""
            try:
                await self._poll()
            except AwsError as failed:
                error = f"DRS cannot be polled now: {failed}"
                activity.logger.warning(error)
            self._tracker.end_lookups(now=self._clock.now())
            finished = self._tracker.is_finished and not self._heartbeat.logs_to_read
            if finished or self._clock.now() >= self._request.until:
                return self._tracker.results
            await self._report(error)
            if not self._tracker.unfinished_jobs:
                # Polls of jobs have their own interval.
                await asyncio.sleep(self._settings.scaled_poll_seconds * random.uniform(0.8, 1.2))

    async def _poll(self) -> None:
        """Poll jobs, logs and instances; an error of one does not hide the others."""
        try:
            await self._poll_jobs()
        finally:
            await self._verify()

    async def _poll_jobs(self) -> None:
        tracker = self._tracker
        if self._is_last_poll:
            await self._read_actions_once()
        if open_jobs := tracker.unfinished_jobs:
            for job in await self._jobs(open_jobs):
                if tracker.apply_job(job, now=self._clock.now()):
                    self._heartbeat.logs_to_read[job.job_id] = _LOG_READ_ATTEMPTS
                    self._actions.begin()
        for job_id in list(self._heartbeat.logs_to_read):
            await self._read_log(job_id)

    @property
    def _is_last_poll(self) -> bool:
        """Whether the time is over: then DRS is called directly, without the poller."""
        return self._clock.now() >= self._request.until

    async def _jobs(self, job_ids: list[str]) -> list[Job]:
        now = self._clock.now()
        if self._is_last_poll:
            return await self._api.jobs(job_ids)
        await self._api.check()
        return await self._poller.jobs(job_ids, soon=now >= self._request.slow_poll_until)

    async def _read_actions_once(self) -> None:
        try:
            async with asyncio.timeout(_LAST_READ_SECONDS):
                await self._actions.read()
        except (AwsError, TimeoutError) as error:
            activity.logger.warning("Post-launch actions cannot be read: %s", error)

    async def _read_log(self, job_id: str) -> None:
        """Read times and reasons from a log; an unreadable log is retried a few times."""
        try:
            # The poller's log may be older than a direct poll.
            read = self._api.job_log if self._is_last_poll else self._poller.log
            self._tracker.apply_log(job_id, await read(job_id))
        except AwsError as error:
            activity.logger.warning("The log of %s cannot be read: %s", job_id, error)
            self._heartbeat.logs_to_read[job_id] -= 1
            if self._heartbeat.logs_to_read[job_id] > 0:
                return
        del self._heartbeat.logs_to_read[job_id]

    async def _verify(self) -> None:
        """Look up launched servers' instances; a failed lookup is UNKNOWN, not an error."""
        servers = self._tracker.unverified
        if not servers:
            return
        try:
            instances = await self._instances(servers)
        except AwsError as error:
            activity.logger.warning("Recovery instances cannot be looked up: %s", error)
            self._tracker.lookup_failed()
            return
        try:
            await self._read_dispositions(instances)
        except AwsError as error:
            # Running servers do not need it.
            activity.logger.warning("Launch configurations cannot be read: %s", error)
        should_run = self._should_run | self._tracker.disposed_by_drill
        networks = await self._read_networks(instances)
        self._tracker.apply_instances(
            instances, should_run=should_run, networks=networks, now=self._clock.now()
        )

    async def _instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        if self._is_last_poll:
            return await self._api.recovery_instances(server_ids)
        await self._api.check()
        return await self._poller.instances(server_ids)

    async def _read_networks(
        self, instances: Iterable[RecoveryInstance]
    ) -> dict[str, InstanceNetwork]:
        """By instance, its network, of the servers for which a drill's isolation matters."""
        wanted = self._tracker.in_isolation
        ids = [
            each.recovery_instance_id
            for each in instances
            if each.recovery_instance_id and each.source_server_id in wanted
        ]
        if not ids:
            return {}
        try:
            return await self._networks.of(ids, wanted)
        except AwsError as error:
            activity.logger.warning("Networks of instances cannot be read: %s", error)
            return {}

    async def _read_dispositions(self, instances: Iterable[RecoveryInstance]) -> None:
        """Read the launch dispositions of stopped servers; an empty response is retried."""
        for instance in instances:
            server_id = instance.source_server_id
            stopped = instance.ec2_instance_state in ("STOPPED", "STOPPING")
            if not server_id or not stopped or server_id in self._should_run:
                continue
            runs = (await self._api.launch_configuration(server_id)).should_run
            if runs is not None:
                self._should_run[server_id] = runs

    async def _report(self, error: str) -> None:
        """Signal the changes; a failed signal is sent again with the next one."""
        self._heartbeat.servers = list(self._tracker.servers.values())
        changed = [
            s.model_copy()
            for s in self._tracker.results
            if s != self._reported.get(s.source_server_id)
        ]
        since_error = self._clock.now() - self._error_reported
        is_error_due = since_error >= _ERROR_SECONDS / self._settings.speed
        if not changed and (error == self._heartbeat.error or not is_error_due):
            return
        if error == self._heartbeat.error and all(self._has_only_begun(s) for s in changed):
            self._begun = self._begun or self._clock.now()
            if self._clock.now() < self._begun + _GATHER_SECONDS / self._settings.speed:
                return
        self._begun = None
        if await signal_caller("servers_changed", ServersChanged(servers=changed, error=error)):
            self._reported.update({s.source_server_id: s for s in changed})
            if error != self._heartbeat.error:
                self._heartbeat.error, self._error_reported = error, self._clock.now()

    def _has_only_begun(self, server: ServerResult) -> bool:
        """Whether all that the wave does not know of a server is that DRS has begun with it."""
        known = self._reported.get(server.source_server_id)
        begun = {"launch_status": LaunchStatus.IN_PROGRESS}
        return known is not None and server == known.model_copy(update=begun)
