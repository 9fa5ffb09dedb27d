"""Keeps launch templates as a job needs them until DRS has read them in its launch phase."""

import asyncio
import time
from collections.abc import Iterable

from temporalio import activity

from activities.fence import Fence
from aws.drs.job_poller import JobPoller
from aws.drs.launch_search import is_of_other_mode
from aws.drs.models import Job, JobLogItem
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError, TargetRefusedError
from contract.launch_settings.lease import HoldRequest
from recovery.launch_settings.lease import TemplateAction, before_switch
from settings import Settings

# DRS reads the template in the launch phase: an assumption of ours, for AWS does not document it.
# Any of these says that a server's launch phase has begun.
_LAUNCH_EVENTS = ("LAUNCH_START", "LAUNCH_END", "LAUNCH_FAILED")


def in_launch_phase(items: Iterable[JobLogItem]) -> set[str]:
    """The servers whose launch phase has begun, by a job's log."""
    servers = (i.source_server_id for i in items if i.event in _LAUNCH_EVENTS)
    return {server_id for server_id in servers if server_id is not None}


class TemplateHold:
    """A hold of the templates of one batch.

    Attributes:
        seen_started: by server, when its launch phase was first seen (`time.monotonic`).
    """

    def __init__(
        self, leases: TemplateLeases, poller: JobPoller, request: HoldRequest, settings: Settings
    ) -> None:
        self._leases = leases
        self._poller = poller
        self._request = request
        self._settings = settings
        self._fence = Fence()
        self._seen_started: dict[str, float] = {}
        # By job that DRS does not list: since when (`time.monotonic`).
        self._unlisted: dict[str, float] = {}
        # The servers that a running job of this kind has, as DRS said last.
        self._running: set[str] = set()

    async def run(self) -> list[str]:
        """Wait until DRS no longer needs the template of a server, or its job has ended.

        Returns:
            The servers of which that is so.

        Raises:
            TargetRefusedError: the worker must not act there.
        """
        while True:
            try:
                if ready := await self._poll_jobs():
                    return ready
            except TargetRefusedError:
                raise
            except AwsError as error:
                activity.logger.warning("The jobs of a drill cannot be read: %s", error)
                await asyncio.sleep(self._settings.scaled_poll_seconds)
            if not self._request.until_end:
                await self._correct()

    async def _poll_jobs(self) -> list[str]:
        jobs = self._request.jobs
        ids = list(dict.fromkeys(jobs.values()))
        self._running = set()
        listed = {job.job_id: job for job in await self._poller.jobs(ids)}
        self._running = {i for i in jobs if self._has(listed.get(jobs[i]), i)}
        ended = {i for i in ids if self._has_ended(i, listed.get(i))}
        ready = [server_id for server_id, job_id in jobs.items() if job_id in ended]
        if self._request.until_end:
            return ready
        for job_id in ids:
            if job_id in listed and job_id not in ended:
                for server_id in in_launch_phase(await self._poller.log(job_id)):
                    self._seen_started.setdefault(server_id, time.monotonic())
        # Counted here, for AWS's clock may differ from ours.
        margin = self._settings.drill_margin_seconds / self._settings.speed
        now = time.monotonic()
        started = [i for i, seen in self._seen_started.items() if now - seen >= margin]
        return [server_id for server_id in jobs if server_id in {*ready, *started}]

    def _has_ended(self, job_id: str, job: Job | None) -> bool:
        """Whether a job is over, or DRS has not listed it for so long that it does not exist."""
        if job is not None:
            self._unlisted.pop(job_id, None)
            return job.is_over
        since = self._unlisted.setdefault(job_id, time.monotonic())
        return time.monotonic() - since >= self._settings.absent_after_seconds

    def _has(self, job: Job | None, server_id: str) -> bool:
        """Whether a running drill, or recovery, has a server.

        What is asked for may be old or forged, and a drill that launches the server meanwhile needs
        its version; but DRS runs one job for each server.
        """
        if job is None or job.is_over or server_id not in job.server_ids:
            return False
        return not is_of_other_mode(job, is_drill=bool(self._request.leases))

    async def _correct(self) -> None:
        """Correct what a late call of a worker that hung has made the default."""
        request = self._request
        try:
            current = await self._leases.current(request.target)
            waiting = self._running - set(self._seen_started)
            for lease in request.leases:
                found = current.get(lease.template_id)
                if found is None or lease.source_server_id not in waiting:
                    continue
                if before_switch(lease, found.default).action is TemplateAction.SWITCH:
                    activity.logger.warning("%s is switched again", lease.template_id)
                    not_after = await self._fence.not_after()
                    await self._leases.switch(request.target, lease, not_after=not_after)
            if request.leases:
                return
            for template_id, found in current.items():
                drill = found.default.drill
                if drill is not None and drill.source_server_id in waiting:
                    activity.logger.warning("%s is restored for a recovery", template_id)
                    await self._leases.restore(
                        request.target,
                        template_id,
                        restore_drs=False,
                        drill_subnets=request.drill_subnets,
                        not_after=await self._fence.not_after(),
                    )
        except AwsError as error:
            activity.logger.warning("Launch templates cannot be read or corrected: %s", error)
