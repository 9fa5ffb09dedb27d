"""The options that sign with an offline key, when the API is lost with its Region."""

from pathlib import Path
from typing import Annotated

import typer

from recovery.access.roles import Role
from runtime.exit import CliError
from security.signers import KeyFile, RequestSigner

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
