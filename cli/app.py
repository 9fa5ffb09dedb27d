"""The command line `drs-waves` with all its commands."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_group

from cli.commands.cleanup import cleanup
from cli.commands.forecast import forecast_plans
from cli.commands.history import history
from cli.commands.installation.doctor import doctor
from cli.commands.installation.encryption import encryption_key
from cli.commands.installation.install import init_tables, worker
from cli.commands.installation.notify import notify
from cli.commands.installation.watchdog import watchdog
from cli.commands.launch_settings.commands import launch_settings
from cli.commands.lists import executions, plans
from cli.commands.portfolio.portfolio import portfolio
from cli.commands.portfolio.run_all import run_all
from cli.commands.readiness.command import readiness
from cli.commands.registration.register import register
from cli.commands.revert import revert
from cli.commands.run import run as run_plan
from cli.commands.schedules.schedule import schedule
from cli.commands.serve import serve, token
from cli.commands.snapshots import snapshots
from cli.commands.status import status, wait, watch_plan
from cli.commands.steering import steer as operator_commands
from cli.commands.steering import steps as step_commands
from cli.commands.validate import validate
from cli.coverage.command import coverage
from cli.decisions.command import decisions
from cli.errors import RootGroup
from cli.input.completion import disable_temporal_logging
from cli.json_schemas import schema
from cli.render.output import show
from cli.reports.action_items import action_item
from cli.reports.report import declare, report
from cli.sign_in.login import login, logout, whoami
from runtime.exit import exit_process


class _Commands(RootGroup):
    """All commands. Those of the sandbox, whose packages are large, are loaded where needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return [*super().list_commands(ctx), "sandbox"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name."""
        return _sandbox() if cmd_name == "sandbox" else super().get_command(ctx, cmd_name)


@cache
def _sandbox() -> Any:
    try:
        from cli.sandbox.stack_commands import sandbox  # noqa: PLC0415
    except ModuleNotFoundError as error:
        # The sandbox is an extra that a production worker does not need.
        if error.name is None or error.name.split(".")[0] not in ("moto", "psutil", "werkzeug"):
            raise
        from cli.sandbox.not_installed import sandbox  # noqa: PLC0415
    command = get_group(sandbox)
    command.name = "sandbox"
    return command


app = typer.Typer(
    name="drs-waves",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(is_requested: bool) -> None:
    if not is_requested:
        return
    try:
        show(f"drs-waves {version('drs-waves')}")
    except PackageNotFoundError:
        show("drs-waves (not installed; run from a checkout)")
    raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Recover servers with AWS Elastic Disaster Recovery, wave by wave.

    \b
    Try it on this machine, without AWS:
      drs-waves sandbox run examples/crm.yaml --speed 60
    \b
    Check a plan, and run a drill:
      drs-waves validate crm.yaml
      drs-waves run crm.yaml --dry-run
      drs-waves run crm.yaml
    \b
    During an execution, and after it:
      drs-waves plans
      drs-waves watch crm
      drs-waves retry-wave crm app2 --reason "capacity is back"
      drs-waves run --from crm-0f3b52a1c7d9
      drs-waves cleanup crm-0f3b52a1c7d9
    \b
    The connection to Temporal is set as for the `temporal` command
    (TEMPORAL_ADDRESS, profiles), the one to AWS as for the `aws` command. All
    other settings are DRS_WAVES_*. Without access to Temporal, set
    DRS_WAVES_API_URL and run `drs-waves login`.
    """
    if context.invoked_subcommand != "worker":
        disable_temporal_logging()


app.command()(validate)
app.command()(register)
app.command()(readiness)
app.command("forecast")(forecast_plans)
app.command("run")(run_plan)
app.command("run-all")(run_all)
app.add_typer(portfolio, name="portfolio")
app.command()(snapshots)
app.command()(status)
app.command("watch")(watch_plan)
app.command()(wait)
app.command()(plans)
app.command()(executions)
app.command()(coverage)
app.command()(decisions)
app.add_typer(history, name="history")
app.command()(report)
app.command()(declare)
app.add_typer(action_item, name="action-item")
operator_commands.add_commands(app)
step_commands.add_commands(app)
app.add_typer(schedule, name="schedule")
app.add_typer(launch_settings, name="launch-settings")
app.command()(cleanup)
app.command()(revert)
app.command()(schema)
app.command()(login)
app.command()(logout)
app.command()(whoami)
app.command()(worker)
app.command()(serve)
app.command()(token)
app.command("encryption-key")(encryption_key)
app.command()(watchdog)
app.command("init-tables")(init_tables)
app.command()(doctor)
app.add_typer(notify, name="notify")


def run() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        app(prog_name="drs-waves")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    exit_process(code)
