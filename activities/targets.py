"""Checks a plan's targets from the worker: account, endpoint, readiness."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from temporalio import activity

from activities.heartbeat import heartbeating
from aws.drs.client import DrsClient, WrongAccountError
from aws.drs.models import Job, SourceServer, live_recoveries
from aws.errors import AwsError
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import Finding, Readiness, TargetContext, WorkerContext
from recovery.launch.admission import Quotas
from recovery.plan.model import RecoveryPlan, Target
from settings import Settings, is_loopback

_RESPONSE_TIMEOUT_SECONDS = 20.0
# A plan's launches wait for its check, also where another of its Regions does not answer. A wrong
# account that is not seen in time is seen at the launch.
_START_TIMEOUT_SECONDS = 2.0
MAX_ORIGIN_SERVERS = 200
_NOT_LAUNCHABLE = ("INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED")


class TargetActivities:
    """The activities that check targets; they change nothing."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        dependencies: DependencyRegions | None = None,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._dependencies = dependencies or DependencyRegions()

    @activity.defn
    async def check_targets(
        self, targets: list[Target], server_ids: list[list[str]] | None = None
    ) -> WorkerContext:
        """Return the account and endpoint of each target.

        The source servers of each, if given, are read for their Regions and operating systems.
        """
        async with heartbeating():
            context, servers = await asyncio.gather(
                self._context(targets, _START_TIMEOUT_SECONDS),
                self._servers(targets, server_ids or []),
            )
        return context.model_copy(
            update={
                "warnings": self._dependencies.warnings(origins_of(servers)),
                "operating_systems": {
                    server.source_server_id: server.operating_system
                    for server in servers
                    if server.operating_system is not None
                },
            }
        )

    @activity.defn
    async def check_readiness(self, plan: RecoveryPlan) -> Readiness:
        """Check replication, live instances, running jobs and quotas of all servers."""
        async with heartbeating():
            context = await self._context(plan.targets, _RESPONSE_TIMEOUT_SECONDS)
            checks = await asyncio.gather(*(self._check(plan, t) for t in plan.targets))
        messages = self._dependencies.warnings(i for check in checks for i in check.origins)
        warnings = [Finding(region=plan.region, message=message) for message in messages]
        return Readiness(
            context=context, findings=[f for check in checks for f in check.findings] + warnings
        )

    async def _servers(
        self, targets: Sequence[Target], server_ids: Sequence[list[str]]
    ) -> list[SourceServer]:
        """The source servers that DRS returns in time."""

        async def read(target: Target, ids: list[str]) -> list[SourceServer]:
            try:
                async with asyncio.timeout(_START_TIMEOUT_SECONDS):
                    api = self._clients.drs(target)
                    return await api.source_servers(ids)
            except (AwsError, TimeoutError):
                return []

        requests = zip(targets, server_ids, strict=False)
        listed = await asyncio.gather(*(read(target, ids) for target, ids in requests if ids))
        return [server for some in listed for server in some]

    async def _context(self, targets: Sequence[Target], seconds: float) -> WorkerContext:
        contexts = await asyncio.gather(*(self._check_target(each, seconds) for each in targets))
        return WorkerContext(speed=self._settings.speed, targets=list(contexts))

    async def _check_target(self, target: Target, seconds: float) -> TargetContext:
        context = TargetContext(region=target.region, role_arn=target.role_arn)
        api = self._clients.drs(target)
        try:
            async with asyncio.timeout(seconds):
                context.account_id = await api.account_id()
            context.endpoint = api.endpoint
        except WrongAccountError as error:
            context.error, context.mismatch = str(error), True
        except (AwsError, TimeoutError) as error:
            context.error = str(error) or f"AWS did not answer in {seconds:g} s"
        context.is_sandbox = is_loopback(context.endpoint)
        return context

    async def _check(self, plan: RecoveryPlan, target: Target) -> "_TargetCheck":
        quotas = await self._clients.quotas.of(target)
        check = _TargetCheck(plan, target, self._clients.drs(target), quotas)
        await check.run()
        return check


