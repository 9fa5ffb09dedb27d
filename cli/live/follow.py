"""Follows one execution to its end and prints its outcome."""

from temporalio.client import Client

from cli.live.view import WatchedExecution
from cli.live.watch import display_on, watch
from cli.render.cells import wrapped
from cli.render.output import notice, show, stderr_console, stdout_console, write_json
from cli.render.summary import next_steps, summary
from runtime.exit import CliError, ExitCode, exit_code_of
from security.signers import RequestSigner


def print_detached_notice(plan_id: str) -> None:
    """Say that the execution continues, and how to follow it again."""
    again = f"  drs-waves watch {plan_id}"
    notice("", "Detached; the execution continues. Watch it again with:", again)


async def follow_execution(
    client: Client, watched: WatchedExecution, signer: RequestSigner | None = None, *, json: bool
) -> ExitCode:
    """Show an execution until it ends, then its summary or, with `json`, its state.

    `signer` signs what is sent by keys.
    """
    display = display_on(stderr_console() if json else stdout_console())
    await watch(client, [watched], display, steer=True, signer=signer)
    if json and watched.state is not None:
        write_json(watched.state)
    return print_outcome(watched, to_stderr=json)


def closed_text(plan_name: str, status: str) -> str:
    """Say that a workflow was closed before the end of its execution, with its close status."""
    return (
        f"The workflow of {plan_name} was closed from outside ({status}) before its end; "
        "jobs may still run in DRS"
    )


def print_outcome(
    watched: WatchedExecution, *, to_stderr: bool = False, with_next_steps: bool = True
) -> ExitCode:
    """Print the summary of an execution that has ended, and return its exit code.

    Args:
        watched: the execution.
        to_stderr: keep standard output for JSON.
        with_next_steps: say where the operator finds more.
    """
    write = notice if to_stderr else show
    state = watched.state
    if state is None:
        raise CliError(f"no state of {watched.plan_id} was received", ExitCode.UNREACHABLE)
    if watched.closed_status is not None:
        write(closed_text(state.plan_name, watched.closed_status))
        return ExitCode.FAILED
    console = stderr_console() if to_stderr else stdout_console()
    lines = summary(state)
    if console.is_terminal:
        lines = [
            row for each in lines for row in wrapped(each, console.width, indent="    ", first="")
        ]
    write("", *lines, *(next_steps(state) if with_next_steps else []))
    return exit_code_of(state.status)
