"""A drill's lease of launch templates: whatever becomes of the drill, they are restored."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.isolation.lease_activities import LeaseActivities
    from contract.identifiers import plan_id_of
    from contract.launch_settings.lease import (
        HoldRequest,
        LeaseInput,
        LeaseJobsRequest,
        LeaseOutcome,
        LeaseState,
        RestoreRequest,
    )
    from recovery.execution.state import ExecutionType
    from recovery.launch_settings.lease import Lease, RestoreResult
    from recovery.notify.event_kind import EventKind
    from recovery.notify.events import Event, NotifiedExecution
    from recovery.notify.notifier_state import NotifyUpdate
    from workflows.lease.calls import call_until_done
    from workflows.notifier_report import report
    from workflows.signals import model_signal
    from workflows.versioning import LONG_LIVED

_REPORT_SECONDS = 3600.0


@workflow.defn(versioning_behavior=LONG_LIVED)
class LeaseWorkflow:
    """Keeps a drill's template versions until DRS has read them, then restores the earlier ones.

    The launcher starts it before the first template is switched. It needs neither the launcher nor
    the drill afterwards.
    """

    @workflow.init
    def __init__(self, start: LeaseInput) -> None:
        self._start = start
        # By server: whose template is not restored yet.
        self._open = {lease.source_server_id: lease for lease in start.leases}
        self._outcome: LeaseOutcome | None = None
        self._jobs: dict[str, str] = {}
        self._state = LeaseState(lease_id=start.lease_id, leases=start.leases)

    @workflow.run
    async def run(self, start: LeaseInput) -> LeaseState:
        """Hold and restore; ends when nothing of the drill is left in EC2 and DRS."""
        self._show("Waiting for DRS to accept the launch")
        await self._wait_for_outcome()
        self._jobs = dict(self._outcome.jobs) if self._outcome else {}
        unlaunched = [i for i in self._open if i not in self._jobs]
        if unlaunched and (self._outcome is None or self._outcome.in_doubt):
            self._show("Searching the drill's job")
            request = LeaseJobsRequest(lease=start, server_ids=unlaunched)
            summary = "Search the drill's job"
            found = await call_until_done(LeaseActivities.find_lease_jobs, request, summary)
            self._jobs |= found
        await self._restore([i for i in self._open if i not in self._jobs], is_over=True)
        while self._open:
            self._show(f"Waiting for LAUNCH_START of {len(self._open)} servers")
            ready = await self._hold(list(self._open), until_end=False)
            await self._restore(ready, is_over=False)
        await self._restore_drs()
        self._show("Restored")
        await self._report_problems()
        return self._state

    @model_signal
    def launch_settled(self, outcome: LeaseOutcome) -> None:
        """Handle the launcher's signal of what became of the launches."""
        self._outcome = outcome

    @workflow.query
    def status(self) -> LeaseState:
        """The state of the lease."""
        return self._state

    async def _wait_for_outcome(self) -> None:
        """Wait for the launcher, as long as it may start a job."""
        until = self._start.expires_time
        while self._outcome is None and (left := until - workflow.time()) > 0:
            try:
                await workflow.wait_condition(
                    lambda: self._outcome is not None,
                    timeout=left,
                    timeout_summary="The launcher has not said what became of the launches",
                )
            except TimeoutError:
                return
            except asyncio.CancelledError:
                workflow.logger.info("A cancelled lease goes on until all is restored")

    async def _hold(self, server_ids: list[str], *, until_end: bool) -> list[str]:
        request = HoldRequest(
            target=self._start.target,
            leases=[e for e in self._start.leases if e.source_server_id in server_ids],
            jobs={i: self._jobs[i] for i in server_ids},
            until_end=until_end,
            acting_for=self._start.acting_for,
        )
        what = "the end of the job" if until_end else "LAUNCH_START"
        summary = f"Await {what} of {len(server_ids)} servers"
        return await call_until_done(LeaseActivities.hold_templates, request, summary)

    async def _restore(self, server_ids: list[str], *, is_over: bool) -> None:
        """Restore the templates of servers, and DRS's own settings if no job of theirs runs."""
        leases = [self._open.pop(i) for i in server_ids if i in self._open]
        if leases:
            self._show(f"Restoring {len(leases)} launch templates")
            self._state.add(await self._restored(leases, restore_drs=is_over))

    async def _restore_drs(self) -> None:
        """Restore DRS's own settings of servers once their jobs are over."""
        left = {
            lease.source_server_id: lease
            for lease in self._start.leases
            if lease.drill.changes_drs and lease.source_server_id in self._jobs
        }
        while left:
            self._show(f"Waiting for the end of the job of {len(left)} servers")
            ended = await self._hold(list(left), until_end=True)
            leases = [left.pop(i) for i in ended if i in left]
            self._state.add(await self._restored(leases, restore_drs=True))

    async def _restored(self, leases: list[Lease], *, restore_drs: bool) -> list[RestoreResult]:
        request = RestoreRequest(
            target=self._start.target,
            leases=leases,
            restore_drs=restore_drs,
            held_since=workflow.info().start_time.timestamp(),
            acting_for=self._start.acting_for,
        )
        summary = f"Restore {len(leases)} launch templates"
        return await call_until_done(LeaseActivities.restore_templates, request, summary)

    async def _report_problems(self) -> None:
        """Report what was left as it is."""
        start, problems = self._start, self._state.problems
        for execution_id in start.execution_ids if problems else []:
            event = Event(
                kind=EventKind.SETTINGS_LEFT,
                key=f"{EventKind.SETTINGS_LEFT}/{start.lease_id}",
                time=workflow.time(),
                reason="; ".join(problems),
            )
            plan_id = plan_id_of(execution_id)
            execution = NotifiedExecution(
                execution_id=execution_id,
                plan_id=plan_id,
                plan_name=plan_id,
                execution_type=ExecutionType.DRILL,
                started_by=start.acting_for.actor if start.acting_for else "unknown",
                start_time=start.since,
            )
            update = NotifyUpdate(execution=execution, events=[event], is_after_end=True)
            try:
                await report(update, [], within_seconds=_REPORT_SECONDS)
            except (asyncio.CancelledError, ActivityError):
                workflow.logger.info("A cancelled lease has ended without its report")

    def _show(self, text: str) -> None:
        self._state.doing = text
        problems = "".join(f"\n- {each}" for each in self._state.problems)
        workflow.set_current_details(f"**{text}**{problems}")
