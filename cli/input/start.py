"""Starts a plan, after the confirmation that the start needs."""

import asyncio
from functools import partial

from temporalio.client import Client

from cli.commands.cleanup import schedule_cleanup
from cli.input.confirmation import (
    check_confirmation,
    print_start_details,
    raise_if_refused,
    require_confirmation,
)
from cli.live.follow import follow_execution, print_detached_notice
from cli.live.view import WatchedExecution
from cli.render.output import notice, step, warn, write_json
from cli.render.records import print_takeover
from client.connection import connect_to_temporal
from client.errors import RefusedError, UnreachableError
from client.executions import find_running
from client.readiness import check_readiness
from client.start import already_running_text, replace_drill, start_execution
from client.takeover import PreviousExecution
from client.workers import idle_reason, require_worker
from contract.readiness import Readiness
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import (
    IntendedStart,
    start_options_refusal,
    start_refusal,
)
from recovery.plan.model import RecoveryPlan
from runtime.exit import ExitCode
from settings import get_settings
from storage.durations import learned_durations_in_time
from storage.history import HistoryTable


class PlanStart:
    """One start of a plan: its confirmation, the start, and what follows it."""

    def __init__(
        self,
        plan: RecoveryPlan,
        execution_type: ExecutionType,
        *,
        relaunch: list[str],
        confirmation: str | None,
        replace_drill: bool = False,
        previous: PreviousExecution | None = None,
        cleanup_after: float | None = None,
    ) -> None:
        self._plan = plan
        self._type = execution_type
        self._relaunch = relaunch
        self._confirmation = confirmation
        self._replace_drill = replace_drill
        self._previous = previous
        self._cleanup_after = cleanup_after
        self._intended_start = IntendedStart(
            plan.plan_id,
            execution_type,
            relaunch=relaunch,
            server_ids=[server_id for wave in plan.waves for server_id in wave.server_ids],
            replaces_drill=replace_drill,
            is_cleaned_up=cleanup_after is not None,
            plan_changes=previous.changes if previous is not None else (),
        )
        self._rule = partial(start_refusal, self._intended_start)
        self._is_start_sent = False
        self._execution_id: str | None = None

    def confirm(self) -> None:
        """Ask for the confirmation that the start needs.

        It runs outside the event loop, in which Ctrl-C would not reach the prompt.

        Raises:
            CliError: the start was not confirmed; nothing was started.
        """
        raise_if_refused(start_options_refusal(self._intended_start))
        if self._previous is not None:
            print_takeover(self._previous)
        if self._type is ExecutionType.DRILL and not self._relaunch:
            self._confirmation = self._require_confirmation()
            return
        check_confirmation(self._rule, self._plan.plan_id, self._confirmation)
        asyncio.run(_refuse_while_it_runs(self._plan.plan_id, replace_drill=self._replace_drill))
        readiness = asyncio.run(_readiness(self._plan))
        taken_over: list[str] = []
        if self._previous is not None:
            taken_over = self._previous.up
            readiness = readiness and self._previous.without_own(readiness)
        print_start_details(
            self._plan, self._type, readiness, self._relaunch, taken_over=taken_over
        )
        self._confirmation = self._require_confirmation()

    def _require_confirmation(self) -> str | None:
        return require_confirmation(self._rule, self._plan.plan_id, self._confirmation)

    async def start(self, *, follow: bool, json: bool) -> ExitCode:
        """Start the execution, and follow it if asked to."""
        client = await connect_to_temporal()
        plan_id = self._plan.plan_id
        if self._replace_drill:
            with step(f"Ending the drill of {self._plan.plan_name}"):
                replaced = await replace_drill(client, plan_id)
            notice("The drill was cancelled." if replaced else "No drill was running.")
        execution_id = await self._start_execution(client)
        notice(f"Started {self._type} {execution_id}")
        if self._cleanup_after is not None:
            await schedule_cleanup(client, execution_id, plan_id, self._cleanup_after)
        if idle := await _why_idle(client):
            warn(f"it has not begun yet. {idle}")
        if follow:
            is_sandbox = get_settings().speed > 1
            watched = WatchedExecution(plan_id, execution_id, sandbox=is_sandbox)
            return await follow_execution(client, watched, json=json)
        if json:
            write_json({"PlanId": plan_id, "ExecutionId": execution_id})
        else:
            notice(f"Watch it: drs-waves watch {plan_id}")
        return ExitCode.COMPLETED

    async def _start_execution(self, client: Client) -> str:
        learned = await learned_durations_in_time(HistoryTable(get_settings()), self._plan)
        self._is_start_sent = True
        self._execution_id = await start_execution(
            client,
            self._plan,
            execution_type=self._type,
            confirmation=self._confirmation,
            relaunch=self._relaunch,
            takeover=self._previous.takeover if self._previous else None,
            learned=learned,
        )
        return self._execution_id

    def print_interrupted(self) -> None:
        """Print what Ctrl-C has ended and what goes on."""
        plan_id = self._plan.plan_id
        if self._execution_id is not None:
            print_detached_notice(plan_id)
        elif self._is_start_sent:
            notice("\nInterrupted while starting; it may have begun. Look with:")
            notice(f"  drs-waves status {plan_id}")
        else:
            notice("\nInterrupted; nothing was started.")


async def _refuse_while_it_runs(plan_id: str, *, replace_drill: bool) -> None:
    """Refuse a start that Temporal would refuse, before the operator types the PlanId for it.

    Raises:
        RefusedError: an execution of the plan runs that must not be replaced.
    """
    client = await connect_to_temporal()
    running = await find_running(client, plan_id)
    if running is None or (replace_drill and running.execution_type is ExecutionType.DRILL):
        return
    raise RefusedError(f"nothing was started: {await already_running_text(client, plan_id)}")


async def _readiness(plan: RecoveryPlan) -> Readiness | None:
    """Have the worker check the readiness; None if the check fails or takes too long.

    Raises:
        UnreachableError: no worker runs, so the targets are not known.
    """
    client = await connect_to_temporal()
    await require_worker(client)
    try:
        with step("Looking at the targets, as the worker sees them"):
            return await check_readiness(client, plan)
    except UnreachableError as error:
        # A failed check must not block a real recovery.
        warn(f"readiness is not known: {error}")
        return None


async def _why_idle(client: Client) -> str | None:
    try:
        return await idle_reason(client)
    except UnreachableError:
        # The execution has started; the live view shows whether a worker serves it.
        return None
