"""`run`: starts an execution of a plan, or looks whether it could."""

import asyncio
import sys
from typing import Annotated

import typer

from activities.targets import Readiness
from cli.confirmation import (
    confirm,
    refuse_unconfirmable,
    refuse_unknown_servers,
    show_what_is_launched,
)
from cli.errors import CliError, ExitCode, exit_code_of
from cli.live import Watched
from cli.output import notices, results, show, step, tell, warn, write_json, write_model
from cli.plans import Json, PlanFile, read_all
from cli.summary import next_steps, summary
from cli.tables import finding_table, target_table
from cli.texts import count
from cli.watching import display_on, watch
from recovery.execution import ExecutionType
from recovery.plan import RecoveryPlan
from settings import get_settings
from workflows.client import RecoveryClient, UnreachableError

Relaunch = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SERVER_ID",
        help="Launch this server even if that destroys its live recovery instance. "
        "Repeat for more; needs a confirmation, in a drill too.",
    ),
]


def run(
    plan: PlanFile,
    *,
    watch_it: Annotated[
        bool | None,
        typer.Option(
            "--watch/--no-watch", help="Follow it to its end. Default: yes on a terminal."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check readiness; launch nothing.")
    ] = False,
    recovery: Annotated[
        bool, typer.Option("--recovery", help="The real thing instead of a drill.")
    ] = False,
    confirm_id: Annotated[
        str | None,
        typer.Option("--confirm", metavar="PLAN_ID", help="Confirm without a prompt: the PlanId."),
    ] = None,
    replace_drill: Annotated[
        bool,
        typer.Option("--replace-drill", help="With --recovery: first end a running drill."),
    ] = False,
    relaunch: Relaunch = None,
    json: Json = False,
) -> None:
    """Run a plan as a drill, on the Temporal and AWS that the environment names.

    Ctrl-C only detaches: the execution goes on. A real recovery shows what it
    will launch, and where, and asks for the PlanId.

    \b
    Examples:
      drs-waves run crm.yaml --dry-run              is everything ready?
      drs-waves run crm.yaml                        a drill
      drs-waves run crm.yaml --recovery             the real thing
      drs-waves run crm.yaml --recovery --confirm crm --no-watch --json
    \b
    Exit codes: 0 completed (or started, with --no-watch), 1 failed (or not
    ready, with --dry-run), 2 bad input or refused, 3 partial, 4 cancelled,
    5 cannot reach Temporal or AWS, 130 detached.
    """
    read = read_all([plan])[0]
    if replace_drill and not recovery:
        raise CliError("--replace-drill is for a real recovery: add --recovery, or leave it out")
    follow = watch_it if watch_it is not None else sys.stdout.isatty() and not json
    launch = _Launch(
        read.plan,
        ExecutionType.RECOVERY if recovery else ExecutionType.DRILL,
        relaunch=list(relaunch or ()),
        confirmation=confirm_id,
        replace_drill=replace_drill,
    )
    get_settings()
    try:
        if dry_run:
            raise typer.Exit(asyncio.run(_check(read.plan, json=json)))
        launch.ask()
        raise typer.Exit(asyncio.run(launch.execute(follow=follow, json=json)))
    except KeyboardInterrupt:
        launch.tell_detached()
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _check(plan: RecoveryPlan, *, json: bool) -> ExitCode:
    client = await RecoveryClient.connect()
    with step(f"Checking {count(plan.server_count, 'server')}"):
        readiness = await client.readiness(plan)
    blocked = any(f.blocks for f in readiness.findings) or any(
        target.trouble for target in readiness.context.targets
    )
    if json:
        write_model(readiness)
    else:
        _show_readiness(plan, readiness, blocked=blocked)
    return ExitCode.FAILED if blocked else ExitCode.COMPLETED


def _show_readiness(plan: RecoveryPlan, readiness: Readiness, *, blocked: bool) -> None:
    for line in target_table(plan, readiness.context.targets):
        show(line)
    show()
    if readiness.findings:
        for line in finding_table(plan, readiness):
            show(line)
        show()
    servers = count(plan.server_count, "server")
    if blocked:
        show(f"{plan.plan_name} is not ready; nothing was launched.")
    elif readiness.findings:
        told = count(len(readiness.findings), "warning")
        show(f"{plan.plan_name} is ready with {told}: {servers}; nothing was launched.")
    else:
        show(f"{plan.plan_name} is ready: {servers}; nothing was launched.")


class _Launch:
    """One start of one plan, with what must be asked before it."""

    def __init__(
        self,
        plan: RecoveryPlan,
        execution_type: ExecutionType,
        *,
        relaunch: list[str],
        confirmation: str | None,
        replace_drill: bool,
    ) -> None:
        self._plan = plan
        self._type = execution_type
        self._relaunch = relaunch
        self._confirmation = confirmation
        self._replace_drill = replace_drill
        self._begun = False
        self._execution_id: str | None = None

    def ask(self) -> None:
        """Have confirmed what cannot be taken back.

        It runs outside the event loop, which would keep Ctrl-C from the prompt.

        Raises:
            CliError: it was not confirmed; nothing was started.
        """
        refuse_unknown_servers(self._plan, self._relaunch)
        real = self._type is ExecutionType.RECOVERY
        if not real and not self._relaunch:
            if self._confirmation is not None:
                confirm(self._plan, self._confirmation)
            return
        refuse_unconfirmable(self._plan, self._confirmation)
        readiness = asyncio.run(_look_at(self._plan))
        show_what_is_launched(self._plan, self._type, readiness, self._relaunch)
        self._confirmation = confirm(self._plan, self._confirmation)

    async def execute(self, *, follow: bool, json: bool) -> ExitCode:
        """Start, and follow if wanted."""
        client = await RecoveryClient.connect()
        if self._replace_drill:
            with step(f"Ending the drill of {self._plan.plan_name}"):
                replaced = await client.replace_drill(self._plan.plan_id)
            tell("The drill was cancelled." if replaced else "No drill was running.")
        self._begun = True
        self._execution_id = await client.start(
            self._plan,
            execution_type=self._type,
            confirmation=self._confirmation,
            relaunch=self._relaunch,
        )
        tell(f"Started {self._type} {self._execution_id}")
        if not await _has_worker(client):
            warn("no worker is running: it begins when one comes (`drs-waves worker`)")
        if follow:
            return await follow_execution(
                client,
                Watched(
                    self._plan.plan_id,
                    self._execution_id,
                    sandbox=get_settings().speed > 1,
                ),
                json=json,
            )
        if json:
            write_json({"PlanId": self._plan.plan_id, "ExecutionId": self._execution_id})
        else:
            tell(f"Watch it: drs-waves status {self._plan.plan_id} --watch")
        return ExitCode.COMPLETED

    def tell_detached(self) -> None:
        """Say what Ctrl-C has and has not ended."""
        plan_id = self._plan.plan_id
        if self._execution_id is not None:
            tell_how_to_come_back(plan_id)
        elif self._begun:
            tell("\nInterrupted while starting; it may have begun. Look with:")
            tell(f"  drs-waves status {plan_id}")
        else:
            tell("\nInterrupted; nothing was started.")


async def _look_at(plan: RecoveryPlan) -> Readiness | None:
    """What the worker sees of the targets; None if it cannot tell in time.

    Raises:
        UnreachableError: no worker runs, so nobody can say where the plan would be launched.
    """
    client = await RecoveryClient.connect()
    await client.require_worker()
    try:
        with step("Looking at the targets, as the worker sees them"):
            return await client.readiness(plan)
    except UnreachableError as error:
        # A check that fails must not hold a real recovery back.
        warn(f"readiness is not known: {error}")
        return None


async def _has_worker(client: RecoveryClient) -> bool:
    try:
        return await client.has_worker()
    except UnreachableError:
        # It has just been started: whether somebody works on it shows in the live view.
        return True


def tell_how_to_come_back(plan_id: str) -> None:
    """Say that only the looking has ended."""
    tell("\nDetached; the execution goes on. Come back with:")
    tell(f"  drs-waves status {plan_id} --watch")


async def follow_execution(client: RecoveryClient, watched: Watched, *, json: bool) -> ExitCode:
    """Show an execution until it ends, then its summary or, with `json`, its state."""
    await watch(client, [watched], display_on(notices() if json else results()))
    if json and watched.state is not None:
        write_model(watched.state)
    return tell_end(watched, to_stderr=json)


def tell_end(watched: Watched, *, to_stderr: bool = False, further: bool = True) -> ExitCode:
    """Print the summary of an execution that has ended.

    Args:
        watched: the execution.
        to_stderr: keep standard output for JSON.
        further: say where to look for more.

    Returns:
        Its exit code.
    """
    say = tell if to_stderr else show
    state = watched.state
    if state is None:
        raise CliError(f"the state of {watched.plan_id} was never seen", ExitCode.UNREACHABLE)
    if watched.closed is not None:
        say(
            f"The workflow of {state.plan_name} was closed from outside ({watched.closed}) before "
            "its end; jobs may still run in DRS"
        )
        return ExitCode.FAILED
    say("")
    for line in summary(state) + (next_steps(state) if further else []):
        say(line)
    return exit_code_of(state.status)
