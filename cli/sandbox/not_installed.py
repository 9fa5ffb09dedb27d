"""Replaces `drs-waves sandbox` where the sandbox is not installed."""

import typer

from runtime.exit import CliError

sandbox = typer.Typer(rich_markup_mode=None, add_completion=False)


@sandbox.callback(
    invoke_without_command=True,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def _explain() -> None:
    """A local Temporal and AWS (not installed: pip install 'drs-waves[sandbox]')."""
    raise CliError("the sandbox is not installed: pip install 'drs-waves[sandbox]'")
