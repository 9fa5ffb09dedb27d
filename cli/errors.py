"""Turns every error into a message and an exit code instead of a traceback."""

from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from cli.render.output import notice
from runtime.exit import ExitCode, report
from runtime.output_stream import protect_streams


class RootGroup(TyperGroup):
    """The root of the command line; it reports the errors of all commands."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line, whatever becomes of its output."""
        protect_streams()
        return super().main(*args, **kwargs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name, or by the name of the message that it sends."""
        return super().get_command(ctx, cmd_name.replace("_", "-"))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            notice("Interrupted.")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except Exception as error:
            # Typer's own exceptions (usage errors, exits) have their messages and codes.
            if type(error).__module__.startswith(("typer", "click")):
                raise
            raise typer.Exit(report(error, partial(notice, style="red"))) from None
