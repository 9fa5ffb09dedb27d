"""Simpler launch methods, by their published rules, on the same local AWS.

- list order: a loop over the waves in the order of the plan. It polls every 30 s until the
  dependencies of a wave are up, then launches the wave. Independent waves after it also wait.
- sequential: one wave at a time. Each wave is launched and polled every 30 s until it is up.
- levels: all waves with the same depth in the graph are launched together, and the next level when
  all of them are up. Polls every 5 s.
- AWS recovery plans: those of Elastic Disaster Recovery itself. A plan is a list of up to 20 steps,
  one after another, each of up to 100 servers that are recovered in parallel; it has no graph. The
  best that it can do is a step a level, and several where a level has more servers.
  Sources: API reference of DRS, CreateRecoveryPlanStep, ServerStepConfiguration and
  StartRecoveryPlanExecution; user guide, "Running a recovery plan". Not published, and assumed here
  in its favor: a step is one job, the next one begins within 5 s of the last server's launch, and a
  step for which a quota is reached is tried again.

Each wave is one job. A call that DRS rejects because of a quota is repeated after a poll interval.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.speed.loads import Load
from recovery.plan.model import RecoveryPlan, Wave

_STEP_SERVERS, MOST_STEPS = 100, 20
CUTOFF = 3.0
"""The makespan / limit at which a launch is stopped."""


@dataclass(frozen=True)
class LaunchMethod:
    """A launch method.

    Attributes:
        poll: seconds between two polls, before the speed factor.
        steps: the waves in the order in which they are launched, those of a step together.
        waits: whether the next step waits until all waves of the last are up.
    """

    name: str
    poll: float
    steps: Callable[[RecoveryPlan], list[list[Wave]]]
    waits: bool


def _one_by_one(plan: RecoveryPlan) -> list[list[Wave]]:
    return [[wave] for wave in plan.waves]


def _by_level(plan: RecoveryPlan) -> list[list[Wave]]:
    return [[plan.wave(wave_id) for wave_id in level] for level in plan.graph.levels()]


def aws_steps(plan: RecoveryPlan) -> list[list[Wave]]:
    """The steps of AWS's own recovery plan for a plan; each is one wave without dependencies.

    Raises:
        ValueError: it needs more steps than AWS allows.
    """
    steps: list[list[Wave]] = []
    for level in _by_level(plan):
        servers = [server for wave in level for server in wave.servers]
        for start in range(0, len(servers), _STEP_SERVERS):
            some = servers[start : start + _STEP_SERVERS]
            named = {"wave_id": f"step-{len(steps) + 1}", "servers": some, "dependencies": []}
            steps.append([level[0].model_copy(update=named)])
    if len(steps) > MOST_STEPS:
        raise ValueError(f"{plan.plan_id} needs {len(steps)} steps, and AWS allows {MOST_STEPS}")
    return steps


LIST_ORDER = LaunchMethod("list order", 30.0, _one_by_one, waits=False)
AWS_PLANS = LaunchMethod("AWS recovery plans", 5.0, aws_steps, waits=True)
METHODS = (
    LIST_ORDER,
    LaunchMethod("sequential", 30.0, _one_by_one, waits=True),
    LaunchMethod("levels", 5.0, _by_level, waits=True),
    AWS_PLANS,
)


@dataclass
class Baseline:
    """One launch method for one load.

    Attributes:
        ratio: makespan / limit until all servers are up; infinite beyond the cutoff. All of it is
            scaled: the poll intervals and the durations of DRS.
        refusals: the number of calls that DRS rejected.
    """

    method: LaunchMethod
    load: Load
    url: str
    speed: float
    ratio: float = math.inf
    refusals: int = 0
    _client: Any = None

    async def run(self) -> None:
        """Launch all plans of the load at once, with the same method."""
        retries: Any = {"total_max_attempts": 5, "mode": "standard"}
        self._client = boto3.client(
            "drs",
            region_name=self.load.region,
            endpoint_url=self.url,
            config=Config(retries=retries, max_pool_connections=64),
        )
        limit = self.load.limit / self.speed
        started = time.monotonic()
        try:
            async with asyncio.timeout(CUTOFF * limit):
                await asyncio.gather(*(self._run(plan) for plan in self.load.plans))
        except TimeoutError:
            return
        self.ratio = (time.monotonic() - started) / limit

    async def _run(self, plan: RecoveryPlan) -> None:
        jobs: dict[str, str] = {}
        up: set[str] = set()
        for step in self.method.steps(plan):
            for wave in step:
                while not up.issuperset(wave.depends_on):
                    await self._poll(jobs, up)
                jobs[wave.wave_id] = await self._launch(wave)
            while self.method.waits and not up.issuperset(wave.wave_id for wave in step):
                await self._poll(jobs, up)
        while len(up) < len(jobs):
            await self._poll(jobs, up)

    async def _launch(self, wave: Wave) -> str:
        servers = [{"sourceServerID": i} for i in wave.server_ids]
        while True:
            try:
                response = await asyncio.to_thread(
                    self._client.start_recovery, sourceServers=servers, isDrill=True
                )
            except ClientError:
                self.refusals += 1
                await self._pause()
            else:
                return str(response["job"]["jobID"])

    async def _poll(self, jobs: dict[str, str], up: set[str]) -> None:
        await self._pause()
        open_ = {job_id: wave for wave, job_id in jobs.items() if wave not in up}
        if not open_:
            return
        response = await asyncio.to_thread(
            self._client.describe_jobs, filters={"jobIDs": list(open_)}, maxResults=1000
        )
        for job in response["items"]:
            statuses = [s.get("launchStatus") for s in job["participatingServers"]]
            if all(status == "LAUNCHED" for status in statuses):
                up.add(open_[job["jobID"]])

    async def _pause(self) -> None:
        await asyncio.sleep(self.method.poll / self.speed)
