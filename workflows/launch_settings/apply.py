"""Applying a plan's launch settings to DRS and EC2; the versions are in its history."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.heartbeat import heartbeat_timeout
    from activities.launch_settings.settings_activities import LaunchSettingsActivities
    from contract.failures import FailureType
    from contract.launch_settings.apply import (
        ApplyRequest,
        PreparedServer,
        PrepareRequest,
        StartApply,
    )
    from recovery.launch_settings.report import (
        AppliedServer,
        AppliedStatus,
        ApplyState,
        ApplyStatus,
        WantedServer,
        wanted_servers,
    )
    from recovery.operator.confirmation import launch_settings_refusal
    from recovery.plan.model import Target
    from recovery.text_format import count, shortened
    from workflows.activity_options import WRITE_RETRY
    from workflows.versioning import LONG_LIVED

# So that an attempt of an activity is short, and what it did is soon in the history.
_SERVERS_AT_ONCE = 20
_ACTIVITIES_AT_ONCE = 4
# For what AWS refuses now; afterwards the servers are reported as failed.
_LONGEST = timedelta(hours=1)


@workflow.defn(versioning_behavior=LONG_LIVED)
class LaunchSettingsWorkflow:
    """Applies the launch settings of a plan, some servers at a time."""

    @workflow.init
    def __init__(self, start: StartApply) -> None:
        self._start = start
        self._servers = wanted_servers(start.plan)
        self._slots = asyncio.Semaphore(_ACTIVITIES_AT_ONCE)
        self._state = ApplyState(
            plan_id=start.plan.plan_id,
            plan_hash=start.plan.plan_hash,
            actor=start.actor,
            start_time=workflow.time(),
            server_count=sum(map(len, self._servers.values())),
        )

    @workflow.run
    async def run(self, start: StartApply) -> ApplyState:
        """Apply them.

        Raises:
            ApplicationError: SettingsRefused; or SettingsIncomplete, if a server has not what the
                plan wants.
        """
        refusal = launch_settings_refusal(start.plan.plan_id, start.confirmation)
        if refusal is not None:
            raise ApplicationError(
                refusal.text, type=FailureType.SETTINGS_REFUSED, non_retryable=True
            )
        parts = [
            (target, servers[first : first + _SERVERS_AT_ONCE])
            for target, servers in self._servers.items()
            for first in range(0, len(servers), _SERVERS_AT_ONCE)
        ]
        await asyncio.gather(*(self._apply_some(target, some) for target, some in parts))
        self._state.end(workflow.time())
        if self._state.status is ApplyStatus.COMPLETED:
            return self._state
        left = sum(each.status is not AppliedStatus.APPLIED for each in self._state.servers)
        raise ApplicationError(
            f"{count(left, 'server')} of {self._state.server_count} did not get what the plan "
            "wants; launch-settings diff compares again",
            type=FailureType.SETTINGS_INCOMPLETE,
            non_retryable=True,
        )

    @workflow.query
    def status(self) -> ApplyState:
        """How far it is."""
        return self._state

    async def _apply_some(self, target: Target, servers: list[WantedServer]) -> None:
        async with self._slots:
            try:
                prepared = await self._prepare(target, servers)
                changed = [each for each in prepared if not each.changes_nothing]
                results = [_unchanged(target, each) for each in prepared if each.changes_nothing]
                if changed:
                    results += await self._apply(target, changed)
            except ActivityError as error:
                reason = shortened(str(error.cause or error))
                results = [_failed(target, each, reason) for each in servers]
        self._state.add(results)

    async def _prepare(self, target: Target, servers: list[WantedServer]) -> list[PreparedServer]:
        start = self._start
        return await workflow.execute_activity_method(
            LaunchSettingsActivities.create_template_versions,
            PrepareRequest(
                target=target,
                servers=servers,
                apply_id=start.apply_id,
                plan_id=start.plan.plan_id,
                actor=start.actor,
            ),
            summary=f"Create versions of launch templates for {count(len(servers), 'server')}",
            schedule_to_close_timeout=_LONGEST,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=WRITE_RETRY,
        )

    async def _apply(self, target: Target, servers: list[PreparedServer]) -> list[AppliedServer]:
        start = self._start
        return await workflow.execute_activity_method(
            LaunchSettingsActivities.apply_launch_settings,
            ApplyRequest(
                target=target,
                servers=servers,
                apply_id=start.apply_id,
                plan_id=start.plan.plan_id,
                actor=start.actor,
            ),
            summary=f"Apply the launch settings of {count(len(servers), 'server')}",
            schedule_to_close_timeout=_LONGEST,
            heartbeat_timeout=heartbeat_timeout(),
            retry_policy=WRITE_RETRY,
        )


def _unchanged(target: Target, prepared: PreparedServer) -> AppliedServer:
    return AppliedServer(
        wave_id=prepared.server.wave_id,
        source_server_id=prepared.server.source_server_id,
        region=target.region,
        status=AppliedStatus.UNCHANGED,
    )


def _failed(target: Target, server: WantedServer, reason: str) -> AppliedServer:
    return AppliedServer(
        wave_id=server.wave_id,
        source_server_id=server.source_server_id,
        region=target.region,
        status=AppliedStatus.FAILED,
        reason=reason,
    )
