"""Reads what coverage is judged from: source servers, registered plans and their drills."""

import asyncio
import time
from collections.abc import Iterable

from temporalio import activity

from activities.heartbeat import heartbeating
from activities.readiness.look import failed_read
from aws.errors import AwsError, AwsErrorKind
from aws.targets import TargetClients
from contract.readiness import CoverageRequest
from recovery.access.allow_list import AllowList
from recovery.coverage.evidence import CoverageEvidence, DrillRecord, ListedServer, ListedTarget
from recovery.coverage.gaps import Coverage, coverage
from recovery.plan.membership import unresolved, with_recorded
from recovery.plan.model import RecoveryPlan, Target
from recovery.readiness.failed_read import FailedRead
from storage.dynamodb import TableError
from storage.history import HistoryTable
from storage.plans import PlanTable

_TARGETS_AT_ONCE = 10
# 4,000 servers, the most that an account has in a Region, are 20 calls.
_TARGET_SECONDS = 60.0
_TABLE_SECONDS = 60.0


class CoverageActivities:
    """The activity that reads coverage; it changes nothing."""

    def __init__(self, clients: TargetClients, plans: PlanTable, history: HistoryTable) -> None:
        self._clients = clients
        self._plans = plans
        self._history = history

    @activity.defn
    async def read_coverage(self, request: CoverageRequest) -> Coverage:
        """What registered plans and their drills leave uncovered in all targets."""
        async with heartbeating():
            plans, unread = await self._read_plans()
            targets, notes = targets_to_read(plans, self._clients.allow_list)
            limit = asyncio.Semaphore(_TARGETS_AT_ONCE)
            drills, *listed = await asyncio.gather(
                self._read_drills(plans, unread),
                *(list_servers(self._clients, each, limit) for each in targets),
            )
        evidence = CoverageEvidence(targets=listed, plans=plans, drills=drills, unread=unread)
        return await asyncio.to_thread(
            coverage, evidence, now=time.time(), notes=notes, max_gaps=request.max_gaps
        )

    async def _read_plans(self) -> tuple[list[RecoveryPlan], list[str]]:
        try:
            async with asyncio.timeout(_TABLE_SECONDS):
                registered, unread = await self._plans.newest()
                plans = [await self._with_servers(each.plan, unread) for each in registered]
        except TableError as error:
            return [], [str(error)]
        except TimeoutError:
            return [], [f"The plan table did not answer in {_TABLE_SECONDS:g} s"]
        return plans, unread

    async def _with_servers(self, plan: RecoveryPlan, unread: list[str]) -> RecoveryPlan:
        """A plan with the servers that were last recorded for its tags."""
        if not unresolved(plan):
            return plan
        plan = with_recorded(plan, await self._plans.recorded_servers(plan.plan_id))
        if unresolved(plan):
            unread.append(
                f"The servers of {plan.plan_id} by tags were never looked up; "
                f"`drs-waves readiness {plan.plan_id} --fresh` looks them up"
            )
        return plan

    async def _read_drills(
        self, plans: Iterable[RecoveryPlan], unread: list[str]
    ) -> dict[str, DrillRecord] | None:
        """The drills of plans; if they cannot be read, `unread` gets why."""
        plan_ids = [plan.plan_id for plan in plans]
        try:
            async with asyncio.timeout(_TABLE_SECONDS):
                records = await self._history.drills(plan_ids)
        except TableError as error:
            unread.append(f"Which plans were drilled is not known: {error}")
        except TimeoutError:
            what = f"the history table did not answer in {_TABLE_SECONDS:g} s"
            unread.append(f"Which plans were drilled is not known: {what}")
        else:
            return {plan_id: records.of(plan_id) for plan_id in plan_ids}
        return None


async def list_servers(
    clients: TargetClients, target: Target, limit: asyncio.Semaphore
) -> ListedTarget:
    """The source servers of a target; that they cannot be read is a result too."""
    listed = ListedTarget(target=target)
    api = clients.looks(target)
    async with limit:
        try:
            async with asyncio.timeout(_TARGET_SECONDS):
                servers = await api.all_source_servers()
                listed.account_id = await api.known_account()
        except AwsError as error:
            # Where DRS was never used there is nothing to recover.
            if error.kind is not AwsErrorKind.UNINITIALIZED:
                listed.failed = failed_read("drs", error)
        except TimeoutError:
            late = f"AWS did not answer in {_TARGET_SECONDS:g} s"
            listed.failed = FailedRead(action="drs:DescribeSourceServers", error=late)
        else:
            listed.servers = [
                ListedServer(source_server_id=s.source_server_id, server_name=s.display_name)
                for s in servers
            ]
    return listed


def targets_to_read(
    plans: Iterable[RecoveryPlan], allow_list: AllowList | None
) -> tuple[list[Target], list[str]]:
    """The targets of the allow-list and of plans, each once, and what neither of them names."""
    entries = allow_list.targets if allow_list else ()
    listed = [target for entry in entries for target in entry.listed_targets()]
    # The account that a plan names is checked at its readiness.
    named = [t.model_copy(update={"account_id": None}) for plan in plans for t in plan.targets]
    notes = []
    if allow_list is None:
        notes.append("The worker has no allow-list: only the targets of registered plans were read")
    elif any(entry.has_unlisted_targets for entry in entries):
        notes.append(
            f"The allow-list ({allow_list.source}) has globs: of what they match, only the targets "
            "of registered plans were read. Name Regions and accounts to have all of them read"
        )
    return list(dict.fromkeys([*listed, *named])), notes
