"""The activities that only read DRS: watch servers, read running jobs, review launches."""

import asyncio
import time

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.fence import ended_executions
from activities.heartbeat import heartbeating, slow_heartbeat_interval
from activities.review import Review
from activities.signals import Delivery, deliver, signal_caller
from activities.telemetry.measurements import measure_launches
from activities.watch.instance_networks import InstanceNetworks
from activities.watch.running_recoveries import RunningRecoveries
from activities.watch.watch import Watch
from aws.drs.job_poller import JobList
from aws.drs.models import DAY_SECONDS
from aws.ec2.client import Ec2Client
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError
from aws.role_credentials import acting_for
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.launch import ReviewProgress, ReviewRequest, RunningJobsRequest
from contract.watch import WatchedServer, WatchHeartbeat, WatchRequest
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaitingFor
from recovery.launch.queue import MIN_GATHER_POLLS, RunningJobs
from settings import Settings

# A single failure says little, and ends no wait.
_FAILURES = 3
_REPORT_AGAIN_SECONDS = 2.0


class WatchActivities:
    """The activities that read DRS and change nothing."""

    def __init__(
        self, clients: TargetClients, settings: Settings, leases: TemplateLeases | None = None
    ) -> None:
        self._clients = clients
        self._leases = leases or TemplateLeases(clients)
        self._ec2 = Ec2Client(ServiceClient(clients))
        self._settings = settings
        self._recoveries = RunningRecoveries(clients)

    @activity.defn
    async def watch_servers(self, request: WatchRequest) -> list[ServerResult]:
        """Watch servers until each has failed, or is up and verified, or `until` has passed.

        Each change is signaled to the wave. An error of DRS never ends the watch and never changes
        a server.
        """
        heartbeat = WatchHeartbeat(servers=[WatchedServer(result=s) for s in request.servers])
        if details := activity.info().heartbeat_details:
            heartbeat = WatchHeartbeat.model_validate(details[0])
        api, poller = self._clients.drs(request.target), self._clients.poller(request.target)
        networks = InstanceNetworks(self._ec2, self._leases, request.target)
        # The watch changes them.
        launching = {each.source_server_id for each in request.servers if each.end_time is None}
        watch = Watch(api, poller, request, heartbeat, self._settings, networks=networks)
        async with heartbeating(lambda: heartbeat, interval=slow_heartbeat_interval()):
            reporting = asyncio.create_task(report_to_plan(request, heartbeat))
            try:
                with acting_for(request.acting_for):
                    servers = await watch.run()
            finally:
                reporting.cancel()
            await _signal_if_closed(request)
        ended = [each for each in servers if each.source_server_id in launching]
        measure_launches(ended, request.target.region)
        return servers

    @activity.defn
    async def read_running_jobs(self, request: RunningJobsRequest) -> RunningJobs:
        """Read the running jobs of an account and Region, of any client, and the quotas.

        Where a drill waits, also the real recoveries that run there.

        If DRS fails, a request without `seen` returns the error at once; others return a lasting
        error that is new, and otherwise wait for a change.
        """
        poller = self._clients.poller(request.target)
        since = time.time() - DAY_SECONDS
        failures = 0
        async with heartbeating():
            quotas = await self._clients.quotas.of(request.target)
            await asyncio.sleep(self._gather_seconds(request))
            while True:
                found = RunningJobs(
                    time=time.time(), quotas=quotas, poll_seconds=self._settings.scaled_poll_seconds
                )
                try:
                    if request.seen is None:
                        listing = await poller.listed(since)
                    else:
                        listing = await poller.next(since)
                except AwsError as error:
                    activity.logger.warning("Running jobs cannot be read: %s", error)
                    failures += 1
                    is_news = not request.error and failures >= _FAILURES
                    if request.seen is None or is_news:
                        return found.model_copy(update={"error": str(error)})
                    continue
                found = _with_jobs(found, listing, request.accepted)
                found = await self._with_recoveries(found, request)
                # A newly listed job may have started and ended since.
                has_changed = set(found.jobs) != set(request.seen or ()) or bool(found.listed)
                has_changed |= set(found.recoveries) != set(request.recoveries)
                has_changed |= bool(found.recoveries_error) != bool(request.recoveries_error)
                if request.seen is None or request.error or has_changed:
                    return found

    @activity.defn
    async def review_launches(self, request: ReviewRequest) -> list[ServerResult]:
        """Review servers that earlier attempts launched; launches nothing."""
        async with heartbeating():
            poll = self._settings.scaled_poll_seconds
            try:
                api = self._clients.drs(request.target)
                with acting_for(request.acting_for):
                    return await Review(api, request, poll_seconds=poll).run()
            except ApplicationError as error:
                reason = WaitingFor.REVIEW.text(error.message)
                await signal_caller("review_progress", ReviewProgress(reason=reason))
                raise

    async def _with_recoveries(
        self, found: RunningJobs, request: RunningJobsRequest
    ) -> RunningJobs:
        if not request.has_drills:
            return found
        try:
            running = await self._recoveries.in_target(activity.client(), request.target)
        except ApplicationError as error:
            activity.logger.warning("Running recoveries are not known: %s", error)
            return found.model_copy(update={"recoveries_error": error.message})
        return found.model_copy(update={"recoveries": running})

    def _gather_seconds(self, request: RunningJobsRequest) -> float:
        """How long launches still gather, in the activity, as Temporal's timers may be 1 s late."""
        if not request.gather_polls:
            return 0.0
        poll = self._settings.scaled_poll_seconds
        left = request.gather_polls * poll - request.waited_seconds
        return max(MIN_GATHER_POLLS * poll, left)


async def report_to_plan(request: WatchRequest, heartbeat: WatchHeartbeat) -> None:
    """Send the plan the wave's report, until Temporal takes it."""
    report, plan = request.report, request.plan_workflow_id
    while report is not None and not heartbeat.has_reported:
        delivery = await deliver(plan, "wave_report", report)
        if delivery is Delivery.FAILED:
            await asyncio.sleep(_REPORT_AGAIN_SECONDS)
            continue
        heartbeat.has_reported = True
        if delivery is Delivery.ENDED:
            await signal_caller("plan_closed")


async def _signal_if_closed(request: WatchRequest) -> None:
    """Signal to the wave that its plan's workflow has ended, which Temporal tells nobody.

    Raises:
        ApplicationError: retryable; Temporal does not say it, or does not take the signal.
    """
    try:
        ended = await ended_executions([request.execution_id] if request.execution_id else [])
    except AwsError as error:
        raise ApplicationError(str(error)) from error
    if ended and not await signal_caller("plan_closed"):
        raise ApplicationError("Temporal did not accept the signal that the plan has ended")


def _with_jobs(found: RunningJobs, listing: JobList, accepted: list[str]) -> RunningJobs:
    known = {job.job_id for job in listing.jobs}
    return found.model_copy(
        update={
            "time": listing.time,
            "jobs": {job.job_id: len(job.server_ids) for job in listing.jobs if job.is_running},
            "listed": [job_id for job_id in accepted if job_id in known],
        }
    )
