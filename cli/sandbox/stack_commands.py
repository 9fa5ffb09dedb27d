"""`sandbox`: starts and stops a local Temporal and AWS for rehearsals."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.validate import Json, read_all
from cli.render.output import notice, show, step, write_json
from cli.render.tables import aligned
from cli.sandbox.local_stack import (
    Scenarios,
    Speed,
    check_scenario,
    exclusive_start,
    new_stack,
    stack_errors,
    start_stack,
    stop_stack,
)
from cli.sandbox.received_messages import clear_messages, print_messages
from cli.sandbox.sandbox_run import sandbox_run
from runtime.exit import CliError, ExitCode
from sandbox.receivers.inbox import Receiver
from sandbox.stack import Stack

FOLDER = Path(".sandbox")

sandbox = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Rehearse on this machine with a local Temporal and AWS.",
)


class RestartablePart(StrEnum):
    """A part that can be restarted without losing state."""

    TEMPORAL = "temporal"
    WORKER = "worker"


@sandbox.command()
def up(
    plan: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Create the source servers of this plan. Repeat for more."
        ),
    ] = None,
    scenarios: Scenarios = None,
    speed: Speed = 1.0,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Start no worker; start your own.")
    ] = False,
    pages: Annotated[
        bool, typer.Option("--pages/--no-pages", help="Serve the pages and the API.")
    ] = True,
) -> None:
    """Start a sandbox in the folder .sandbox and leave it running.

    The folder .sandbox, where you run this, has its state, its logs and the file
    env; it is deleted by `drs-waves sandbox down`. It listens on 127.0.0.1 only:
    Temporal on port 7233, its Web UI on 8233, AWS on 5055, the pages and the API
    on 8080, e-mail on 2525, DNS on 5053; where one is taken, on another free port,
    which `drs-waves sandbox status` shows. Recovered servers listen on other
    addresses of 127.0.0.0/8, on the ports of their applications.

    \b
    Examples:
      drs-waves sandbox up --plan crm.yaml --speed 60
      source .sandbox/env && drs-waves run crm.yaml
      drs-waves sandbox down
    \b
    Exit codes: 0 started, 2 bad input or a sandbox is already running, 5 a part
    does not start.
    """
    plans = [read.plan for read in read_all(plan or [])]
    for scenario in scenarios or ():
        check_scenario(scenario)
    with exclusive_start():
        _discard_stopped_sandbox()
        stack = new_stack(FOLDER, speed=speed)
        try:
            start_stack(stack, plans, scenarios or (), worker=not no_worker, pages=pages)
        except BaseException:
            stop_stack(stack)
            raise
    _show_addresses(stack)
    show(
        "Messages:   drs-waves sandbox messages",
        "Use it:     source .sandbox/env",
        "Stop it:    drs-waves sandbox down",
    )


@sandbox.command()
def down() -> None:
    """Stop the sandbox of the folder .sandbox, and delete its state."""
    stack = _loaded()
    if stack is None:
        notice(f"No sandbox is running in {FOLDER.absolute()}.")
        return
    running = stack.running()
    with step("Stopping the sandbox"), stack_errors():
        stack.discard()
    result = f"Stopped {', '.join(running)}; " if running else "No part was running; "
    show(f"{result}its state is deleted.")


@sandbox.command()
def restart(
    part: Annotated[
        RestartablePart | None, typer.Argument(help="Default: both, one by one.")
    ] = None,
) -> None:
    """Restart Temporal or the worker; executions continue.

    AWS keeps its state in memory, so it cannot be restarted alone.
    """
    stack = _loaded()
    if stack is None or not stack.running():
        raise _not_up()
    with stack_errors():
        if part in (None, RestartablePart.TEMPORAL):
            with step("Restarting Temporal"):
                stack.stop_part("temporal")
                stack.start_temporal()
            show("Temporal is running again, with its state.")
        if part in (None, RestartablePart.WORKER):
            with step("Restarting the worker"):
                stack.stop_part("worker")
                stack.start_worker()
            show("The worker is running again.")


@sandbox.command("status")
def sandbox_status(json: Json = False) -> None:
    """Show which parts of the sandbox are running, and where."""
    stack = _loaded()
    if stack is None:
        raise _not_up()
    running = stack.running()
    parts = {
        name: {
            "Running": name in running,
            "Pid": part.pid,
            "Log": str(stack.folder / f"{name}.log"),
        }
        for name, part in stack.parts.items()
    }
    if json:
        write_json({"Folder": str(stack.folder), "Parts": parts, "Environment": stack.env})
    else:
        _show_addresses(stack)
        rows = [
            (name, "running" if part["Running"] else "STOPPED", str(part["Pid"]), str(part["Log"]))
            for name, part in parts.items()
        ]
        show("", *aligned(rows, heading=("PART", "STATE", "PID", "LOG")))
    if len(running) < len(parts):
        raise typer.Exit(ExitCode.FAILED)


@sandbox.command()
def messages(
    receiver: Annotated[
        Receiver | None, typer.Option("--receiver", help="Only what this one got.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Then delete them.")] = False,
    json: Json = False,
) -> None:
    """Show the notifications that the receivers of the sandbox got.

    \b
    Examples:
      drs-waves sandbox messages
      drs-waves sandbox messages --receiver smtp --json
    """
    stack = _loaded()
    if stack is None or not stack.running():
        raise _not_up()
    print_messages(stack, receiver, as_json=json)
    if clear:
        clear_messages(stack, receiver)


sandbox.command("run")(sandbox_run)


def _loaded() -> Stack | None:
    with stack_errors():
        return Stack.load(FOLDER.absolute())


def _not_up() -> CliError:
    return CliError(
        f"no sandbox is running in {FOLDER.absolute()}; start one: drs-waves sandbox up"
    )


def _discard_stopped_sandbox() -> None:
    """Refuse a second sandbox; discard the rest of one whose processes have ended.

    Raises:
        CliError: a sandbox runs, or the folder has other files.
    """
    stack = _loaded()
    if stack is None:
        if FOLDER.exists() and any(FOLDER.iterdir()):
            raise CliError(f"{FOLDER.absolute()} has files but no sandbox; move it and try again")
        return
    if running := stack.running():
        raise CliError(
            f"a sandbox is already running in {FOLDER.absolute()} ({', '.join(running)}). "
            "Use it: source .sandbox/env. Stop it: drs-waves sandbox down"
        )
    notice("Deleting the state of a sandbox that has stopped.")
    stack.discard()


def _show_addresses(stack: Stack) -> None:
    show(
        f"Temporal:   {stack.env['TEMPORAL_ADDRESS']}",
        f"Web UI:     {stack.ui_url}",
        f"AWS:        {stack.aws_url}",
        f"Receivers:  {stack.receivers_url}, smtp://127.0.0.1:{stack.smtp_port}",
        f"Services:   {stack.http_service_url}, dns://127.0.0.1:{stack.dns_port}",
        *([f"Pages:      {stack.pages_url}"] if "server" in stack.parts else []),
        f"Speed:      {stack.speed:g}",
    )
