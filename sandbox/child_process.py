"""Runs a command that ends when its parent does: `python -m sandbox.child_process COMMAND…`.

A parent that is killed cannot take down what it started. Only Linux can tell a child of it;
elsewhere the command runs without.
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
    """A command that ends when the process that starts it does."""
    return [sys.executable, "-m", "sandbox.child_process", str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> None:
    """Become the command.

    Args:
        arguments: the parent's process ID, then the command with its arguments.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before it was asked about.
        if os.getppid() != int(arguments[0]):
            return
    os.execvp(arguments[1], list(arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
