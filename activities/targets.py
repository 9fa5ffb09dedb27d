"""Checks a plan's targets from the worker: account, endpoint, readiness."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from temporalio import activity

from activities.access.audit_events import start_event
from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from activities.launch_settings.drift import drift_findings
from aws.drs.client import DrsClient
from aws.drs.live_recovery import live_recoveries
from aws.drs.models import Job, SourceServer, epoch
from aws.ec2.settings_reader import SettingsReader
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import Finding, Readiness, SourcesSeen, TargetContext, WorkerContext
from recovery.access.grants import AccessRefusedError
from recovery.access.step_needs import StepNeeds, needs_of
from recovery.launch.admission import Quotas
from recovery.notify.channels import Channel
from recovery.plan.model import RecoveryPlan, Target
from settings import Settings, is_loopback
from storage.history import HistoryError, HistoryTable

_RESPONSE_TIMEOUT_SECONDS = 20.0
# A plan's launches wait for its check, also where another of its Regions does not answer. A wrong
# account that is not seen in time is seen at the launch.
_START_TIMEOUT_SECONDS = 2.0
MAX_ORIGIN_SERVERS = 200
# An agent reports every few minutes.
_UNSEEN_SECONDS = 600.0
_SNAPSHOT_READS = 10
_NOT_LAUNCHABLE = ("INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED")


class TargetActivities:
    """The activities that check targets; they change nothing."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        dependencies: DependencyRegions | None = None,
        history: HistoryTable | None = None,
        verifier: RequestVerifier | None = None,
        *,
        channels: Sequence[Channel] = (),
    ) -> None:
        """Create the activities; `channels` are those of the installation."""
        self._channels = {each.name for each in channels}
        self._clients = clients
        self._launch_settings = SettingsReader(clients)
        self._settings = settings
        self._dependencies = dependencies or DependencyRegions()
        self._history = history
        self._verifier = verifier

    @activity.defn
    async def check_targets(
        self,
        targets: list[Target],
        server_ids: list[list[str]] | None = None,
        must_be_signed: bool = False,
        step_needs: StepNeeds | None = None,
    ) -> WorkerContext:
        """Return the account and endpoint of each target, and whether the start may be launched.

        The source servers of each, if given, are read for their Regions, systems and names. A plan
        may need a signed start where the worker does not.
        """
        needs = step_needs or StepNeeds()
        async with heartbeating():
            start, context, servers, problems = await asyncio.gather(
                self._check_start(must_be_signed=must_be_signed),
                self._context(targets, _START_TIMEOUT_SECONDS),
                self._servers(targets, server_ids or []),
                self._step_problems(needs, _START_TIMEOUT_SECONDS),
            )
        return context.model_copy(
            update={
                "refusal": start.refusal or "; ".join(problems) or None,
                "break_glass": start.break_glass,
                "warnings": start.warnings + self._dependencies.warnings(origins_of(servers)),
                "operating_systems": {
                    server.source_server_id: server.operating_system
                    for server in servers
                    if server.operating_system is not None
                },
                "server_names": _names_of(servers),
            }
        )

    @activity.defn
    async def check_readiness(self, plan: RecoveryPlan) -> Readiness:
        """Check replication, live instances, running jobs and quotas of all servers."""
        async with heartbeating():
            context, messages, step_findings, drift = await asyncio.gather(
                self._context(plan.targets, _RESPONSE_TIMEOUT_SECONDS),
                self._history_warnings(),
                self._step_findings(plan),
                drift_findings(self._launch_settings, plan),
            )
            checks = await asyncio.gather(*(self._check(plan, t) for t in plan.targets))
        messages += self._dependencies.warnings(i for check in checks for i in check.origins)
        messages += self._clients.warnings(plan.targets)
        messages += [
            f"the worker has no channel {each.channel}, which the plan's Notify names"
            for each in plan.notify
            if each.channel not in self._channels
        ]
        region = plan.region or plan.targets[0].region
        warnings = [Finding(region=region, message=message) for message in messages]
        # Several roles of a plan may act in the same account.
        found = {
            (f.region, f.account_id, f.source_server_id, f.message): f
            for check, target in zip(checks, context.targets, strict=True)
            for f in check.findings_in(target.account_id)
        }
        findings = [*found.values(), *drift, *step_findings, *warnings]
        sources = SourcesSeen(
            seen=sum(check.seen for check in checks),
            known=sum(check.known for check in checks),
            total=plan.server_count,
        )
        return Readiness(
            checked_time=time.time(),
            origins=sorted({origin for check in checks for origin in check.origins}),
            context=context,
            findings=findings,
            sources=sources,
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

    async def _check_start(self, *, must_be_signed: bool) -> "_CheckedStart":
        """Whether the start of the calling workflow is refused, and what must be known of it."""
        if self._verifier is None or not (self._verifier.has_keys or must_be_signed):
            return _CheckedStart()
        must_be_signed |= self._verifier.is_required
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        try:
            start = await self._verifier.start_of(activity.client(), workflow_id, run_id)
        except AccessRefusedError as refused:
            if not must_be_signed:
                return _CheckedStart()
            self._verifier.report_refusal(start_event(workflow_id), refused)
            return _CheckedStart(refusal=f"the start is refused: {refused}")
        self._verifier.audit.write(start_event(workflow_id, start))
        grant = start.grant
        if grant.break_glass is None:
            return _CheckedStart()
        warning = f"Started by break-glass by {grant.actor}: {grant.break_glass}"
        return _CheckedStart(break_glass=grant.break_glass, warnings=[warning])

    async def _context(self, targets: Sequence[Target], seconds: float) -> WorkerContext:
        contexts = await asyncio.gather(*(self._check_target(each, seconds) for each in targets))
        return WorkerContext(
            speed=self._settings.speed,
            targets=list(contexts),
            history_endpoint=await self._history.endpoint() if self._history else None,
        )

    async def _check_target(self, target: Target, seconds: float) -> TargetContext:
        context = TargetContext(region=target.region, role_arn=target.role_arn)
        api = self._clients.drs(target)
        try:
            async with asyncio.timeout(seconds):
                context.account_id = await api.account_id()
            context.endpoint, context.other_endpoints = api.endpoint, api.other_endpoints
        except TargetRefusedError as error:
            context.error, context.mismatch = str(error), True
        except (AwsError, TimeoutError) as error:
            context.error = str(error) or f"AWS did not answer in {seconds:g} s"
        context.is_sandbox = is_loopback(context.endpoint)
        return context

    async def _step_problems(self, needs: StepNeeds, seconds: float) -> list[str]:
        """What the worker's allow-list does not have of what steps need: each is a refusal."""
        allow_list = self._clients.allow_list
        contexts = await asyncio.gather(*(self._check_target(t, seconds) for t in needs.targets))
        problems = [each.error for each in contexts if each.mismatch and each.error]
        if allow_list is None:
            return problems
        return problems + allow_list.steps.refusals(needs.uses, allow_list.source)

    async def _step_findings(self, plan: RecoveryPlan) -> list[Finding]:
        """The same for a drill and for a recovery, each problem once."""
        drill, recovery = [
            await self._step_problems(needs_of(plan, is_drill=each), _RESPONSE_TIMEOUT_SECONDS)
            for each in (True, False)
        ]
        region = plan.region or plan.targets[0].region
        both = set(drill) & set(recovery)
        return [
            Finding(region=region, message=f"{what} is refused: {problem}", blocks=True)
            for what, problems in (("a start", both), ("a drill", drill), ("a recovery", recovery))
            for problem in dict.fromkeys(problems)
            if (problem in both) is (what == "a start")
        ]

    async def _history_warnings(self) -> list[str]:
        """How the history table differs from the one that it should be."""
        if self._history is None:
            return []
        try:
            async with asyncio.timeout(_RESPONSE_TIMEOUT_SECONDS):
                check = await self._history.check()
        except HistoryError as error:
            return [str(error)]
        except TimeoutError:
            return [f"The history table did not answer in {_RESPONSE_TIMEOUT_SECONDS:g} s"]
        return [*([check.unfit] if check.unfit else []), *check.warnings]

    async def _check(self, plan: RecoveryPlan, target: Target) -> "_TargetCheck":
        quotas = await self._clients.quotas.of(target)
        check = _TargetCheck(plan, target, self._clients.drs(target), quotas)
        await check.run()
        return check


@dataclass(frozen=True)
class _CheckedStart:
    """What a worker says of a start; see `WorkerContext`."""

    refusal: str | None = None
    break_glass: str | None = None
    warnings: list[str] = field(default_factory=list)


def _names_of(servers: Iterable[SourceServer]) -> dict[str, str]:
    return {each.source_server_id: name for each in servers if (name := each.display_name)}


def origins_of(servers: Iterable[SourceServer]) -> list[str]:
    """The Regions that source servers replicate from, if DRS returns them."""
    return [server.origin_region for server in servers if server.origin_region]


class _TargetCheck:
    """The readiness of a plan's servers in one target.

    Attributes:
        origins: the Regions that they replicate from.
        seen: how many of them were seen in the last 10 minutes.
        known: of how many DRS says when they were last seen.
    """

    def __init__(self, plan: RecoveryPlan, target: Target, api: DrsClient, quotas: Quotas) -> None:
        self.findings: list[Finding] = []
        self.origins: list[str] = []
        self.seen = self.known = 0
        self._names: dict[str, str] = {}
        self._target = target
        self._api = api
        self._quotas = quotas
        waves = [w for w in plan.waves if w.target == target]
        self._wave_of = {s: w.wave_id for w in waves for s in w.server_ids}
        servers = [server for wave in waves for server in wave.servers]
        self._snapshots = {s.source_server_id: s.snapshot_id for s in servers if s.snapshot_id}

    async def run(self) -> None:
        """Check everything; DRS that does not respond is a finding."""
        try:
            await self._check_servers_and_jobs()
        except TargetRefusedError:
            # The target's own error says why.
            self._add_finding("nothing can be launched: the worker must not act here", blocks=True)
        except AwsError as error:
            self._add_finding(f"readiness could not be read: {error}", blocks=True)

    def findings_in(self, account_id: str | None) -> list[Finding]:
        """The findings, with the account that the worker acts in."""
        return [
            each.model_copy(update={"account_id": each.account_id or account_id})
            for each in self.findings
        ]

    async def _check_servers_and_jobs(self) -> None:
        ids = list(self._wave_of)
        known = {s.source_server_id: s for s in await self._api.source_servers(ids)}
        self.origins, self._names = origins_of(known.values()), _names_of(known.values())
        for server_id in ids:
            self._check_replication(server_id, known.get(server_id))
        instances = await self._api.recovery_instances(ids)
        jobs = await self._api.jobs_since(time.time())
        for server_id, live in live_recoveries(ids, instances, jobs).items():
            self._add_finding(
                f"{live}; it will not be launched", server_id, job_id=live.job_id, blocks=True
            )
        self._check_jobs([job for job in jobs if job.is_running])
        reads = asyncio.Semaphore(_SNAPSHOT_READS)
        await asyncio.gather(
            *(self._check_snapshot(i, taken, reads) for i, taken in self._snapshots.items())
        )
        for operation, count in self._api.odd_items.items():
            if count:
                self._add_finding(f"{operation}: {count} items of an unknown form")

    async def _check_snapshot(
        self, server_id: str, snapshot_id: str, reads: asyncio.Semaphore
    ) -> None:
        try:
            async with reads:
                known = {s.snapshot_id for s in await self._api.snapshots(server_id)}
        except AwsError as error:
            if error.kind is not AwsErrorKind.UNKNOWN_SERVER:
                message = f"whether DRS still has its snapshot {snapshot_id} is not known: {error}"
                self._add_finding(message, server_id, blocks=True)
            return
        if snapshot_id not in known:
            self._add_finding(
                f"DRS has no snapshot {snapshot_id} of it, so it will not be launched: choose "
                "another RecoverySnapshotId, or none for the latest data",
                server_id,
                blocks=True,
            )

    def _check_replication(self, server_id: str, server: SourceServer | None) -> None:
        if server is None:
            self._add_finding("DRS has no such source server here", server_id, blocks=True)
            return
        state = server.replication_state or "unknown"
        lag = "" if server.lag_duration in (None, "P0D", "PT0S") else server.lag_duration
        is_extended = server.staging_status != "EXTENSION_ERROR"
        found = []
        if state in _NOT_LAUNCHABLE:
            found.append(f"replication is {state}: DRS cannot launch it yet")
        elif state != "CONTINUOUS":
            found.append(f"replication is {state}")
        if server.replication_error:
            found.append(f"replication reports {server.replication_error}")
        if lag:
            found.append(f"replication lags by {lag}")
        if not is_extended:
            reason = server.staging_error or "no reason given"
            found.append(f"its extension failed ({reason}): DRS cannot launch it")
        seen = epoch(server.last_seen)
        if seen is None:
            found.append("DRS does not say when its agent was last seen")
        else:
            self.known += 1
            if time.time() - seen > _UNSEEN_SECONDS:
                found.append(f"its agent was last seen at {server.last_seen}")
            else:
                self.seen += 1
        if found:
            blocks = state in _NOT_LAUNCHABLE or not is_extended
            self._add_finding("; ".join(found), server_id, blocks=blocks)

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
                server_name=self._names.get(server_id or ""),
                region=self._target.region,
                account_id=self._target.account_id,
                message=message,
                job_id=job_id,
                blocks=blocks,
            )
        )
