"""Registers plan files: what that changes, and then the registration."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from client.recoveries.protocol import Recoveries
from recovery.plan.file.reader import ReadPlan
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import (
    KnownVersion,
    PlanOrigin,
    PlanRegistration,
    RegistrationChange,
    registration_of,
    to_remove,
)
from storage.plans import PlanVersion

_READS_AT_ONCE = 8


@dataclass(frozen=True)
class PendingRegistration:
    """What is registered or removed for one plan.

    Attributes:
        entry: what it changes.
        plan: None if the plan is removed.
        after: the newest version that it was compared with; 0 for none.
    """

    entry: PlanRegistration
    plan: RecoveryPlan | None
    after: int


@dataclass
class Registrar:
    """Compares plans with the registered ones, and registers them."""

    recoveries: Recoveries
    origin: PlanOrigin = field(default_factory=PlanOrigin)

    async def compare(self, files: Sequence[ReadPlan]) -> list[PendingRegistration]:
        """What registering these files changes, in their order; a plan may be in several."""
        known = await self._known(each.plan.plan_id for each in files)
        found = []
        for each in files:
            plan = each.plan
            before = known[plan.plan_id]
            entry = registration_of(plan, before, file=each.file, source=self.origin.source)
            after = before.version if before else 0
            found.append(PendingRegistration(entry, plan, after))
            if entry.is_change:
                source = self.origin.source or (before and before.source)
                known[plan.plan_id] = KnownVersion(version=after + 1, source=source, plan=plan)
        return found

    async def removals(self, files: Sequence[ReadPlan]) -> list[PendingRegistration]:
        """The registered plans of the origin's directory that it no longer has."""
        source = self.origin.source
        assert source is not None, "only a directory's plans are removed"
        versions = await self.recoveries.registered()
        known = await self._known(v.plan_id for v in versions if v.source == source)
        found = []
        for plan_id in to_remove((each.plan.plan_id for each in files), known, source):
            entry = PlanRegistration(plan_id=plan_id, change=RegistrationChange.REMOVED)
            before = known[plan_id]
            found.append(PendingRegistration(entry, None, before.version if before else 0))
        return found

    async def carry_out(self, pending: Sequence[PendingRegistration]) -> list[PlanVersion]:
        """Register and remove; returns the newest version of each plan.

        What only an approver may register comes first, so that its refusal leaves everything as
        it is.

        Raises:
            RefusedError: it is refused, or somebody has registered a newer version.
        """
        versions: dict[int, PlanVersion] = {}
        # Several versions of one plan stay in their order.
        weaker = {each.entry.plan_id for each in pending if each.entry.weakens}
        order = sorted(range(len(pending)), key=lambda n: pending[n].entry.plan_id not in weaker)
        for number in order:
            each = pending[number]
            versions[number] = await self._carry_out(each)
            each.entry.version = versions[number].version
        return [versions[number] for number in range(len(pending))]

    async def _carry_out(self, each: PendingRegistration) -> PlanVersion:
        if each.plan is None:
            return await self.recoveries.remove_plan(each.entry.plan_id, after=each.after)
        version, _ = await self.recoveries.register(each.plan, after=each.after, origin=self.origin)
        return version

    async def _known(self, plan_ids: Iterable[str]) -> dict[str, KnownVersion | None]:
        slots = asyncio.Semaphore(_READS_AT_ONCE)

        async def read(plan_id: str) -> KnownVersion | None:
            async with slots:
                registered = await self.recoveries.registered_plan(plan_id)
            return registered.known if registered else None

        ids = list(dict.fromkeys(plan_ids))
        return dict(zip(ids, await asyncio.gather(*map(read, ids)), strict=True))
