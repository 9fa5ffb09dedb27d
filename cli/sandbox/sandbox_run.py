"""`sandbox run`: starts a sandbox in a temporary folder, runs plans in it, and removes it."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.validate import Json, PlanFiles, read_all
from cli.input.start import PlanStart
from cli.live.follow import print_outcome
from cli.live.view import WatchedExecution
from cli.live.watch import display_on, watch
from cli.render.output import (
    notice,
    show,
    stderr_console,
    stdout_console,
    step,
    warn,
    write_json,
)
from cli.render.tables import wave_table
from cli.sandbox.local_stack import (
    Scenarios,
    Speed,
    check_scenario,
    new_stack,
    start_stack,
    stop_stack,
)
from client.errors import RefusedError
from client.recoveries.chosen import temporal_itself
from client.recoveries.temporal import TemporalRecoveries
from recovery.execution.state import ExecutionState, ExecutionType, needs_signature
from recovery.operator.confirmation import IntendedStart
from recovery.plan.model import RecoveryPlan
from runtime.exit import CliError, ExitCode, worst_exit_code
from sandbox.stack import Stack, free_port
from storage.history import HistoryError

_WORKER_TIMEOUT_SECONDS = 60.0
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def sandbox_run(
    plans: PlanFiles,
    *,
    scenarios: Scenarios = None,
    speed: Speed = 60.0,
    recovery: Annotated[
        bool, typer.Option("--recovery", help="A real recovery instead of a drill, in the sandbox.")
    ] = False,
    confirm_ids: Annotated[
        list[str] | None,
        typer.Option("--confirm", metavar="PLAN_ID", help="Confirm without a prompt."),
    ] = None,
    json: Json = False,
) -> None:
    """Start a sandbox, run plans in it at the same time, and stop it.

    It needs no AWS account and no Temporal. Ctrl-C stops everything.

    \b
    Examples:
      drs-waves sandbox run crm.yaml --speed 60
      drs-waves sandbox run crm.yaml --scenario failing-server.scenario.yaml
    \b
    Exit codes: those of `run`, of several plans the worst; 130 interrupted.
    """
    read = [each.plan for each in read_all(plans)]
    _refuse_duplicates(read)
    for scenario in scenarios or ():
        check_scenario(scenario)
    starts = [_new_start(plan, confirm_ids or [], is_recovery=recovery) for plan in read]
    stack = new_stack(
        Path(tempfile.mkdtemp(prefix="drs-waves-")), speed=speed, end_with_parent=True
    )
    # Not the usual ports, so that it runs beside a sandbox that is up.
    stack.temporal_port, stack.ui_port = free_port(), free_port()
    stack.aws_port, stack.smtp_port, stack.dns_port = free_port(), free_port(), free_port()
    try:
        with _stopped_at_end(stack):
            start_stack(stack, read, scenarios or (), worker=True)
            asyncio.run(_await_worker())
            for start in starts:
                start.confirm()
            code = asyncio.run(_run_all(stack, starts, json=json))
    except KeyboardInterrupt:
        notice("Interrupted; the sandbox is stopped.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    raise typer.Exit(code)


def _refuse_duplicates(plans: Sequence[RecoveryPlan]) -> None:
    ids = [plan.plan_id for plan in plans]
    if repeated := sorted({plan_id for plan_id in ids if ids.count(plan_id) > 1}):
        raise CliError(
            f"PlanId {', '.join(repeated)} is given twice; one execution of a plan runs at a time"
        )


@contextmanager
def _stopped_at_end(stack: Stack) -> Iterator[None]:
    """Stop the sandbox at the end.

    SIGTERM and SIGHUP end the block as Ctrl-C does. While the sandbox stops, signals are ignored.
    """
    before = {number: signal.getsignal(number) for number in _END_SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number in _END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stop_stack(stack)
        for number, handler in before.items():
            signal.signal(number, handler)


async def _await_worker() -> None:
    recoveries = TemporalRecoveries()
    deadline = time.monotonic() + _WORKER_TIMEOUT_SECONDS
    with step("Waiting for the worker"):
        while time.monotonic() < deadline:
            if await recoveries.idle_reason() is None:
                return
            await asyncio.sleep(0.1)
    why = f"the worker did not start within {_WORKER_TIMEOUT_SECONDS:g} s"
    raise CliError(why, ExitCode.UNREACHABLE)


def _new_start(plan: RecoveryPlan, given: Sequence[str], *, is_recovery: bool) -> PlanStart:
    plan_id = plan.plan_id
    if not is_recovery:
        intended = IntendedStart(plan_id, ExecutionType.DRILL)
        return PlanStart(plan, intended, None, recoveries=temporal_itself)
    confirmation = plan_id if plan_id in given else next(iter(given), None)
    needs = needs_signature(plan, ExecutionType.RECOVERY)
    intended = IntendedStart(plan_id, ExecutionType.RECOVERY, needs_signature=needs)
    return PlanStart(plan, intended, confirmation, recoveries=temporal_itself)


async def _run_all(stack: Stack, starts: Sequence[PlanStart], *, json: bool) -> ExitCode:
    recoveries = TemporalRecoveries()
    watched = []
    for start in starts:
        started = await start.start_execution(recoveries)
        watched.append(
            WatchedExecution(
                started.plan_id, started.execution_id, sandbox=True, place=recoveries.place
            )
        )
    notice(f"Web UI: {stack.ui_url}")
    await watch(recoveries, watched, display_on(stderr_console() if json else stdout_console()))
    codes = [print_outcome(each, to_stderr=json, with_next_steps=False) for each in watched]
    states: list[ExecutionState] = []
    for each in watched:
        try:
            states.append(await recoveries.recorded(each.execution_id or ""))
        except (HistoryError, RefusedError) as error:
            warn(str(error))
    if json:
        write_json(states[0] if len(starts) == 1 and states else states)
    else:
        for state in states:
            show("", f"Recorded in DynamoDB: {state.execution_id} {state.status}")
            show(*(f"  {line}" for line in wave_table(state.waves)))
    return worst_exit_code(codes)
