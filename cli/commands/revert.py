"""`revert`: puts back what a step replaced in DNS or in a routing control."""

import asyncio
from functools import partial
from typing import Annotated

import typer

from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import ExecutionId
from cli.input.confirmation import raise_if_refused, require_confirmation
from cli.input.executions import recorded_execution_id
from cli.render.output import notice
from client.recoveries.chosen import Choice
from recovery.execution.state import ExecutionState
from recovery.operator.confirmation import RequestRefusalCode, revert_refusal
from recovery.steps.replaced import RevertView, shown_value
from runtime.exit import CliError


def revert(
    execution: ExecutionId,
    step: Annotated[str, typer.Argument(metavar="WAVE/STEP", help="The step.")],
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also put it back if someone has changed it since the step."),
    ] = False,
    confirm_id: Annotated[
        str | None,
        typer.Option(
            "--confirm", metavar="WAVE/STEP", help="Confirm without a prompt: the step again."
        ),
    ] = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
) -> None:
    """Put back the DNS record or routing control of a step.

    It shows what is there now and what is put back, and asks for WAVE/STEP as
    confirmation (--confirm where nobody can be asked).

    \b
    Example:
      drs-waves revert crm-0f3b52a1c7d9 cutover/dns
    \b
    Exit codes: 0 it is put back, 2 refused, 5 Temporal or AWS cannot be reached.
    """
    recoveries = signed_recoveries(break_glass, key)
    state, view = asyncio.run(_look(recoveries, execution, step))
    notice(
        f"{view.place}, by step {step} of {state.execution_id}",
        f"  now          {shown_value(view.now)}",
        f"  the step set {shown_value(view.set_to)}",
        f"  is put back  {shown_value(view.was)}",
    )
    rule = partial(revert_refusal, view, step, is_forced=force)
    # What a confirmation cannot change is refused before it is asked for.
    refusal = rule(step)
    if refusal is not None and refusal.code is RequestRefusalCode.NOT_FORCED:
        raise CliError(f"{refusal.text}. Add --force for that")
    raise_if_refused(refusal)
    require_confirmation(rule, step, confirm_id, what="put it back", name=step)
    notice(asyncio.run(_put_back(recoveries, state, step, view, is_forced=force)))


async def _look(recoveries: Choice, given: str, step: str) -> tuple[ExecutionState, RevertView]:
    async with recoveries() as known:
        state = await known.recorded(await recorded_execution_id(known, given))
        return state, await known.look_at_step(state, step)


async def _put_back(
    recoveries: Choice, state: ExecutionState, step: str, view: RevertView, *, is_forced: bool
) -> str:
    async with recoveries() as known:
        return await known.put_back(state, step, view, confirmation=step, is_forced=is_forced)
