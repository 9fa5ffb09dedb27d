"""Starts a plan, after the confirmation that the start needs."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from cli.input.confirmation import (
    check_confirmation,
    confirm_default_temporal,
    print_start_details,
    require_accepted,
    require_confirmation,
)
from cli.live.follow import follow_execution, print_detached_notice
from cli.live.view import WatchedExecution
from cli.render.output import notice, step, warn, write_json
from cli.render.records import print_takeover
from client.recoveries.chosen import Choice
from client.recoveries.chosen import recoveries as chosen_recoveries
from client.recoveries.protocol import Recoveries, StartedExecution, StartOrder
from client.takeover import PreviousExecution
from contract.readiness import Readiness
from recovery.access.approvals import passed_by_break_glass
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.launch_settings.resolve import isolation_of
from recovery.operator.confirmation import IntendedStart, accepted_texts, start_refusal
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import points_facts
from recovery.text_format import listed, rounded_duration, utc_timestamp
from runtime.exit import ExitCode
from settings import get_settings


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
        declared: when the disaster or the exercise was declared (epoch seconds).
        recoveries: where it is started.
        break_glass: the reason for signing it with an offline key.
        accepts_findings: a drill is started with what was found; also once it was asked for.
    """

    plan: RecoveryPlan
    intended: IntendedStart
    confirmation: str | None
    previous: PreviousExecution | None = None
    cleanup_after: float | None = None
    declared: float | None = None
    recoveries: Choice = chosen_recoveries
    break_glass: str | None = None
    accepts_findings: bool = False
    _place: str = field(default="", init=False)
    _accepted: list[str] = field(default_factory=list, init=False)
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
            notice(*(f"{name:<9}{text}" for name, text in points_facts(self.plan).items()))
        if intended.execution_type is ExecutionType.DRILL and (where := isolation_of(self.plan)):
            notice(f"Drill    {where}")
        rule = partial(start_refusal, intended)
        if self.break_glass is not None:
            passed = passed_by_break_glass(self.plan, intended.execution_type)
            passes = f"; it passes {listed(passed)}" if passed else ""
            notice(f"By break-glass ({self.break_glass}){passes}.", style="bold")
        if self.declared is not None:
            notice(f"Declared {utc_timestamp(self.declared)}; the RTO counts from then")
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
        else:
            if self.confirmation is None and not asyncio.run(self._is_configured()):
                confirm_default_temporal()
            readiness = asyncio.run(self._look_before_drill())
        if readiness is not None:
            self.accepts_findings = require_accepted(
                self.plan, readiness, intended, is_accepted=self.accepts_findings
            )
            if self.accepts_findings:
                self._accepted = accepted_texts(readiness.findings)
        self.confirmation = require_confirmation(rule, self.plan.plan_id, self.confirmation)

    async def _look_before_drill(self) -> Readiness | None:
        """What a look before a drill finds; None where no worker can look."""
        async with self.recoveries() as recoveries:
            if await recoveries.idle_reason() is not None:
                return None
            try:
                with step("Looking at the plan before the drill"):
                    found = await recoveries.check_readiness(self.plan)
            except Exception as error:
                # The worker that launches it refuses by itself what must not be launched.
                warn(f"readiness could not be read: {str(error) or type(error).__name__}")
                return None
        return found if self.previous is None else self.previous.without_own(found)

    async def _is_configured(self) -> bool:
        async with self.recoveries() as recoveries:
            return recoveries.is_configured

    async def _readiness(self) -> Readiness | None:
        """Have the worker check the readiness; None if the check fails or takes too long.

        Raises:
            RefusedError: an execution of the plan runs that must not be replaced.
            UnreachableError: no worker runs, so the targets are not known.
        """
        async with self.recoveries() as recoveries:
            self._place = recoveries.place
            await recoveries.require_startable(self.intended)
            try:
                with step("Checking the targets with the worker"):
                    return await recoveries.check_readiness(self.plan)
            except Exception as error:
                # Whatever fails in a check must not block a real recovery.
                warn(f"readiness could not be read: {str(error) or type(error).__name__}")
                return None

    async def start(self, *, follow: bool, json: bool) -> ExitCode:
        """Start the execution, and follow it if asked to."""
        async with self.recoveries() as recoveries:
            started = await self.start_execution(recoveries)
            self._print_started(started, recoveries.place)
            plan_id, execution_id = started.plan_id, started.execution_id
            if follow:
                is_sandbox = get_settings().speed > 1
                watched = WatchedExecution(
                    plan_id, execution_id, sandbox=is_sandbox, place=recoveries.place
                )
                return await follow_execution(recoveries, watched, json=json)
        if json:
            write_json(
                Started(plan_id=plan_id, execution_id=execution_id, warnings=started.warnings)
            )
        else:
            notice(f"Watch it: drs-waves watch {plan_id}")
        return ExitCode.COMPLETED

    async def start_execution(self, recoveries: Recoveries) -> StartedExecution:
        """Start the execution."""
        order = StartOrder(
            self.plan,
            self.intended,
            self.confirmation,
            self.previous,
            self.cleanup_after,
            self.declared,
            accepts_findings=self.accepts_findings,
            accepted=self._accepted,
        )
        self._is_start_sent = True
        if self.intended.replaces_drill:
            with step(f"Cancelling the drill of {self.plan.plan_name}, if one runs"):
                started = await recoveries.start(order)
        else:
            started = await recoveries.start(order)
        self._execution_id = started.execution_id
        return started

    def _print_started(self, started: StartedExecution, place: str) -> None:
        result = "Queued" if started.is_queued else "Started"
        where = place if started.temporal in place else f"{started.temporal}, through {place}"
        notice(f"{result} {self.intended.execution_type} {started.execution_id} on {where}")
        for each in started.warnings:
            warn(each)
        if self.cleanup_after is None:
            return
        if not started.is_cleanup_scheduled:
            warn(f"after its end, run: drs-waves cleanup {started.execution_id}")
            return
        after, speed = self.cleanup_after, get_settings().speed
        scaled = f" ({rounded_duration(after / speed)} at speed {speed:g})" if speed > 1 else ""
        notice(f"Its instances are terminated {rounded_duration(after)}{scaled} after its end")

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
