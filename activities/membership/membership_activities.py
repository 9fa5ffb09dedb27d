"""Reads and records the source servers that tags match; DRS has no filter by tags."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from temporalio import activity

from activities.heartbeat import heartbeating
from aws.drs.models import SourceServer
from aws.errors import AwsError, TargetRefusedError
from aws.targets import TargetClients
from contract.readiness import MembershipRequest
from recovery.plan.members import (
    FoundServers,
    RecordedServers,
    TaggedMembership,
    TaggedServers,
)
from recovery.plan.membership import asked_of, to_record, unresolved
from recovery.plan.model import RecoveryPlan, Target
from recovery.text_format import shortened
from storage.plans import PlanTable, PlanTableError

# A recovery has the recorded servers when DRS does not answer.
_READ_SECONDS = 20.0
_TABLE_SECONDS = 5.0


class MembershipActivities:
    """The activity that looks up tags; it changes the record of a plan's servers alone."""

    def __init__(self, clients: TargetClients, plans: PlanTable | None = None) -> None:
        self._clients = clients
        self._plans = plans

    @activity.defn
    async def read_membership(self, request: MembershipRequest) -> TaggedMembership:
        """What DRS has for each wave that names tags, and what was recorded before."""
        plan = request.plan
        async with heartbeating():
            found, (recorded, problem) = await asyncio.gather(
                self._find(plan), self._recorded(plan.plan_id)
            )
            known = TaggedMembership(found=found, recorded=recorded, recorded_error=problem)
            new = to_record(plan, known, accepted=request.accepted)
            if new is not None and problem is None:
                known.recorded_error = await self._record(plan.plan_id, new)
        return known

    async def _find(self, plan: RecoveryPlan) -> FoundServers:
        now, asked = time.time(), [asked_of(wave) for wave in unresolved(plan)]
        targets = list(dict.fromkeys(map(_target_of, asked)))
        reads = await asyncio.gather(*map(self._read, targets))
        known = dict(zip(targets, reads, strict=True))
        waves = []
        for each in asked:
            servers = known[_target_of(each)]
            if not isinstance(servers, str):
                waves.append(each.model_copy(update={"servers": _matching(each.tags, servers)}))
        return FoundServers(time=now, waves=waves, errors=[e for e in reads if isinstance(e, str)])

    async def _read(self, target: Target) -> list[SourceServer] | str:
        """The source servers of a target, or why they could not be read."""
        where = f"{target.region}{f' as {target.role_arn}' if target.role_arn else ''}"
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._clients.drs(target).all_source_servers()
        except TargetRefusedError as error:
            return f"{where}: {error}"
        except AwsError as error:
            return f"{where}: {shortened(str(error))}"
        except TimeoutError:
            return f"{where}: DRS did not answer in {_READ_SECONDS:g} s"

    async def _recorded(self, plan_id: str) -> tuple[RecordedServers | None, str | None]:
        if self._plans is None:
            return None, None
        try:
            async with asyncio.timeout(_TABLE_SECONDS):
                return await self._plans.recorded_servers(plan_id), None
        except PlanTableError as error:
            return None, str(error)
        except TimeoutError:
            return None, f"the plan table did not answer in {_TABLE_SECONDS:g} s"

    async def _record(self, plan_id: str, found: RecordedServers) -> str | None:
        """Record what was found; returns why that failed."""
        if self._plans is None:
            return None
        try:
            async with asyncio.timeout(_TABLE_SECONDS):
                await self._plans.record_servers(plan_id, found)
        except PlanTableError as error:
            return str(error)
        except TimeoutError:
            return f"the plan table did not answer in {_TABLE_SECONDS:g} s"
        return None


def _target_of(asked: TaggedServers) -> Target:
    return Target(region=asked.region, role_arn=asked.role_arn, account_id=asked.account_id)


def _matching(tags: Mapping[str, str], servers: Sequence[SourceServer]) -> dict[str, str | None]:
    return {
        each.source_server_id: each.display_name
        for each in servers
        if all(each.tags.get(name) == value for name, value in tags.items())
    }
