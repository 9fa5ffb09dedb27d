"""Single keys from the terminal while a view is drawn on it."""

import asyncio
import codecs
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ESCAPE = "\x1b"
ENTER = "\n"
_ERASE = ("\x7f", "\b")
_LONGEST = 400


class Keyboard:
    """The keys that are pressed, one after another."""

    def __init__(self) -> None:
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    async def key(self) -> str:
        """The next key."""
        return await self._keys.get()

    def forget(self) -> None:
        """Leave aside what was typed ahead of a question that nobody has seen yet."""
        while not self._keys.empty():
            self._keys.get_nowait()

    def press(self, pressed: bytes) -> None:
        """Take what the terminal sent; keys that send sequences (arrows, say) are left aside."""
        text = self._decoder.decode(pressed)
        if text.startswith(ESCAPE) and len(text) > 1:
            return
        for each in text:
            self._keys.put_nowait(ENTER if each == "\r" else each)


class LineEditor:
    """A line that is typed key by key."""

    def __init__(self) -> None:
        self.text = ""

    def take(self, key: str) -> None:
        """Add a key to the line, or take the last one back."""
        if key in _ERASE:
            self.text = self.text[:-1]
        elif key.isprintable() and len(self.text) < _LONGEST:
            self.text += key


def has_keyboard() -> bool:
    """Whether this process is in the foreground of a terminal that it can read keys from."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Read single keys inside an event loop; the terminal is given back as it was."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    keys = Keyboard()
    loop = asyncio.get_running_loop()
    handler = signal.signal(signal.SIGTERM, _end)
    try:
        # Ctrl-C and Ctrl-Z keep their meaning in this mode.
        tty.setcbreak(fd)
        loop.add_signal_handler(signal.SIGCONT, lambda: tty.setcbreak(fd))
        loop.add_reader(fd, lambda: _read(loop, fd, keys))
        yield keys
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGCONT)
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGTERM, handler)


def _read(loop: asyncio.AbstractEventLoop, fd: int, keys: Keyboard) -> None:
    try:
        pressed = os.read(fd, 64)
    except OSError:
        pressed = b""
    if not pressed:
        # The terminal has gone; without this its end would be read for ever.
        loop.remove_reader(fd)
        return
    keys.press(pressed)


def _end(number: int, _: FrameType | None) -> None:
    # The default would end the process with the terminal as it is.
    raise SystemExit(128 + number)
