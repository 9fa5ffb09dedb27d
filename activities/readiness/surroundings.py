"""Reads what the worker has for a recovery besides its targets."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from temporalio import activity

from activities.access.verifier import RequestVerifier
from activities.heartbeat import heartbeating
from activities.readiness.installation.recorded_use import ConcludedChecks, RecordedUse
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import SurroundingsLook, SurroundingsResult
from recovery.access.step_needs import needs_of
from recovery.notify.channels import Channel
from recovery.plan.model import RecoveryPlan
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.planned_target import looked_at
from recovery.readiness.result import DAY_SECONDS, Lag, worst_lag_since
from recovery.readiness.subjects.access import AccessEvidence, access_findings
from recovery.readiness.subjects.replication import lately_findings
from recovery.readiness.subjects.steps import check_findings
from recovery.readiness.subjects.surroundings import SurroundingsEvidence, surroundings_findings
from settings import Settings, aws_elsewhere
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
        *,
        verifier: RequestVerifier | None = None,
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._dependencies = dependencies
        self._history = history
        self._channels = channels
        self._verifier = verifier
        self._recorded = RecordedUse(history) if history is not None else None

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
        history, access, checks = await asyncio.gather(
            self._history_differences(), self._access(), self._concluded_checks(look.plan)
        )
        now = time.time()
        evidence = SurroundingsEvidence(
            channels=list(self._channels),
            is_sandbox=not aws_elsewhere(),
            history=history,
            allow_list_warning=self._clients.allow_list_warning,
            identity_warnings=self._clients.identity_warnings(looked_at(look.plan)),
            step_refusals=self._step_refusals(look.plan),
            lost=self._dependencies.lost_with(look.origins),
            origins=look.origins,
        )
        worst = await self._worst_lag(look.plan)
        return [
            *surroundings_findings(look.plan, evidence, now),
            *access_findings(look.plan, access, now),
            *_check_findings(look.plan, checks),
            *lately_findings(look.plan, look.worst_lag, worst),
        ]

    async def _access(self) -> AccessEvidence:
        keys = self._verifier.trusted_keys if self._verifier is not None else []
        offline = [key.name or "without a name" for key in keys if key.break_glass]
        last = await self._recorded.last_break_glass() if self._recorded and offline else None
        return AccessEvidence(
            requires_signatures=self._verifier is not None and self._verifier.is_required,
            signing_keys=len(keys) - len(offline),
            break_glass_keys=offline,
            last_break_glass=last if isinstance(last, float) else None,
            failed=last if isinstance(last, FailedRead) else None,
        )

    async def _concluded_checks(self, plan: RecoveryPlan) -> ConcludedChecks | None:
        return await self._recorded.concluded_checks(plan) if self._recorded else None

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


def _check_findings(plan: RecoveryPlan, checks: ConcludedChecks | None) -> Iterable[Finding]:
    if checks is None:
        return ()
    if checks.failed is not None:
        return (checks.failed.finding("whether the checks of its steps have ever concluded"),)
    return check_findings(plan, checks.in_drills, checks.in_recoveries)
