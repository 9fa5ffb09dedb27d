"""Launching one job's servers, exactly once.

StartRecovery has no idempotency token, so a launch is known by its launch ID, a tag on the job:
before asking again we look for the job. A relaunch destroys a server's earlier instance, so
servers with a live instance of a real recovery are never asked for. Where it cannot be known
whether DRS has the job, nothing is asked for and the operator says how it is.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.aws import AwsTrouble, Trouble
from activities.drs_api import LAUNCH_ID_TAG, Job, epoch
from activities.heartbeat import beat_now, heartbeat_details
from activities.launch_guard import forbidden
from activities.launch_search import Search, is_of_mode, is_of_other_mode, search
from activities.launches import LaunchMemory, LaunchRequest, LaunchResult, LaunchWaits
from activities.places import Places
from activities.retrying import retry_later
from activities.wave_signals import signal_wave
from recovery.execution import ServerResult
from recovery.plan import Server
from settings import Settings

# StartRecovery is sent within this time after Temporal confirmed that the attempt is the current
# one, or not at all. With its read timeout that is less than the time after which a next attempt
# has begun and has looked for the job.
_FENCE_SECONDS = 10.0


class Launch:
    """One attempt at one launch."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        request: LaunchRequest,
        memory: LaunchMemory,
        *,
        in_doubt: bool,
    ) -> None:
        self._places = places
        self._api = places.api(request.target)
        self._request = request
        self.memory = memory
        # Whether a job may exist that we do not know of. The heartbeat says so throughout the
        # attempt, because the last one before a worker's death may not have left it.
        self._in_doubt = in_doubt
        memory.unanswered = True
        self._settings = settings
        self._refused: dict[str, ServerResult] = {}
        self._taken_over: dict[str, Job] = {}

    async def run(self) -> LaunchResult:
        """Find the launch's job, or get one.

        Raises:
            ApplicationError: what could not be done now, or at all.
        """
        try:
            account_id = await self._places.account_of(self._request.target)
            job = await self._adopted() or await self._found()
            if job is None:
                servers = await self._launchable()
                job = await self._ask(servers) if servers else None
        except AwsTrouble as trouble:
            await self._wait_for(trouble)
        return self._result(job, account_id=account_id)

    async def find(self) -> LaunchResult | None:
        """Look for the job without asking for one.

        Jobs that may be it are watched like those that are taken over.
        """
        try:
            found = await self._search_in_doubt()
        except AwsTrouble as trouble:
            raise retry_later(trouble, after=self._settings.scaled_poll_seconds) from trouble
        if found.own is not None:
            return self._result(found.own, account_id=None)
        is_drill = self._request.is_drill
        for job in found.lookalikes:
            if is_of_mode(job, is_drill=is_drill):
                self._taken_over.update(dict.fromkeys(job.server_ids, job))
        if set(self._taken_over) < set(self._request.wanted.server_ids):
            return None
        return self._result(None, account_id=None)

    async def _adopted(self) -> Job | None:
        """The job that an operator said is this launch's."""
        answer = self._request.answer
        if answer is None or answer.job_id is None:
            return None
        ours = set(self._request.wanted.server_ids)
        job = next(iter(await self._api.jobs([answer.job_id])), None)
        wrong = None
        if job is None:
            wrong = f"DRS knows no job {answer.job_id} here"
        elif not ours.intersection(job.server_ids):
            wrong = f"{job.job_id} works on none of these servers"
        elif is_of_other_mode(job, is_drill=self._request.is_drill):
            wrong = f"{job.job_id} is a {job.initiated_by}"
        if wrong is None:
            return job
        return await self._leave_to_operator(f"it cannot be adopted: {wrong}")

    async def _found(self) -> Job | None:
        """The launch's own job, if there is one; waits while others' jobs hold its servers."""
        if not self._in_doubt:
            found = await self._search_as_told()
        else:
            try:
                found = await self._search_in_doubt()
            except AwsTrouble as unread:
                await self._leave_to_operator(f"DRS cannot be asked ({unread})")
            if found.own is None and found.lookalikes:
                told = "; ".join(_described(job) for job in found.lookalikes[:3])
                await self._leave_to_operator(f"it may be {told}")
        self._in_doubt = False
        if found.own is not None:
            return found.own
        if found.blocking:
            names = "; ".join(self._holding(job) for job in found.blocking[:3])
            raise AwsTrouble(Trouble.CONFLICT, names)
        self._taken_over = found.launched_elsewhere
        return None

    async def _search(self) -> Search:
        """Look once.

        Raises:
            AwsTrouble: DescribeJobs did not answer, so nothing is known.
        """
        jobs = await self._api.jobs_since(self._request.since)
        found = search(jobs, self._request.wanted)
        # DescribeJobs may leave tags out; they are asked for before a job counts as untagged.
        for job in found.lookalikes if found.own is None else ():
            if not job.tags and job.arn:
                job.tags = await self._api.tags_of(job.arn)
        return search(jobs, self._request.wanted)

    async def _search_as_told(self) -> Search:
        """Look once; an operator who said "launch" is obeyed where DRS cannot be asked."""
        try:
            return await self._search()
        except AwsTrouble:
            if self._request.answer is None or self._request.answer.job_id is not None:
                raise
            return Search()

    async def _search_in_doubt(self) -> Search:
        """Look for the job of an unanswered call, which may appear only a while later.

        Raises:
            AwsTrouble: DescribeJobs did not answer at the end of that while either.
        """
        enough = self._settings.absent_after_seconds
        looked_before, began = self.memory.looked_seconds, time.monotonic()
        if looked_before < enough:
            await self._tell("Waiting to learn whether DRS accepted the launch")
        while True:
            found, unread = None, None
            try:
                found = await self._search()
            except AwsTrouble as trouble:
                unread = trouble
            self.memory.looked_seconds = looked_before + time.monotonic() - began
            looked_enough = self.memory.looked_seconds >= enough
            if found is not None and (found.own is not None or looked_enough):
                return found
            if unread is not None and looked_enough:
                raise unread
            await asyncio.sleep(min(2.0, enough / 4))

    async def _leave_to_operator(self, facts: str) -> NoReturn:
        """Launch nothing, tell the operator, and look again later."""
        asked = self.memory.asked_time
        when = f" at {datetime.fromtimestamp(asked, UTC):%H:%M:%S} UTC" if asked else ""
        names = _names(self._request.wanted.server_ids)
        await self._tell(
            f"Waiting for an operator's decision: whether DRS accepted the launch of {names}"
            f"{when} is not known; {facts}. Look in the DRS console, then adopt_job the job that "
            "has these servers, or launch_anyway if there is none",
            in_doubt=True,
        )
        beat_now(self.memory)
        trouble = AwsTrouble(Trouble.IN_DOUBT, facts)
        raise retry_later(trouble, after=self._settings.scaled_poll_seconds)

    async def _launchable(self) -> list[Server]:
        """The servers to ask for: not those that another job launched, nor those under guard."""
        wanted = [s for s in self._request.servers if s.source_server_id not in self._taken_over]
        reasons = await forbidden(self._api, self._request, wanted, self.memory)
        for server in wanted:
            if reason := reasons.get(server.source_server_id):
                self._refuse(server, reason)
        return [s for s in wanted if s.source_server_id not in reasons]

    async def _ask(self, servers: list[Server]) -> Job | None:
        """Call StartRecovery once; servers that DRS does not know are left out and reported."""
        request = self._request
        while servers:
            self._in_doubt = True
            self.memory.asked_time, self.memory.looked_seconds = time.time(), 0.0
            not_after = time.monotonic() + _FENCE_SECONDS
            try:
                await self._fence()
                job = await _to_its_end(
                    self._api.start_recovery(
                        servers,
                        is_drill=request.is_drill,
                        launch_id=request.launch_id,
                        not_after=not_after,
                    )
                )
            except AwsTrouble as trouble:
                self._in_doubt = not trouble.kind.is_refusal
                unknown = [s for s in servers if s.source_server_id == trouble.resource_id]
                if trouble.kind is not Trouble.UNKNOWN_SERVER or not unknown:
                    raise
                self._refuse(unknown[0], str(trouble))
                servers = [s for s in servers if s is not unknown[0]]
            else:
                return job
        return None

    async def _fence(self) -> None:
        """Have Temporal confirm that this attempt is the current one.

        A worker that was cut off may have been replaced without knowing it.

        Raises:
            AwsTrouble: it was not confirmed, or was called off, so nothing was asked.
        """
        token = activity.info().task_token
        handle = activity.client().get_async_activity_handle(task_token=token)
        try:
            await handle.heartbeat(
                heartbeat_details(self.memory), rpc_timeout=timedelta(seconds=_FENCE_SECONDS)
            )
        except AsyncActivityCancelledError as called_off:
            # The cancellation (or a pause or reset by an operator in Temporal) is on its way to
            # this attempt; until it arrives, a CancelledError of our own would count as a failure.
            raise AwsTrouble(
                Trouble.THROTTLED, "the launch was called off, so DRS was not asked"
            ) from called_off
        except RPCError as error:
            raise AwsTrouble(
                Trouble.THROTTLED,
                f"Temporal did not confirm the launch, so DRS was not asked: {error.message}",
            ) from error

    def _refuse(self, server: Server, reason: str) -> None:
        result = ServerResult(source_server_id=server.source_server_id, impact=server.impact)
        self._refused[server.source_server_id] = result.failed(reason, at=time.time())

    async def _wait_for(self, trouble: AwsTrouble) -> NoReturn:
        """Tell the wave what the launch waits for, and have Temporal try again."""
        # A lasting trouble settles nothing while a job may exist that we do not know of.
        if not trouble.kind.can_pass and not self._in_doubt:
            raise ApplicationError(str(trouble), type=trouble.kind, non_retryable=True) from trouble
        reason = f"Waiting for DRS: {trouble}"
        if trouble.kind is Trouble.QUOTA:
            reason = f"Waiting for quota: {trouble}"
        elif trouble.kind is Trouble.CONFLICT:
            reason = f"Waiting for another job: {await self._blocking_job(trouble)}"
        await self._tell(reason)
        poll = self._settings.scaled_poll_seconds
        after = poll if trouble.kind in (Trouble.QUOTA, Trouble.CONFLICT) else 2.0
        self.memory.unanswered = self._in_doubt
        beat_now(self.memory)
        raise retry_later(trouble, after=after) from trouble

    async def _blocking_job(self, trouble: AwsTrouble) -> str:
        """Which job is in the way, in words that never are AWS's exception."""
        if "ConflictException" not in str(trouble):
            return str(trouble)
        try:
            found = await self._search()
        except AwsTrouble as unread:
            return f"one that cannot be read ({unread})"
        names = "; ".join(self._holding(job) for job in found.blocking[:3])
        return names or "one that works on these servers"

    def _holding(self, job: Job) -> str:
        held = [i for i in self._request.wanted.server_ids if i in job.server_ids]
        return f"{job.job_id} ({job.initiated_by or job.type}) works on {_names(held)}"

    async def _tell(self, reason: str, *, in_doubt: bool = False) -> None:
        if reason == self.memory.told:
            return
        news = LaunchWaits(reason=reason, launch_id=self._request.launch_id, in_doubt=in_doubt)
        if await signal_wave("launch_waits", news):
            self.memory.told = reason

    def _result(self, job: Job | None, *, account_id: str | None) -> LaunchResult:
        """What the wave is told: every server with its job, or with why it has none."""
        results = [self._result_of(server, job) for server in self._request.servers]
        watched = any(r.recovery_job_id for r in results)
        accepted = (epoch(job.creation_date_time) if job else None) or time.time()
        return LaunchResult(
            account_id=account_id,
            job_id=job.job_id if job else None,
            accepted_time=accepted if watched else None,
            servers=results,
        )

    def _result_of(self, server: Server, job: Job | None) -> ServerResult:
        server_id = server.source_server_id
        if server_id in self._refused:
            return self._refused[server_id]
        result = ServerResult(source_server_id=server_id, impact=server.impact)
        if elsewhere := self._taken_over.get(server_id):
            own = self._request.launch_id.partition("/")[0] + "/"
            result.recovery_job_id = elsewhere.job_id
            result.taken_over = not elsewhere.tags.get(LAUNCH_ID_TAG, "").startswith(own)
        elif job is not None and (not job.server_ids or server_id in job.server_ids):
            result.recovery_job_id = job.job_id
        else:
            # An adopted job may have been asked for without the servers that the guard refused.
            asked = job.job_id if job else "the launch"
            result = result.failed(f"not launched: {asked} was asked without it", at=time.time())
        return result


async def _to_its_end(asking: Coroutine[Any, Any, Job]) -> Job:
    """Await a call that must not be left in the middle: its job's ID would be lost."""
    task = asyncio.create_task(asking)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()


def _described(job: Job) -> str:
    what = ", ".join(t for t in (job.initiated_by or job.type, job.status, "untagged") if t)
    servers = _names(job.server_ids) or "servers not told"
    return (
        f"{job.job_id} ({what}, created {job.creation_date_time or 'at an unknown time'}; "
        f"{servers})"
    )


def _names(ids: Iterable[str]) -> str:
    named = list(ids)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(named[:3]) + more
