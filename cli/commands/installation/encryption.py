"""`encryption-key`: makes and changes the keys that payloads in Temporal are encrypted with."""

from pathlib import Path
from typing import Annotated

import typer

from cli.render.output import notice, show
from runtime.exit import CliError
from security.encryption import EncryptionKeys


def encryption_key(
    file: Annotated[Path, typer.Argument(help="File of the keys; made if it is missing.")],
    use: Annotated[
        str | None, typer.Option(metavar="KEY", help="Let this key of the file encrypt.")
    ] = None,
) -> None:
    """Add a key that payloads in Temporal are encrypted with.

    The first key of a file encrypts. Each further one only decrypts, until every
    worker, server and command line has the file and --use names that key. Keep
    older keys while Temporal has what they encrypted. Running processes read the
    file again when it changes.

    \b
    Examples:
      drs-waves encryption-key keys.json
      drs-waves encryption-key keys.json --use 2026-11-27-0a1b2c3d
    \b
    Exit codes: 0 written, 2 the file cannot be used.
    """
    keys = EncryptionKeys.read(file) if file.exists() else EncryptionKeys(keys=[])
    if use is None:
        keys = keys.with_new_key()
    elif use in [each.id for each in keys.keys]:
        keys = EncryptionKeys(current=use, keys=keys.keys)
    else:
        raise CliError(f"{file} has no key {use!r}; it has {', '.join(k.id for k in keys.keys)}")
    try:
        keys.write(file)
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror}") from error
    show(use or keys.keys[-1].id)
    notice(f"{keys.current} encrypts; {len(keys.keys)} in {file} decrypt")
    notice(f"Set DRS_WAVES_ENCRYPTION_KEYS={file} for workers, servers and command lines")
