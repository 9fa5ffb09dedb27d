"""Simpler launch methods, by their published rules, on the same local AWS.

- list order: a loop over the waves in the order of the plan. It polls every 30 s until the
  dependencies of a wave are up, then launches the wave. Independent waves after it also wait.
- sequential: one wave at a time. Each wave is launched and polled every 30 s until it is up.
- levels: all waves with the same depth in the graph are launched together, and the next level when
  all of them are up. AWS's recovery plans with ordered steps can do this at best. Polls every 5 s.

Each wave is one job. A call that DRS rejects because of a quota is repeated after a poll interval.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.speed.loads import Load
from recovery.plan.model import RecoveryPlan, Wave

_SLOW_POLL = 30.0
_FAST_POLL = 5.0


@dataclass
class Baseline:
    """One launch method for one load.

    Attributes:
        seconds: wall-clock seconds from the start until all servers are up.
        calls: the number of calls by operation.
        refusals: the number of rejected calls by error code.
    """

    name: str
    load: Load
    url: str
    speed: float
    poll: float
    order: Callable[[RecoveryPlan], list[list[Wave]]]
    blocks: bool
    cutoff: float
    seconds: float | None = None
    calls: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    _client: Any = None

    async def run(self) -> None:
        """Launch all plans of the load at once, with the same method."""
        region = self.load.plans[0].waves[0].region
        retries: Any = {"total_max_attempts": 5, "mode": "standard"}
        quiet = Config(retries=retries, max_pool_connections=64)
        self._client = boto3.client("drs", region_name=region, endpoint_url=self.url, config=quiet)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.cutoff):
                await asyncio.gather(*(self._run(plan) for plan in self.load.plans))
        except TimeoutError:
            return
        self.seconds = time.monotonic() - started

    async def _run(self, plan: RecoveryPlan) -> None:
        jobs: dict[str, str] = {}
        up: set[str] = set()
        for step in self.order(plan):
            for wave in step:
                while not up.issuperset(wave.depends_on):
                    await self._poll(jobs, up)
                jobs[wave.wave_id] = await self._launch(wave)
            while self.blocks and not up.issuperset(wave.wave_id for wave in step):
                await self._poll(jobs, up)
        while len(up) < len(plan.waves):
            await self._poll(jobs, up)

    async def _launch(self, wave: Wave) -> str:
        servers = [{"sourceServerID": i} for i in wave.server_ids]
        while True:
            try:
                response = await self._call("start_recovery", sourceServers=servers, isDrill=True)
            except ClientError as error:
                self.refusals[error.response["Error"]["Code"]] += 1
                await self._pause()
            else:
                return str(response["job"]["jobID"])

    async def _poll(self, jobs: dict[str, str], up: set[str]) -> None:
        await self._pause()
        open_ = {job_id: wave for wave, job_id in jobs.items() if wave not in up}
        if not open_:
            return
        response = await self._call(
            "describe_jobs", filters={"jobIDs": list(open_)}, maxResults=1000
        )
        for job in response["items"]:
            statuses = [s.get("launchStatus") for s in job["participatingServers"]]
            if all(status == "LAUNCHED" for status in statuses):
                up.add(open_[job["jobID"]])

    async def _pause(self) -> None:
        await asyncio.sleep(self.poll / self.speed)

    async def _call(self, method: str, **requested: Any) -> Any:
        self.calls[method] += 1
        return await asyncio.to_thread(getattr(self._client, method), **requested)


def list_order(load: Load, url: str, speed: float, cutoff: float) -> Baseline:
    """Waves in the order of the plan."""
    return Baseline(
        "list order", load, url, speed, _SLOW_POLL, lambda p: [[w] for w in p.waves], False, cutoff
    )


def sequential(load: Load, url: str, speed: float, cutoff: float) -> Baseline:
    """One wave at a time."""
    return Baseline(
        "sequential", load, url, speed, _SLOW_POLL, lambda p: [[w] for w in p.waves], True, cutoff
    )


def levels(load: Load, url: str, speed: float, cutoff: float) -> Baseline:
    """One level of the graph at a time."""
    return Baseline("levels", load, url, speed, _FAST_POLL, _levels, True, cutoff)


def _levels(plan: RecoveryPlan) -> list[list[Wave]]:
    depth: dict[str, int] = {}
    left: Iterable[Wave] = plan.waves
    while left := [wave for wave in left if wave.wave_id not in depth]:
        for wave in left:
            if all(needed in depth for needed in wave.depends_on):
                depth[wave.wave_id] = 1 + max((depth[d] for d in wave.depends_on), default=-1)
    found: list[list[Wave]] = [[] for _ in range(max(depth.values()) + 1)]
    for wave in plan.waves:
        found[depth[wave.wave_id]].append(wave)
    return found
