"""The options that sign with an offline key, when the API is lost with its Region."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli.render.output import notice
from client.connection import configured_place
from client.recoveries.chosen import Choice, recoveries
from recovery.access.roles import Role
from runtime.exit import CliError
from security.signers import KeyFile, RequestSigner
from settings import get_settings

BreakGlass = Annotated[
    str | None,
    typer.Option(
        metavar="REASON",
        help="Sign with an offline key, for the day when the API is lost; it is recorded.",
    ),
]
KeyPath = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="With --break-glass: the Ed25519 key, in PEM."),
]


def signed_recoveries(reason: str | None, key: Path | None) -> Choice:
    """The executions that a command is about, its requests signed if the options ask for it.

    Raises:
        CliError: one of the two options is missing.
        KeyFileError: the key cannot be used.
    """
    signer = offline_signer(reason, key)
    if signer is not None and get_settings().api_url is not None:
        notice(f"--break-glass goes directly to {configured_place()}, not through the API")
    return partial(recoveries, signer, can_sign=True)


def offline_signer(reason: str | None, key: Path | None) -> RequestSigner | None:
    """What signs with an offline key; None if no option asks for it.

    Raises:
        CliError: one of the two options is missing.
        KeyFileError: the key cannot be used.
    """
    if reason is None and key is None:
        return None
    if not (reason or "").strip() or key is None:
        raise CliError("nothing was sent: --break-glass REASON and --key FILE go together")
    return RequestSigner(KeyFile(key), roles=[role.value for role in Role], break_glass=reason)
