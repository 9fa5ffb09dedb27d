"""`cleanup`: terminates the recovery instances of a drill, and shows which are left."""

import asyncio
import sys
from functools import partial
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from cli.commands.validate import Confirmation, Follow, Json
from cli.input.break_glass import BreakGlass, KeyPath, offline_signer
from cli.input.completion import ExecutionId
from cli.input.confirmation import RECOVERY_BANNER, require_confirmation
from cli.input.executions import recorded_execution_id
from cli.render.output import notice, show, stderr_console, warn, write_json
from cli.render.records import cleanup_lines
from client.cleanup import cleanup_state, start_cleanup, termination_lines
from client.connection import connect_to_temporal
from client.errors import UnreachableError
from client.local_user import whoami
from client.takeover import recorded_execution, refuse_while_running
from client.workers import idle_reason
from contract.cleanup import StartCleanup
from contract.identifiers import cleanup_workflow_id
from contract.rpc_limits import RPC_TIMEOUT
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.operator.confirmation import RequestRefusalCode, cleanup_refusal
from runtime.exit import CliError, ExitCode
from security.signers import RequestSigner
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
    signer = offline_signer(break_glass, key)
    state = asyncio.run(_recorded(execution))
    execution = state.execution_id
    confirmation = _confirm(state, confirm_id, force=force)
    start = StartCleanup(
        execution_id=execution, plan_id=state.plan_id, actor=whoami(), confirmation=confirmation
    )
    try:
        raise typer.Exit(asyncio.run(_run_cleanup(state, start, signer, follow=follow, json=json)))
    except KeyboardInterrupt:
        notice(
            "", "Detached; the clean-up continues. Its record:", f"  drs-waves history {execution}"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _recorded(given: str) -> ExecutionState:
    return (await recorded_execution(await recorded_execution_id(given)))[0]


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
    return require_confirmation(rule, state.plan_id, given, what="terminate them")


async def _run_cleanup(
    state: ExecutionState,
    start: StartCleanup,
    signer: RequestSigner | None,
    *,
    follow: bool,
    json: bool,
) -> ExitCode:
    client = await connect_to_temporal()
    remedy = f"cancel it first (drs-waves cancel {state.plan_id}), or wait for its end"
    await refuse_while_running(client, state, remedy)
    await start_cleanup(client, start, signer=signer)
    notice(f"Cleaning up after {start.execution_id}")
    if idle := await idle_reason(client):
        warn(f"it has not started yet. {idle}")
    if not follow:
        notice(f"Its record: drs-waves history {start.execution_id}")
        return ExitCode.COMPLETED
    ended = await _follow(client, start.execution_id)
    if json:
        write_json(ended)
    else:
        show(*cleanup_lines(ended, state))
    return ExitCode.COMPLETED if ended.status is CleanupStatus.COMPLETED else ExitCode.FAILED


async def _follow(client: Client, execution_id: str) -> CleanupState:
    """Print each change of a clean-up until it has ended."""
    handle = client.get_workflow_handle(cleanup_workflow_id(execution_id))
    printed = ""
    while True:
        described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        try:
            state = await cleanup_state(client, execution_id)
        except UnreachableError as error:
            status = f"Waiting for an answer: {error}"
        else:
            status = f"{state.status} {state.status_reason}"
            if state.end_time is not None:
                return state
            if described.status is not WorkflowExecutionStatus.RUNNING:
                try:
                    await handle.result(rpc_timeout=RPC_TIMEOUT)
                except WorkflowFailureError as error:
                    why = f"the clean-up failed: {error.cause}"
                    raise CliError(why, ExitCode.FAILED) from error
        if status != printed:
            notice(status)
            printed = status
        await asyncio.sleep(_POLL_SECONDS / min(4.0, get_settings().speed))
