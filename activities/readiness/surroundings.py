"""Reads what the worker has for a recovery besides its targets."""

import asyncio
import time
from collections.abc import Sequence

from temporalio import activity

from activities.heartbeat import heartbeating
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import SurroundingsLook, SurroundingsResult
from recovery.access.step_needs import needs_of
from recovery.notify.channels import Channel
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import Finding
from recovery.readiness.planned_target import looked_at
from recovery.readiness.result import DAY_SECONDS, Lag, worst_lag_since
from recovery.readiness.subjects.replication import lately_findings
from recovery.readiness.subjects.surroundings import SurroundingsEvidence, surroundings_findings
from settings import Settings
from storage.dynamodb import TableError
from storage.history import HistoryError, HistoryTable
from storage.readiness import ReadinessTable

_RESPONSE_SECONDS = 20.0


class SurroundingsActivities:
    """Looks at the installation."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        dependencies: DependencyRegions,
        history: HistoryTable | None,
        channels: Sequence[Channel],
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._dependencies = dependencies
        self._history = history
        self._channels = channels

    @activity.defn
    async def look_at_surroundings(self, request: SurroundingsLook) -> SurroundingsResult:
        """Read and judge what a recovery of a plan needs in the installation."""
        async with heartbeating():
            findings = await self._findings(request)
        return SurroundingsResult(
            speed=self._settings.speed,
            history_endpoint=await self._history.endpoint() if self._history else None,
            findings=findings,
        )

    async def _findings(self, look: SurroundingsLook) -> list[Finding]:
        evidence = SurroundingsEvidence(
            channels=[each.name for each in self._channels],
            history=await self._history_differences(),
            allow_list_warning=self._clients.allow_list_warning,
            identity_warnings=self._clients.identity_warnings(looked_at(look.plan)),
            step_refusals=self._step_refusals(look.plan),
            lost=self._dependencies.lost_with(look.origins),
        )
        found = list(surroundings_findings(look.plan, evidence))
        worst = await self._worst_lag(look.plan)
        return [*found, *lately_findings(look.plan, look.worst_lag, worst)]

    async def _worst_lag(self, plan: RecoveryPlan) -> Lag | None:
        """The worst lag that the plan's looks of the last day found; None if that is not known."""
        if plan.rpo is None:
            return None
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                looks = await ReadinessTable(self._settings).looks(plan.plan_id)
        except (TableError, TimeoutError):
            return None
        return worst_lag_since(looks, time.time() - DAY_SECONDS)

    def _step_refusals(self, plan: RecoveryPlan) -> dict[str, list[str]]:
        """What the allow-list does not have of what steps need, by the starts it refuses."""
        allow_list = self._clients.allow_list
        if allow_list is None:
            return {}
        drill, recovery = (
            allow_list.steps.refusals(needs_of(plan, is_drill=each).uses, allow_list.source)
            for each in (True, False)
        )
        return {
            "a start": [each for each in drill if each in recovery],
            "a drill": [each for each in drill if each not in recovery],
            "a recovery": [each for each in recovery if each not in drill],
        }

    async def _history_differences(self) -> list[str]:
        """How the history table differs from the one that it should be."""
        if self._history is None:
            return []
        try:
            async with asyncio.timeout(_RESPONSE_SECONDS):
                check = await self._history.check()
        except HistoryError as error:
            return [str(error)]
        except TimeoutError:
            return [f"The history table did not answer in {_RESPONSE_SECONDS:g} s"]
        return [*([check.unfit] if check.unfit else []), *check.warnings]
