"""Who works on this machine."""

import getpass
import socket


def whoami() -> str:
    """Who starts an execution from this machine, as `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
