"""A command in a pseudo-terminal, as an operator sees it."""

import asyncio
import os
import sys
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pyte

_STARTER = Path(__file__).parents[2] / "starter.py"
_HISTORY_LINES = 5_000
_END_SECONDS = 60.0
# Keys are read only by a process in the foreground of the terminal, so it must control one.
_IN_FOREGROUND = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """The screen of a running command, and its keyboard."""

    def __init__(self, process: Process, descriptor: int, size: os.terminal_size):
        self._process = process
        self._descriptor = descriptor
        self._screen = pyte.HistoryScreen(size.columns, size.lines, history=_HISTORY_LINES)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def screen(self) -> str:
        """What the screen shows now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def text(self) -> str:
        """All that was printed and not drawn over, also above the screen."""
        above = [
            "".join(line[column].data for column in range(self._screen.columns)).rstrip()
            for line in self._screen.history.top
        ]
        return "\n".join([*above, self.screen])

    def type(self, text: str) -> None:
        """Type a text; "\r" is Enter."""
        os.write(self._descriptor, text.encode())

    async def sees(self, *texts: str, within: float = 60.0) -> str:
        """Wait until the screen shows all texts, in whatever lines; the screen."""
        try:
            async with asyncio.timeout(within):
                while True:
                    # A sentence may be wrapped.
                    shown = " ".join(self.screen.split())
                    if all(text in shown for text in texts):
                        return self.screen
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{texts} is not on the screen:\n{self.screen}") from None

    async def exit_code(self) -> int:
        """Wait for the end of the command."""
        async with asyncio.timeout(_END_SECONDS):
            return await self._process.wait()

    def read(self) -> None:
        """Draw what the command has written."""
        # The end of the other side is an error on Linux.
        with suppress(OSError):
            self._stream.feed(os.read(self._descriptor, 65_536))


@asynccontextmanager
async def terminal(
    *words: str, env: Mapping[str, str], columns: int = 100, lines: int = 30
) -> AsyncIterator[Terminal]:
    """Run `drs-waves` with these words in a terminal of this size; it has ended after the block."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (lines, columns))
    program = (sys.executable, str(_STARTER), *words)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _IN_FOREGROUND, *program),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **env, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    opened = Terminal(process, ours, os.terminal_size((columns, lines)))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, opened.read)
    try:
        yield opened
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        loop.remove_reader(ours)
        os.close(ours)
