"""Checks a plan's targets from the worker before it starts: account and endpoint."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from temporalio import activity

from activities.access.audit_events import start_event
from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from aws.drs.models import SourceServer
from aws.errors import AwsError, TargetRefusedError
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import TargetContext, WorkerContext
from recovery.access.grants import AccessRefusedError
from recovery.access.step_needs import StepNeeds
from recovery.plan.model import Target
from recovery.readiness.subjects.surroundings import lost_text
from settings import Settings, is_loopback
from storage.history import HistoryTable

# A plan's launches wait for its check, also where another of its Regions does not answer. A wrong
# account that is not seen in time is seen at the launch.
_START_TIMEOUT_SECONDS = 2.0
MAX_ORIGIN_SERVERS = 200


class TargetActivities:
    """The activities that check targets; they change nothing."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        dependencies: DependencyRegions | None = None,
        history: HistoryTable | None = None,
        verifier: RequestVerifier | None = None,
    ) -> None:
        self._clients = clients
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
                "warnings": start.warnings + self._lost(servers),
                "operating_systems": {
                    server.source_server_id: server.operating_system
                    for server in servers
                    if server.operating_system is not None
                },
                "server_names": _names_of(servers),
            }
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

    def _lost(self, servers: Iterable[SourceServer]) -> list[str]:
        """What is in a Region that the plan recovers from."""
        lost = self._dependencies.lost_with(each.origin_region or "" for each in servers)
        return [lost_text(what, region) for what, region in lost.items()]

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
            context.endpoint, context.other_endpoints = await api.endpoints()
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


@dataclass(frozen=True)
class _CheckedStart:
    """What a worker says of a start; see `WorkerContext`."""

    refusal: str | None = None
    break_glass: str | None = None
    warnings: list[str] = field(default_factory=list)


def _names_of(servers: Iterable[SourceServer]) -> dict[str, str]:
    return {each.source_server_id: name for each in servers if (name := each.display_name)}
