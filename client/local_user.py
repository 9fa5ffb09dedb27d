"""The user of this machine."""

import getpass
import socket


def whoami() -> str:
    """The user of this machine, as `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
