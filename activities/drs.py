"""The activities that act on DRS: launch a wave's servers and watch until they are up."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeating
from activities.job_looks import JobLooks
from activities.job_watch import WatchedServer
from activities.launches import LaunchMemory, LaunchRequest, LaunchResult, LaunchWaits
from activities.launching import Launch
from activities.places import Places
from activities.reviewing import Review, ReviewRequest
from activities.watching import Watch, WatchMemory, WatchRequest
from activities.wave_signals import signal_wave
from recovery.execution import ServerResult
from recovery.plan import Target
from settings import Settings


class DrsActivities:
    """The activities that act on DRS."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self._places = places
        self._settings = settings
        self._looks: dict[Target, JobLooks] = {}

    @activity.defn
    async def launch(self, request: LaunchRequest) -> LaunchResult:
        """Ask DRS for one job, exactly once, after the guards.

        Raises:
            ApplicationError: retryable for what can pass (throttling, quota, conflict, network),
                not retryable for what cannot (validation, access, another account).
        """
        before = _remembered()
        unknown = activity.info().attempt > 1 or (request.maybe_asked and request.answer is None)
        in_doubt = before.unanswered if before else unknown
        launch = self._launch(request, before, in_doubt=in_doubt)
        async with heartbeating(lambda: launch.memory):
            return await launch.run()

    @activity.defn
    async def find_launch(self, request: LaunchRequest) -> LaunchResult | None:
        """Look for the job of a launch that was called off; None when there is none."""
        launch = self._launch(request, _remembered(), in_doubt=True)
        async with heartbeating(lambda: launch.memory):
            return await launch.find()

    @activity.defn
    async def review(self, request: ReviewRequest) -> list[ServerResult]:
        """Say what became of servers that earlier attempts asked for; launches nothing."""
        async with heartbeating():
            poll = self._settings.scaled_poll_seconds
            try:
                api = self._places.api(request.target)
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
        looks = self._looks_at(request.target)
        watch = Watch(self._places.api(request.target), looks, request, memory, self._settings)
        async with heartbeating(lambda: memory):
            return await watch.run()

    def _looks_at(self, target: Target) -> JobLooks:
        """The looks at a target's jobs that all watches share."""
        if target not in self._looks:
            pause = self._settings.scaled_poll_seconds
            self._looks[target] = JobLooks(self._places.api(target), pause_seconds=pause)
        return self._looks[target]

    def _launch(
        self, request: LaunchRequest, before: LaunchMemory | None, *, in_doubt: bool
    ) -> Launch:
        memory = before or LaunchMemory()
        return Launch(self._places, self._settings, request, memory, in_doubt=in_doubt)


def _remembered() -> LaunchMemory | None:
    """What the attempt before left, if it left anything."""
    details = activity.info().heartbeat_details
    return LaunchMemory.model_validate(details[0]) if details else None
