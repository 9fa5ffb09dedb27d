"""Runs a command that ends with its parent process: `python -m sandbox.child_process COMMAND…`.

A process that receives SIGKILL cannot stop its children. Linux sends the child a signal instead; on
other systems the command keeps running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

# Source: linux/prctl.h
_PR_SET_PDEATHSIG = 1


def ending_with_parent(command: Sequence[str]) -> list[str]:
    """Wrap a command so that it ends when the calling process ends."""
    return [sys.executable, "-m", "sandbox.child_process", str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> None:
    """Replace this process with the command.

    Args:
        arguments: the parent's process ID, then the command and its arguments.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have ended before prctl was called.
        if os.getppid() != int(arguments[0]):
            return
    os.execvp(arguments[1], list(arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
