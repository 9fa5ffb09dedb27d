"""The audit log of a process: written beside its work, which never waits for it."""

import json
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

import structlog

from recovery.access.audit import AuditAct, AuditEvent, AuditPlace, AuditWriter, RefusalGroups

NO_AUDIT_LOG = (
    "DRS_WAVES_AUDIT_LOG is not set: who did or was refused what is only in this log. Set it to a "
    "file or cloudwatch:LOG_GROUP"
)
_MOST_WAITING = 10_000
_PER_WRITE = 1000
_CLOSE_SECONDS = 3.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0


class AuditLogError(Exception):
    """The audit log cannot be opened or written; the message says why."""


class AuditLine(NamedTuple):
    """An event as it is written; the time is in epoch seconds."""

    time: float
    text: str


class WriteResult(NamedTuple):
    """How many of the first lines need not be written again, and how many of these are lost."""

    done: int
    lost: int = 0


class AuditDestination(Protocol):
    """Where lines are kept."""

    def write(self, lines: Sequence[AuditLine]) -> WriteResult:
        """Write the first of some lines, at least one.

        Raises:
            AuditLogError: none can be written now.
        """


class ProcessLog:
    """The log of the process: where events go that are kept nowhere else."""

    def write(self, lines: Sequence[AuditLine]) -> WriteResult:
        """See `AuditDestination`."""
        for line in lines:
            structlog.get_logger().info("audit event", **json.loads(line.text))
        return WriteResult(len(lines))


class AuditFile:
    """A file that lines are appended to; it may be renamed or removed while it is written."""

    def __init__(self, path: str) -> None:
        """Open the file.

        Raises:
            AuditLogError: it cannot be opened.
        """
        self._path = Path(path)
        self._file = -1
        self._ends_in_part = False
        self._follow()

    def write(self, lines: Sequence[AuditLine]) -> WriteResult:
        """See `AuditDestination`."""
        done = 0
        try:
            self._follow()
            for line in lines:
                self._append(line.text)
                done += 1
        except OSError as error:
            if not done:
                raise AuditLogError(f"{self._path} cannot be written: {error}") from error
        return WriteResult(done)

    def _follow(self) -> None:
        """Open the file that has the path now."""
        if self._file >= 0:
            opened = os.fstat(self._file)
            try:
                if os.path.samestat(opened, self._path.stat()):
                    return
            except FileNotFoundError:
                pass
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise AuditLogError(
                f"the audit log {self._path} cannot be opened: {error.strerror}; correct "
                "DRS_WAVES_AUDIT_LOG, or create the folder and let this process write there"
            ) from error
        if self._file >= 0:
            os.close(self._file)
        self._file = file

    def _append(self, text: str) -> None:
        # What a full disk cut off stays, in a line of its own.
        data = f"\n{text}\n".encode() if self._ends_in_part else f"{text}\n".encode()
        while data:
            data = data[os.write(self._file, data) :]
            self._ends_in_part = bool(data)


class AuditLog:
    """Writes the events of a process, in their order, in a thread of its own.

    While they cannot be written they wait, up to a number; what is above it is counted, and an
    event says how many were lost.
    """

    def __init__(self, place: AuditPlace, destination: AuditDestination | None = None) -> None:
        """Prepare; without a destination the events go to the log of the process."""
        self._is_kept = destination is not None
        self._destination = destination or ProcessLog()
        self._writer = AuditWriter(
            place=place, host=socket.gethostname(), pid=os.getpid(), id=uuid4().hex[:12]
        )
        self._sequence = 0
        self._changed = threading.Condition()
        self._groups = RefusalGroups()
        self._waiting: deque[AuditEvent] = deque()
        self._lost = 0
        # Lines of the thread that are not written yet.
        self._lines: list[AuditLine] = []
        self._thread: threading.Thread | None = None
        self._give_up: float | None = None
        if self._is_kept:
            self._write_own(AuditAct.LOG_OPENED)

    def write(self, event: AuditEvent) -> None:
        """Have an event written; returns at once, whatever becomes of it."""
        with self._changed:
            if self._give_up is not None:
                ProcessLog().write([self._line(event)])
                return
            for each in self._groups.take(event):
                self._put(each)
            self._wake()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Write what waits, for a few seconds at most; what comes later goes to the log."""
        if self._is_kept and self._give_up is None:
            self._write_own(AuditAct.LOG_CLOSED)
        with self._changed:
            self._give_up = time.monotonic() + seconds
            self._put_ended(float("inf"))
            # It may be waiting for the end of a group.
            thread = self._wake() if self._waiting or self._thread else None
        if thread is not None:
            thread.join(seconds)
        if left := len(self._lines) + len(self._waiting) + self._lost:
            structlog.get_logger().warning(f"{left} events of the audit log are lost")

    def _write_own(self, act: AuditAct) -> None:
        self.write(AuditEvent(time=time.time(), act=act, accepted=True, actor="drs-waves"))

    def _wake(self) -> threading.Thread:
        """Notify the thread, or start it; it ends when there is nothing to wait for."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
            self._thread.start()
        self._changed.notify()
        return self._thread

    def _put(self, event: AuditEvent) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(event)
            return
        if not self._lost:
            structlog.get_logger().warning("the audit log is full: events are lost")
        self._lost += 1

    def _put_ended(self, now: float) -> None:
        for each in self._groups.ended(now):
            self._put(each.model_copy(update={"time": time.time()}))

    def _run(self) -> None:
        pause = 0.0
        while self._has_lines():
            try:
                done, lost = self._destination.write(self._lines)
            except Exception as error:
                # Whatever it is, the events wait, and the thread goes on.
                if not pause:
                    structlog.get_logger().warning(
                        f"the audit log cannot be written, and is tried again: {error}"
                    )
                pause = min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
                if not self._may_try_again(pause):
                    return
            else:
                if pause:
                    structlog.get_logger().info("the audit log is written again")
                pause = 0.0
                del self._lines[:done]
                with self._changed:
                    self._lost += lost

    def _has_lines(self) -> bool:
        """Await events; whether there are lines to write, before the end."""
        if self._lines:
            return True
        with self._changed:
            while not self._waiting and not self._lost:
                end = self._groups.next_end
                if end is None or self._give_up is not None:
                    self._thread = None
                    return False
                self._changed.wait(max(0.0, end - time.time()))
                self._put_ended(time.time())
            some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _PER_WRITE))]
            if self._lost:
                some.append(
                    AuditEvent(
                        time=time.time(),
                        act=AuditAct.EVENTS_LOST,
                        accepted=False,
                        text="these events could not be written",
                        actor="drs-waves",
                        count=self._lost,
                    )
                )
                self._lost = 0
            self._lines = [self._line(event) for event in some]
            return True

    def _line(self, event: AuditEvent) -> AuditLine:
        self._sequence += 1
        update = {"writer": self._writer, "sequence": self._sequence}
        return AuditLine(event.time, event.model_copy(update=update).line)

    def _may_try_again(self, pause: float) -> bool:
        """Await the end of a pause, or of the process."""
        with self._changed:
            if self._give_up is None:
                self._changed.wait_for(lambda: self._give_up is not None, pause)
                return True
            left = self._give_up - time.monotonic()
        time.sleep(max(0.0, min(left, _FIRST_PAUSE_SECONDS)))
        return left > 0
