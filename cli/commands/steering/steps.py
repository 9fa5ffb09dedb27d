"""The steps of an execution, and the commands that decide about one."""

import asyncio
import time
from collections.abc import Iterable
from typing import Annotated

import typer
from pydantic import JsonValue

from cli.commands.steering.steer import EXIT_CODES, Actor, Reason, steer
from cli.commands.validate import Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import (
    PlanOrExecution,
    WaveName,
    complete_plan_or_execution,
    complete_step,
)
from cli.render.output import show, stdout_console, warn, write_json
from cli.render.steps import execution_steps
from client.errors import RefusedError, UnreachableError
from client.executions import LastKnownState, last_known_text
from client.overview import StepList
from client.recoveries.chosen import recoveries
from client.recoveries.protocol import Recoveries
from recovery.execution.state import ExecutionState
from recovery.operator.messages import MessageName, OperatorMessage
from runtime.exit import CliError, ExitCode

# What is not a terminal wraps nothing: a URL that is broken cannot be followed.
_UNLIMITED = 4096
StepId = Annotated[
    str | None,
    typer.Argument(
        metavar="[STEP]",
        help="The StepId; needed if several steps of the wave are concerned.",
        autocompletion=complete_step,
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        metavar="NAME=VALUE",
        help="What the step asks for, or returned; once for each.",
    ),
]


def steps(
    execution: Annotated[
        str,
        typer.Argument(
            metavar="EXECUTION",
            help="The execution ID; or the PlanId, for its running or last execution.",
            autocompletion=complete_plan_or_execution,
        ),
    ],
    *,
    json: Json = False,
) -> None:
    """List all steps of an execution, running or ended.

    Each has its status, attempt, times, the reason or the last evidence, who
    decided, the outputs, and the link or ID in the system that ran it. A manual
    step that waits has its instruction.

    \b
    Exit codes: 0 shown, 2 not known, 5 only the last recorded state can be read,
    or nothing.
    """
    raise typer.Exit(asyncio.run(_list(execution, json=json)))


def complete(
    plan: PlanOrExecution,
    wave: WaveName,
    step: StepId = None,
    *,
    output: Outputs = None,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Say that a step is done: manual, or outcome unknown.

    If it is not a manual one, you override it: its wave is PARTIAL at best, and
    what it runs elsewhere goes on.

    \b
    Examples:
      drs-waves complete-step crm cutover confirm --output Ticket=CHG-7
    """
    outputs = _outputs(output or ())
    message = OperatorMessage(
        MessageName.COMPLETE_STEP, wave, reason, step=step, outputs=outputs or None
    )
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def fail_step(
    plan: PlanOrExecution,
    wave: WaveName,
    step: StepId = None,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Say that a step has failed. The policy of its wave then applies."""
    message = OperatorMessage(MessageName.FAIL_STEP, wave, reason, step=step)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def skip_step(
    plan: PlanOrExecution,
    wave: WaveName,
    step: StepId = None,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Go on without a step. Its wave is then PARTIAL at best."""
    message = OperatorMessage(MessageName.SKIP_STEP, wave, reason, step=step)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def rerun_step(
    plan: PlanOrExecution,
    wave: WaveName,
    step: StepId = None,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Run a failed step, or one of unknown outcome, again.

    Look first whether it had its effect: an acting step has it again. Servers
    that are up are not launched again.
    """
    message = OperatorMessage(MessageName.RERUN_STEP, wave, reason, step=step)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(steps)
    app.command("complete-step", epilog=EXIT_CODES)(complete)
    for command in (fail_step, skip_step, rerun_step):
        app.command(epilog=EXIT_CODES)(command)


def _outputs(given: Iterable[str]) -> dict[str, JsonValue]:
    outputs: dict[str, JsonValue] = {}
    for name, value in map(_output, given):
        if name in outputs:
            raise CliError(f"--output {name} is given twice; give it once")
        outputs[name] = value
    return outputs


def _output(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise CliError(f"--output {given!r} is not NAME=VALUE, such as --output Ticket=CHG-7")
    return name, value


async def _list(given: str, *, json: bool) -> ExitCode:
    async with recoveries() as known:
        state = await _newest(known, given)
    code = ExitCode.COMPLETED
    now = time.time()
    if isinstance(state, LastKnownState) and state.end_time is None:
        warn(f"{last_known_text(state.recorded_time, now)}: {state.outdated_reason}")
        code, now = ExitCode.UNREACHABLE, state.recorded_time
    if json:
        write_json(StepList.of(state))
        return code
    console = stdout_console()
    width = console.width if console.is_terminal else _UNLIMITED
    show(*execution_steps(state, now=now, width=width))
    return code


async def _newest(known: Recoveries, given: str) -> ExecutionState:
    """The current state of an execution, or else the recorded one."""
    plan_id, execution_id = await known.plan_and_execution(given)
    try:
        return await known.state(plan_id, execution_id)
    except RefusedError:
        return await known.recorded(await known.recorded_id(given))
    except UnreachableError as error:
        recorded = await known.last_known(plan_id, str(error), execution_id)
        if recorded is None:
            raise
        return recorded
