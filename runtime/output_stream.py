"""Standard output and standard error that never fail."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class OutputStream(io.TextIOBase):
    """A stream that replaces what it cannot encode and drops what it cannot write.

    What a process does, and its exit code, must not depend on a terminal, a pipe or a disk.

    Attributes:
        error: why output was dropped, unless its reader has left; None if nothing was dropped.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # Python has None for a stream that was closed when the process began.
        self._stream = stream or Path(os.devnull).open("w")  # noqa: SIM115
        self.error: Exception | None = None

    @classmethod
    def of(cls, stream: TextIO | None) -> "OutputStream":
        """The stream itself if it is one already."""
        return stream if isinstance(stream, cls) else cls(stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream, by which rich chooses its characters."""
        return self._stream.encoding or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of the unknown characters of a prompt."""
        return "replace"

    def write(self, text: str) -> int:
        """Write what can be written."""
        with self._dropping():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                shown = text.encode(self.encoding, "replace")
                self._stream.write(shown.decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush what can be written."""
        with self._dropping():
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with self._dropping():
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """The descriptor of the stream."""
        return self._stream.fileno()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            pass
        except (OSError, ValueError) as error:
            # ValueError: the stream is closed.
            self.error = error


def protect_streams() -> None:
    """Make the standard streams of this process ones that never fail."""
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout, sys.stderr = OutputStream.of(sys.stdout), OutputStream.of(sys.stderr)
