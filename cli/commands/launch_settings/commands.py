"""The commands of `launch-settings`."""

import typer

from cli.commands.launch_settings.plan import apply, diff, export
from cli.commands.launch_settings.restore import restore

launch_settings = typer.Typer(
    name="launch-settings",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Compare and change what DRS and EC2 have for launches.",
)
launch_settings.command()(diff)
launch_settings.command()(export)
launch_settings.command("apply")(apply)
launch_settings.command()(restore)
