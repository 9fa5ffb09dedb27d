"""One look at DRS for everybody who watches jobs: one call a tick, however many plans run."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextvars import Context

from activities.aws import AwsTrouble, Trouble
from activities.drs_api import DrsApi, Job

_SLOWEST = 4.0


class JobLooks:
    """The looks at the jobs of one target, shared by all watches of a worker.

    Who asks waits for the next look, which asks for everybody's jobs in one call (up to 1,000
    jobs). Looks are at least about `pause_seconds` apart; while DRS gives trouble, up to four
    times that.
    """

    def __init__(self, api: DrsApi, *, pause_seconds: float) -> None:
        self._api = api
        self._pause_seconds = self._pause = pause_seconds
        self._next = 0.0
        self._asked: dict[asyncio.Future[list[Job]], tuple[str, ...]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def jobs(self, job_ids: Sequence[str], /) -> list[Job]:
        """Those of the jobs that DRS knows, as the next look sees them.

        Raises:
            AwsTrouble: that look failed.
        """
        answer: asyncio.Future[list[Job]] = asyncio.get_running_loop().create_future()
        self._asked[answer] = tuple(job_ids)
        if self._looking is None or self._looking.done():
            # Of nobody's context: it outlives whoever asked first.
            self._looking = asyncio.create_task(self._look_while_asked(), context=Context())
        try:
            return await answer
        finally:
            self._asked.pop(answer, None)

    async def _look_while_asked(self) -> None:
        while self._asked:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            asked, self._asked = self._asked, {}
            await self._look(asked)

    async def _look(self, asked: dict[asyncio.Future[list[Job]], tuple[str, ...]]) -> None:
        wanted = list(dict.fromkeys(job_id for ids in asked.values() for job_id in ids))
        trouble: Exception | None = None
        found: dict[str, Job] = {}
        try:
            found = {job.job_id: job for job in await self._api.jobs(wanted)} if wanted else {}
            self._pause = self._pause_seconds
        except Exception as met:
            if len(asked) > 1 and isinstance(met, AwsTrouble) and met.kind is Trouble.INVALID:
                # One ID that DRS refuses must not hide the jobs of the others.
                await asyncio.gather(*(self._look({a: ids}) for a, ids in asked.items()))
                return
            trouble = met
            self._pause = min(self._pause * 2, self._pause_seconds * _SLOWEST)
        self._next = time.monotonic() + self._pause * random.uniform(0.8, 1.2)
        for answer, ids in asked.items():
            if answer.done():
                continue
            if trouble is not None:
                answer.set_exception(trouble)
            else:
                answer.set_result([found[job_id] for job_id in ids if job_id in found])