def origins_of(servers: Iterable[SourceServer]) -> list[str]:
    """The Regions that source servers replicate from, if DRS returns them."""
    return [server.origin_region for server in servers if server.origin_region]


class _TargetCheck:
    """The readiness of a plan's servers in one target.

    Attributes:
        origins: the Regions that they replicate from.
    """

    def __init__(self, plan: RecoveryPlan, target: Target, api: DrsClient, quotas: Quotas) -> None:
        self.findings: list[Finding] = []
        self.origins: list[str] = []
        self._target = target
        self._api = api
        self._quotas = quotas
        waves = [w for w in plan.waves if w.target == target]
        self._wave_of = {s: w.wave_id for w in waves for s in w.server_ids}

    async def run(self) -> None:
        """Check everything; DRS that does not respond is a finding."""
        try:
            await self._check_servers_and_jobs()
        except AwsError as error:
            self._add_finding(f"readiness could not be read: {error}", blocks=True)

    async def _check_servers_and_jobs(self) -> None:
        ids = list(self._wave_of)
        known = {s.source_server_id: s for s in await self._api.source_servers(ids)}
        self.origins = origins_of(known.values())
        for server_id in ids:
            self._check_replication(server_id, known.get(server_id))
        live = live_recoveries(await self._api.recovery_instances(ids))
        for server_id, instance in live.items():
            self._add_finding(
                f"has a live instance {instance.recovery_instance_id} of a real recovery "
                f"(job {instance.job_id}); it will not be launched",
                server_id,
                job_id=instance.job_id,
                blocks=True,
            )
        jobs = await self._api.jobs_since(time.time())
        self._check_jobs([job for job in jobs if not job.is_over])

    def _check_replication(self, server_id: str, server: SourceServer | None) -> None:
        if server is None:
            self._add_finding("DRS has no such source server here", server_id, blocks=True)
            return
        state = server.replication_state or "unknown"
        lag = "" if server.lag_duration in (None, "P0D", "PT0S") else server.lag_duration
        if state in _NOT_LAUNCHABLE:
            message = f"replication is {state}: DRS cannot launch it yet"
            self._add_finding(message + (f" (lag {lag})" if lag else ""), server_id, blocks=True)
        elif state != "CONTINUOUS":
            message = f"replication is {state}"
            self._add_finding(message + (f", lag {lag}" if lag else ""), server_id)
        elif lag:
            self._add_finding(f"replication lags by {lag}", server_id)

    def _check_jobs(self, running: list[Job]) -> None:
        for job in running:
            for server_id in job.server_ids:
                if server_id in self._wave_of:
                    self._add_finding(
                        f"is in running job {job.job_id} ({job.initiated_by or job.type}); "
                        "its launch waits for it",
                        server_id,
                        job_id=job.job_id,
                        blocks=True,
                    )
        jobs, servers = self._quotas.jobs, self._quotas.servers
        if len(running) >= jobs:
            message = f"{len(running)} of {jobs} jobs are in progress: launches wait for quota"
            self._add_finding(message, blocks=True)
        in_jobs = sum(len(job.server_ids) for job in running)
        if in_jobs + len(self._wave_of) > servers:
            self._add_finding(
                f"{in_jobs} servers are in running jobs and the plan has {len(self._wave_of)} "
                f"here; DRS takes {servers} at a time, so launches may wait for quota"
            )

    def _add_finding(
        self,
        message: str,
        server_id: str | None = None,
        *,
        job_id: str | None = None,
        blocks: bool = False,
    ) -> None:
        self.findings.append(
            Finding(
                wave_id=self._wave_of.get(server_id or ""),
                source_server_id=server_id,
                region=self._target.region,
                account_id=self._target.account_id,
                message=message,
                job_id=job_id,
                blocks=blocks,
            )
        )
