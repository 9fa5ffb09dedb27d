"""The argument that names a recorded execution."""

from typing import Annotated

import typer

from cli.input.completion import complete_execution

ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", autocompletion=complete_execution)]
