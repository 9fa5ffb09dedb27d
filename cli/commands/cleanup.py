"""`cleanup`: terminates the recovery instances of a drill, and shows which are left."""

import asyncio
import sys
from functools import partial
from typing import Annotated

import typer

from cli.commands.validate import Confirmation, Follow, Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import ExecutionId
from cli.input.confirmation import RECOVERY_BANNER, require_confirmation
from cli.input.executions import recorded_execution_id
from cli.render.output import notice, show, stderr_console, warn, write_json
from cli.render.records import cleanup_lines, revert_lines
from client.cleanup import termination_lines
from client.errors import RefusedError, UnreachableError
from client.recoveries.chosen import Choice
from client.recoveries.protocol import Recoveries
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.operator.confirmation import RequestRefusalCode, cleanup_refusal
from runtime.exit import CliError, ExitCode
from settings import get_settings

_POLL_SECONDS = 1.0


def cleanup(
    execution: ExecutionId,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also terminate the instances of a real recovery.")
    ] = False,
    confirm_id: Confirmation = None,
    watch: Follow = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Terminate the recovery instances that a drill launched.

    Only instances of the execution's own jobs are terminated. It waits for jobs
    that are still running, and lists what is left. Ctrl-C only detaches.

    \b
    Examples:
      drs-waves cleanup crm-0f3b52a1c7d9
      drs-waves cleanup crm-0f3b52a1c7d9 --no-watch
    \b
    Exit codes: 0 all are terminated (or started, with --no-watch), 1 something
    is left, 2 refused, 5 Temporal or AWS cannot be reached, 130 detached.
    """
    follow = watch if watch is not None else sys.stdout.isatty()
    recoveries = signed_recoveries(break_glass, key)
    state = asyncio.run(_recorded(recoveries, execution))
    execution = state.execution_id
    confirmation = _confirm(state, confirm_id, force=force)
    try:
        code = asyncio.run(_run_cleanup(recoveries, state, confirmation, follow=follow, json=json))
        raise typer.Exit(code)
    except KeyboardInterrupt:
        notice(
            "", "Detached; the clean-up continues. Its record:", f"  drs-waves history {execution}"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _recorded(recoveries: Choice, given: str) -> ExecutionState:
    async with recoveries() as known:
        return await known.recorded(await recorded_execution_id(known, given))


def _confirm(state: ExecutionState, given: str | None, *, force: bool) -> str | None:
    """Ask for the confirmation that a real recovery needs besides `--force`.

    Raises:
        CliError: the confirmation is refused; nothing was terminated.
    """
    rule = partial(cleanup_refusal, state.plan_id, state.execution_type, is_forced=force)
    refusal = rule(given)
    if refusal is not None and refusal.code is RequestRefusalCode.NOT_FORCED:
        raise CliError(f"{refusal.text}. Add --force for that")
    if state.execution_type is ExecutionType.RECOVERY:
        stderr_console().print(RECOVERY_BANNER, style="bold reverse")
        notice(*termination_lines(state))
    if staying := revert_lines(state):
        notice(*staying)
    return require_confirmation(rule, state.plan_id, given, what="terminate them")


async def _run_cleanup(
    recoveries: Choice,
    state: ExecutionState,
    confirmation: str | None,
    *,
    follow: bool,
    json: bool,
) -> ExitCode:
    execution_id = state.execution_id
    async with recoveries() as known:
        await known.start_cleanup(state, confirmation)
        notice(f"Cleaning up after {execution_id}")
        if idle := await known.idle_reason():
            warn(f"it has not started yet. {idle}")
        if not follow:
            notice(f"Its record: drs-waves history {execution_id}")
            return ExitCode.COMPLETED
        ended = await _follow(known, execution_id)
    if json:
        write_json(ended)
    else:
        show(*cleanup_lines(ended, state))
    return ExitCode.COMPLETED if ended.status is CleanupStatus.COMPLETED else ExitCode.FAILED


async def _follow(recoveries: Recoveries, execution_id: str) -> CleanupState:
    """Print each change of a clean-up until it has ended."""
    printed = ""
    while True:
        try:
            state = await recoveries.cleanup_state(execution_id)
        except UnreachableError as error:
            status = f"Waiting for an answer: {error}"
        except RefusedError as error:
            raise CliError(str(error), ExitCode.FAILED) from error
        else:
            status = f"{state.status} {state.status_reason}"
            if state.end_time is not None:
                return state
        if status != printed:
            notice(status)
            printed = status
        await asyncio.sleep(_POLL_SECONDS / min(4.0, get_settings().speed))
