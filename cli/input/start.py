"""One start of one plan, with what must be asked before it."""

import asyncio
from functools import partial

from temporalio.client import Client

from cli.commands.cleanup import schedule_cleanup
from cli.input.confirmation import (
    confirmed,
    print_start_details,
    refuse_unconfirmable,
    refuse_unless,
)
from cli.live.follow import follow_execution, print_detached_notice
from cli.live.view import WatchedExecution
from cli.render.output import notice, step, warn, write_json
from cli.render.records import print_takeover
from client.connection import connect_to_temporal
from client.errors import RefusedError, UnreachableError
from client.executions import find_running
from client.readiness import check_readiness
from client.start import replace_drill, start_execution, why_not_now
from client.takeover import PreviousExecution
from client.workers import require_worker, why_idle
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


class Launch:
    """One start of one plan, with what must be asked before it."""

    def __init__(
        self,
        plan: RecoveryPlan,
        execution_type: ExecutionType,
        *,
        relaunch: list[str],
        confirmation: str | None,
        replace_drill: bool = False,
        earlier: PreviousExecution | None = None,
        cleanup_after: float | None = None,
    ) -> None:
        self._plan = plan
        self._type = execution_type
        self._relaunch = relaunch
        self._confirmation = confirmation
        self._replace_drill = replace_drill
        self._earlier = earlier
        self._cleanup_after = cleanup_after
        self._intended = IntendedStart(
            plan.plan_id,
            execution_type,
            relaunch=relaunch,
            server_ids=[server_id for wave in plan.waves for server_id in wave.server_ids],
            replaces_drill=replace_drill,
            is_cleaned_up=cleanup_after is not None,
            plan_changes=earlier.changes if earlier is not None else (),
        )
        self._refusal = partial(start_refusal, self._intended)
        self._begun = False
        self._execution_id: str | None = None

    def ask(self) -> None:
        """Have confirmed what cannot be taken back.

        It runs outside the event loop, which would keep Ctrl-C from the prompt.

        Raises:
            CliError: it was not confirmed; nothing was started.
        """
        refuse_unless(start_options_refusal(self._intended))
        if self._earlier is not None:
            print_takeover(self._earlier)
        if self._type is ExecutionType.DRILL and not self._relaunch:
            self._confirmation = self._confirmed()
            return
        refuse_unconfirmable(self._refusal, self._plan.plan_id, self._confirmation)
        asyncio.run(_refuse_while_it_runs(self._plan.plan_id, replace_drill=self._replace_drill))
        readiness = asyncio.run(_look_at(self._plan))
        up: list[str] = []
        if self._earlier is not None:
            up = self._earlier.up
            readiness = readiness and self._earlier.without_own(readiness)
        print_start_details(self._plan, self._type, readiness, self._relaunch, taken_over=up)
        self._confirmation = self._confirmed()

    def _confirmed(self) -> str | None:
        return confirmed(self._refusal, self._plan.plan_id, self._confirmation)

    async def execute(self, *, follow: bool, json: bool) -> ExitCode:
        """Start, and follow if wanted."""
        client = await connect_to_temporal()
        if self._replace_drill:
            with step(f"Ending the drill of {self._plan.plan_name}"):
                replaced = await replace_drill(client, self._plan.plan_id)
            notice("The drill was cancelled." if replaced else "No drill was running.")
        learned = await learned_durations_in_time(HistoryTable(get_settings()), self._plan)
        self._begun = True
        self._execution_id = await start_execution(
            client,
            self._plan,
            execution_type=self._type,
            confirmation=self._confirmation,
            relaunch=self._relaunch,
            takeover=self._earlier.takeover if self._earlier else None,
            learned=learned,
        )
        notice(f"Started {self._type} {self._execution_id}")
        if self._cleanup_after is not None:
            await schedule_cleanup(
                client, self._execution_id, self._plan.plan_id, self._cleanup_after
            )
        if idle := await _why_idle(client):
            warn(f"it has not begun yet. {idle}")
        if follow:
            return await follow_execution(
                client,
                WatchedExecution(
                    self._plan.plan_id,
                    self._execution_id,
                    sandbox=get_settings().speed > 1,
                ),
                json=json,
            )
        if json:
            write_json({"PlanId": self._plan.plan_id, "ExecutionId": self._execution_id})
        else:
            notice(f"Watch it: drs-waves watch {self._plan.plan_id}")
        return ExitCode.COMPLETED

    def print_interrupted(self) -> None:
        """Say what Ctrl-C has and has not ended."""
        plan_id = self._plan.plan_id
        if self._execution_id is not None:
            print_detached_notice(plan_id)
        elif self._begun:
            notice("\nInterrupted while starting; it may have begun. Look with:")
            notice(f"  drs-waves status {plan_id}")
        else:
            notice("\nInterrupted; nothing was started.")


async def _refuse_while_it_runs(plan_id: str, *, replace_drill: bool) -> None:
    """Refuse what could not start anyhow before anybody types a PlanId for it.

    Raises:
        RefusedError: the plan runs, as something that is not to be replaced.
    """
    client = await connect_to_temporal()
    running = await find_running(client, plan_id)
    if running is None or (replace_drill and running.execution_type is ExecutionType.DRILL):
        return
    raise RefusedError(f"nothing was started: {await why_not_now(client, plan_id)}")


async def _look_at(plan: RecoveryPlan) -> Readiness | None:
    """What the worker sees of the targets; None if it cannot tell in time.

    Raises:
        UnreachableError: no worker runs, so nobody can say where the plan would be launched.
    """
    client = await connect_to_temporal()
    await require_worker(client)
    try:
        with step("Looking at the targets, as the worker sees them"):
            return await check_readiness(client, plan)
    except UnreachableError as error:
        # A check that fails must not hold a real recovery back.
        warn(f"readiness is not known: {error}")
        return None


async def _why_idle(client: Client) -> str | None:
    try:
        return await why_idle(client)
    except UnreachableError:
        # It has just been started: whether somebody works on it shows in the live view.
        return None
