"""`history`: the executions that DynamoDB has recorded, and whether they agree with Temporal."""

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.commands.validate import Json
from cli.commands.verify import verify
from cli.input.completion import complete_history
from cli.input.executions import recorded_execution_id
from cli.render.output import show, warn, write_json
from cli.render.records import operator_lines, print_table_check
from cli.render.tables import execution_lines, execution_table
from client.overview import merged
from client.recoveries.chosen import recoveries
from recovery.execution.state import ExecutionState
from runtime.exit import ExitCode
from settings import get_settings
from storage.history import HistoryError, HistoryTable


class _HistoryGroup(TyperGroup):
    """A group that is also a command: an argument that names no subcommand is its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the name of a subcommand as that, not as an execution."""
        if args and args[0] in self.commands:
            ctx.allow_interspersed_args = False
            args = ["", *args]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> Any:
        """Omit the argument from the usage of the subcommands."""
        params = super().get_params(ctx)
        if ctx.command is self:
            return params
        return [param for param in params if param.param_type_name != "argument"]


history = typer.Typer(
    cls=_HistoryGroup,
    invoke_without_command=True,
    rich_markup_mode=None,
    subcommand_metavar="[verify ...]",
    context_settings={"allow_interspersed_args": True},
)


@history.callback()
def show_history(
    context: typer.Context,
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="An execution ID; or a PlanId, for the plan's last execution. Default: a list.",
            autocompletion=complete_history,
        ),
    ] = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", metavar="PLAN_ID", help="Only executions of this plan.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="List at most this many.")] = 20,
    json: Json = False,
) -> None:
    """Show recorded executions; needs no Temporal.

    With DRS_WAVES_API_URL the API reads them.

    \b
    Examples:
      drs-waves history                       the latest executions
      drs-waves history --plan crm --limit 5
      drs-waves history crm-0f3b52a1c7d9 --json
      drs-waves history verify crm-0f3b52a1c7d9
    \b
    Exit codes: 0 shown, 2 not known, no table or one that cannot be used,
    5 cannot reach AWS.
    """
    if context.invoked_subcommand is not None:
        return
    if not execution:
        _show_list(plan_id, limit, json=json)
        return
    state = asyncio.run(_recorded(execution))
    # One record needs no index.
    _check()
    if json:
        write_json(state)
    else:
        show(*execution_lines(state), *operator_lines(state))


history.command()(verify)


async def _recorded(given: str) -> ExecutionState:
    async with recoveries() as known:
        return await known.recorded(await recorded_execution_id(known, given))


async def _list(plan_id: str | None, limit: int) -> list[ExecutionState]:
    async with recoveries() as known:
        return await known.recorded_executions(plan_id, limit)


def _show_list(plan_id: str | None, limit: int, *, json: bool) -> None:
    found = asyncio.run(_list(plan_id, limit))
    if (code := _check()) is not ExitCode.COMPLETED:
        raise typer.Exit(code)
    if json:
        write_json([each.model_dump(exclude={"waves"}, exclude_none=True) for each in found])
    elif found:
        show(*execution_table(merged(None, found)))
    else:
        of = f" of {plan_id}" if plan_id else ""
        show(f"No execution{of} is recorded.")


def _check() -> ExitCode:
    """Print how the table differs from the one that it should be, if that can be read."""
    settings = get_settings()
    if settings.api_url is not None:
        # The table is the API's.
        return ExitCode.COMPLETED
    try:
        return print_table_check(asyncio.run(HistoryTable(settings).check()))
    except HistoryError as error:
        warn(str(error))
        return ExitCode.COMPLETED
