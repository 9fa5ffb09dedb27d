"""The activities that act on DRS: launch a wave's servers and watch until they are up."""

import asyncio
import time
from collections.abc import Sequence

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from activities.launch.attempt import Launch, Listing
from activities.review import Review
from activities.watch.watch import Watch
from activities.wave_signals import signal_wave
from aws.drs.job_poller import JobPoller, jobs_in_progress
from aws.drs.models import DAY_SECONDS, Job
from aws.errors import AwsError
from aws.targets import TargetClients
from contract.jobs import JobsInProgress, LookAtJobs
from contract.launch import (
    LaunchMemory,
    LaunchRequest,
    LaunchResult,
    LaunchSettled,
    LaunchWaits,
    PackAnswer,
    PackRequest,
)
from contract.review import ReviewRequest
from contract.watch import WatchedServer, WatchMemory, WatchRequest
from recovery.execution.server import ServerResult
from recovery.plan.model import Target
from settings import Settings


class DrsActivities:
    """The activities that act on DRS."""

    def __init__(self, clients: TargetClients, settings: Settings) -> None:
        self._clients = clients
        self._settings = settings
        self._pollers: dict[Target, JobPoller] = {}

    @activity.defn
    async def launch_pack(self, request: PackRequest) -> PackAnswer:
        """Ask DRS for one job for several launches, exactly once, after the guards.

        Each wave is told by signal what became of its launches, or why they wait.

        Raises:
            ApplicationError: retryable, for what can pass (throttling, network).
        """
        poller = self._poller_of(request.requests[0].target)

        async def seen(since: float) -> list[Job]:
            listing = await poller.listed(since - DAY_SECONDS, seen_after=request.seen_time)
            return listing.jobs

        launch = self._launch(request.requests, _remembered(), listing=seen)
        async with heartbeating(lambda: launch.memory):
            try:
                results = await launch.run()
            except ApplicationError as error:
                if not error.non_retryable:
                    raise
                results = [r.failed(error.message) for r in request.requests]
            except asyncio.CancelledError:
                # Told by Temporal, not by a worker that stops: what is known now counts.
                details = activity.cancellation_details()
                if details is None or not details.cancel_requested:
                    raise
                results = launch.settled()
            await self._tell_waves(request, results, launch)
        return PackAnswer(
            job_id=launch.job_id,
            settled=[result.launch_id for result in results],
            postponed=launch.postponed,
            divide=launch.divide,
            in_doubt=launch.in_doubt,
        )

    async def _tell_waves(
        self, request: PackRequest, results: list[LaunchResult], launch: Launch
    ) -> None:
        """Tell each wave what became of its launches, or why they wait; more than once at worst.

        Raises:
            ApplicationError: Temporal did not take it; the next attempt finds the job and tells.
        """
        wave_of = {r.launch_id: r.wave_workflow_id for r in request.requests}
        settled: dict[str | None, LaunchSettled] = {}
        for result in results:
            news = settled.setdefault(wave_of[result.launch_id], LaunchSettled())
            news.results.append(result)
        waits = {
            wave_of[each.launch_id]: LaunchWaits(reason=each.reason, launch_id=each.launch_id)
            for each in launch.postponed
        }
        told = await asyncio.gather(
            *(signal_wave("launch_settled", news, workflow_id=w) for w, news in settled.items()),
            *(signal_wave("launch_waits", news, workflow_id=w) for w, news in waits.items()),
        )
        if not all(told):
            raise ApplicationError("Temporal did not take what waves must know of their launches")

    @activity.defn
    async def find_launch(self, request: LaunchRequest) -> LaunchResult | None:
        """Look for the job of a launch that was called off; None when there is none."""
        memory = _remembered() or LaunchMemory()
        launch = Launch(self._clients, self._settings, [request], memory, in_doubt=True)
        async with heartbeating(lambda: launch.memory):
            return await launch.find()

    @activity.defn
    async def review(self, request: ReviewRequest) -> list[ServerResult]:
        """Say what became of servers that earlier attempts asked for; launches nothing."""
        async with heartbeating():
            poll = self._settings.scaled_poll_seconds
            try:
                api = self._clients.drs(request.target)
                return await Review(api, request, poll_seconds=poll).run()
            except ApplicationError as error:
                reason = f"Waiting to learn what became of earlier launches: {error.message}"
                await signal_wave("launch_waits", LaunchWaits(reason=reason))
                raise

    @activity.defn
    async def watch(self, request: WatchRequest) -> list[ServerResult]:
        """Watch servers until each has failed, or is up and verified, or `until` has passed.

        Changes are signalled to the wave as they are seen. Trouble with DRS never ends the
        watch and never decides about a server.
        """
        memory = WatchMemory(servers=[WatchedServer(result=s) for s in request.servers])
        if details := activity.info().heartbeat_details:
            memory = WatchMemory.model_validate(details[0])
        api, poller = self._clients.drs(request.target), self._poller_of(request.target)
        watch = Watch(api, poller, request, memory, self._settings)
        async with heartbeating(lambda: memory):
            return await watch.run()

    @activity.defn
    async def look_at_jobs(self, request: LookAtJobs) -> JobsInProgress:
        """Say which jobs are in progress in an account and Region, whoever asked for them.

        Where DRS cannot be asked, that is said at once, and a change is waited for.
        """
        poller = self._poller_of(request.target)
        since = time.time() - DAY_SECONDS
        async with heartbeating():
            await asyncio.sleep(request.gather_seconds)
            while True:
                try:
                    if request.seen is None:
                        listing = await poller.listed(since)
                    else:
                        listing = await poller.next(since)
                except AwsError as error:
                    activity.logger.warning("Jobs in progress cannot be read: %s", error)
                    if request.seen is None:
                        return JobsInProgress(time=time.time())
                    continue
                found = jobs_in_progress(listing, asked_for=request.asked_for)
                # One that was not listed before, and is, may have come and gone meanwhile.
                if request.seen is None or set(found.jobs) != set(request.seen) or found.listed:
                    return found

    def _poller_of(self, target: Target) -> JobPoller:
        """What is seen of a place's jobs; plans share it whether or not they name the account."""
        place = target.model_copy(update={"account_id": None})
        if place not in self._pollers:
            pause = self._settings.scaled_poll_seconds
            self._pollers[place] = JobPoller(self._clients.drs(place), pause_seconds=pause)
        return self._pollers[place]

    def _launch(
        self,
        requests: Sequence[LaunchRequest],
        before: LaunchMemory | None,
        *,
        listing: Listing | None = None,
    ) -> Launch:
        """One attempt, which knows whether somebody may have asked before it."""
        again = activity.info().attempt > 1
        unknown = again or any(r.maybe_asked and r.answer is None for r in requests)
        in_doubt = before.unanswered if before else unknown
        return Launch(
            self._clients,
            self._settings,
            requests,
            before or LaunchMemory(),
            in_doubt=in_doubt,
            # An attempt before may have seen more than the last listing.
            listing=None if again else listing,
        )


def _remembered() -> LaunchMemory | None:
    """What the attempt before left, if it left anything."""
    details = activity.info().heartbeat_details
    return LaunchMemory.model_validate(details[0]) if details else None
