"""Reads single keys from the terminal while a view is drawn on it."""

import asyncio
import codecs
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ESCAPE = "\x1b"
ENTER = "\n"
ERASE = ("\x7f", "\b")


class Keyboard:
    """The pressed keys, in order."""

    def __init__(self) -> None:
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    async def key(self) -> str:
        """Wait for the next key."""
        return await self._keys.get()

    def discard_pending(self) -> None:
        """Discard keys that were pressed before the next question is on the screen."""
        while not self._keys.empty():
            self._keys.get_nowait()

    def feed(self, data: bytes) -> None:
        """Add the keys that the terminal sent; escape sequences, as of arrow keys, are ignored."""
        text = self._decoder.decode(data)
        if text.startswith(ESCAPE) and len(text) > 1:
            return
        for each in text:
            self._keys.put_nowait(ENTER if each == "\r" else each)


def has_keyboard() -> bool:
    """Whether this process is in the foreground of a terminal that it can read keys from."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Read single keys inside an event loop; the terminal's mode is restored at the end."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    keys = Keyboard()
    loop = asyncio.get_running_loop()
    # The default handler would end the process without restoring the terminal.
    handler = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        # Ctrl-C and Ctrl-Z keep their meaning in this mode.
        tty.setcbreak(fd)
        loop.add_signal_handler(signal.SIGCONT, lambda: tty.setcbreak(fd))
        loop.add_reader(fd, lambda: _read(loop, fd, keys))
        yield keys
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGCONT)
        # The terminal may be gone.
        with suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGTERM, handler)


def _read(loop: asyncio.AbstractEventLoop, fd: int, keys: Keyboard) -> None:
    try:
        data = os.read(fd, 64)
    except OSError:
        data = b""
    if not data:
        # The terminal is closed; the event loop would call this reader for ever.
        loop.remove_reader(fd)
        return
    keys.feed(data)
