"""The activities of `drs-waves doctor`; they change nothing."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

from temporalio import activity

from activities.access.verifier import RequestVerifier
from activities.coverage.coverage_activities import targets_to_read
from activities.doctor.bounded import bounded, together
from activities.doctor.channel_checks import ChannelChecks
from activities.doctor.table_checks import table_checks
from activities.doctor.target_checks import TargetChecks
from activities.heartbeat import heartbeating
from aws.targets import TargetClients
from recovery.doctor.check import Check, Part
from recovery.doctor.installation import (
    KeyEvidence,
    channel_checks,
    clock_check,
    key_checks,
)
from recovery.doctor.worker import WorkerReport
from recovery.notify.channels import Channel
from recovery.plan.model import Target
from settings import Settings, aws_elsewhere
from storage.plans import PlanTable

_CHANNEL_SECONDS = 20.0
_PLAN_SECONDS = 10.0


class DoctorActivities:
    """Checks what this worker sees."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        channels: Sequence[Channel],
        verifier: RequestVerifier,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._channels = channels
        self._verifier = verifier
        self._targets = TargetChecks(clients)

    @activity.defn
    async def answer_queue(self, queue: str) -> str:
        """Answer; that shows that a worker serves the task queue."""
        return queue

    @activity.defn
    async def examine_installation(self, seconds: float) -> WorkerReport:
        """Check tables, targets, clocks, channels and keys, all at the same time.

        Args:
            seconds: how long it may take.
        """
        began = activity.info().started_time.timestamp()
        clock = clock_check("worker and Temporal", time.time() - began)
        async with heartbeating():
            checks = await together(
                table_checks(self._settings),
                self._check_targets(seconds - _PLAN_SECONDS),
                bounded(Part.CHANNELS, "channels", self._check_channels(), _CHANNEL_SECONDS),
            )
        keys = self._verifier.key_ids
        return WorkerReport(checks=[clock, *checks, *self._check_keys()], trusted_keys=keys)

    async def _check_targets(self, seconds: float) -> list[Check]:
        try:
            async with asyncio.timeout(_PLAN_SECONDS):
                registered, unread = await PlanTable(self._settings).newest()
        except Exception as error:
            # The targets of the allow-list are known without the table.
            registered, unread = [], [f"the registered plans are not known: {error}"]
        targets, notes = targets_to_read((e.plan for e in registered), self._clients.allow_list)
        found = [Check.skipped(Part.TARGETS, "others", each) for each in unread]
        if warning := self._clients.allow_list_warning:
            found.append(Check.warn(Part.TARGETS, "allow-list", warning))
        elif self._clients.allow_list is not None:
            found += [Check.skipped(Part.TARGETS, "others", each) for each in notes]
        if not targets:
            why = "no allow-list and no registered plan names one"
            found.append(Check.skipped(Part.TARGETS, "targets", why, "Register a plan"))
        named = defaultdict[Target, list[Target]](list)
        for target in {target for each in registered for target in each.plan.targets}:
            named[target.model_copy(update={"account_id": None})].append(target)
        # The account must be the one that the plans name.
        wanted = [each for target in targets for each in named.get(target, [target])]
        return found + await self._targets.check_all(wanted, seconds)

    async def _check_channels(self) -> list[Check]:
        looks = ChannelChecks()
        evidence = await asyncio.gather(*(looks.look(each) for each in self._channels))
        return list(channel_checks(evidence, is_sandbox=not aws_elsewhere()))

    def _check_keys(self) -> list[Check]:
        keys = self._verifier.trusted_keys
        evidence = KeyEvidence(
            is_required=self._verifier.is_required,
            signing=[each.name for each in keys if not each.break_glass],
            break_glass=[each.name or "without a name" for each in keys if each.break_glass],
            has_audit_log=self._settings.audit_log is not None,
        )
        return list(key_checks(evidence))
