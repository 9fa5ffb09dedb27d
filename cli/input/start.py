"""Starts a plan, after the confirmation that the start needs."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from temporalio.client import Client

from cli.input.confirmation import (
    check_confirmation,
    confirm_default_temporal,
    print_start_details,
    require_confirmation,
)
from cli.live.follow import follow_execution, print_detached_notice
from cli.live.view import WatchedExecution
from cli.render.output import notice, step, warn, write_json
from cli.render.records import print_takeover
from client.cleanup import schedule_cleanup
from client.connection import connect_to_temporal, temporal_place
from client.errors import UnreachableError
from client.local_user import whoami
from client.readiness import check_readiness
from client.start import replace_drill, require_targets, running_drill, start_execution
from client.takeover import PreviousExecution
from client.workers import idle_reason
from contract.readiness import Readiness
from recovery.access.approvals import passed_by_break_glass
from recovery.base_model import Model
from recovery.operator.confirmation import IntendedStart, start_refusal
from recovery.plan.model import RecoveryPlan
from recovery.text_format import listed, rounded_duration
from runtime.exit import ExitCode
from security.signers import RequestSigner
from settings import get_settings
from storage.durations import learned_durations_in_time
from storage.history import HistoryTable


class Started(Model):
    """An execution that was started."""

    plan_id: str
    execution_id: str
    warnings: list[str] = []


@dataclass
class PlanStart:
    """One start of a plan: its confirmation, the start, and what follows it.

    Attributes:
        confirmation: the PlanId as it was passed; once confirmed, as it was typed.
        previous: the execution that it continues.
        cleanup_after: seconds from a drill's end until its instances are terminated.
        signer: signs the start; None: it is not signed.
    """

    plan: RecoveryPlan
    intended: IntendedStart
    confirmation: str | None
    previous: PreviousExecution | None = None
    cleanup_after: float | None = None
    signer: RequestSigner | None = None
    _place: str = field(default="", init=False)
    _is_start_sent: bool = field(default=False, init=False)
    _execution_id: str | None = field(default=None, init=False)

    def confirm(self) -> None:
        """Ask for the confirmation that the start needs.

        It runs outside the event loop, in which Ctrl-C would not reach the prompt.

        Raises:
            CliError: the start was not confirmed; nothing was started.
        """
        intended = self.intended
        if self.previous is not None:
            print_takeover(self.previous)
        rule = partial(start_refusal, intended)
        if self.signer is not None:
            passed = passed_by_break_glass(self.plan, intended.execution_type)
            passes = f"; it passes {listed(passed)}" if passed else ""
            notice(f"By break-glass ({self.signer.break_glass}){passes}.", style="bold")
        if intended.shows_targets:
            check_confirmation(rule, self.plan.plan_id, self.confirmation)
            readiness = asyncio.run(self._readiness())
            if self.previous is not None:
                readiness = readiness and self.previous.without_own(readiness)
            print_start_details(
                self.plan,
                intended.execution_type,
                readiness,
                intended.relaunch,
                place=self._place,
                previous=self.previous,
            )
        elif self.confirmation is None:
            confirm_default_temporal()
        self.confirmation = require_confirmation(rule, self.plan.plan_id, self.confirmation)

    async def _readiness(self) -> Readiness | None:
        """Have the worker check the readiness; None if the check fails or takes too long.

        Raises:
            RefusedError: an execution of the plan runs that must not be replaced.
            UnreachableError: no worker runs, so the targets are not known.
        """
        client = await connect_to_temporal()
        self._place = temporal_place(client)
        await require_targets(client, self.intended)
        replaces = self.intended.replaces_drill
        await running_drill(client, self.plan.plan_id, replaces_drill=replaces)
        try:
            with step("Checking the targets with the worker"):
                return await check_readiness(client, self.plan)
        except UnreachableError as error:
            # A failed check must not block a real recovery.
            warn(f"readiness is not known: {error}")
            return None

    async def start(self, *, follow: bool, json: bool) -> ExitCode:
        """Start the execution, and follow it if asked to."""
        client = await connect_to_temporal()
        plan_id, place = self.plan.plan_id, temporal_place(client)
        idle = await idle_reason(client)
        if self.intended.replaces_drill:
            with step(f"Cancelling the drill of {self.plan.plan_name}"):
                replaced = await replace_drill(client, plan_id)
            notice("The drill was cancelled." if replaced else "No drill was running.")
        execution_id = await self.start_execution(client)
        result = "Queued" if idle else "Started"
        notice(f"{result} {self.intended.execution_type} {execution_id} on {place}")
        if self.cleanup_after is not None:
            await _schedule_cleanup(client, execution_id, self.cleanup_after, self.signer)
        if idle:
            warn(f"it has not started yet. {idle}")
        if follow:
            is_sandbox = get_settings().speed > 1
            watched = WatchedExecution(plan_id, execution_id, sandbox=is_sandbox, place=place)
            return await follow_execution(client, watched, self.signer, json=json)
        if json:
            warnings = [f"it has not started yet. {idle}"] if idle else []
            write_json(Started(plan_id=plan_id, execution_id=execution_id, warnings=warnings))
        else:
            notice(f"Watch it: drs-waves watch {plan_id}")
        return ExitCode.COMPLETED

    async def start_execution(self, client: Client) -> str:
        """Start the execution, and return its ID."""
        learned = await learned_durations_in_time(HistoryTable(get_settings()), self.plan)
        self._is_start_sent = True
        self._execution_id = await start_execution(
            client,
            self.plan,
            execution_type=self.intended.execution_type,
            confirmation=self.confirmation,
            relaunch=self.intended.relaunch,
            takeover=self.previous.takeover if self.previous else None,
            learned=learned,
            signer=self.signer,
        )
        return self._execution_id

    def print_interrupted(self) -> None:
        """Print what Ctrl-C has ended and what continues."""
        plan_id = self.plan.plan_id
        if self._execution_id is not None:
            print_detached_notice(plan_id)
        elif self._is_start_sent:
            notice("", "Interrupted during the start; the execution may be running. Check with:")
            notice(f"  drs-waves status {plan_id}")
        else:
            notice("", "Interrupted; nothing was started.")


async def _schedule_cleanup(
    client: Client, execution_id: str, after: float, signer: RequestSigner | None
) -> None:
    speed = get_settings().speed
    error = await schedule_cleanup(
        client, execution_id, actor=whoami(), after_seconds=after / speed, signer=signer
    )
    if error is not None:
        why = f"its clean-up could not be scheduled: {error}"
        warn(f"{why}. After its end, run: drs-waves cleanup {execution_id}")
        return
    scaled = f" ({rounded_duration(after / speed)} at speed {speed:g})" if speed > 1 else ""
    notice(f"Its instances are terminated {rounded_duration(after)}{scaled} after its end")
