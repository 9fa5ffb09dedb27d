"""The audit log is written beside the work: it delays nothing, and what is lost is counted."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from recovery.access.audit import AuditAct, AuditEvent, AuditPlace
from security import audit_log
from security.audit_log import AuditFile, AuditLine, AuditLog, AuditLogError, WriteResult


def event(**fields: Any) -> AuditEvent:
    """An accepted message."""
    values: dict[str, Any] = {"time": time.time(), "act": AuditAct.MESSAGE, "accepted": True}
    return AuditEvent(**values | fields)


def lines(*files: Path) -> list[dict[str, Any]]:
    """The events in files."""
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_file_has_a_line_for_each_event_and_a_gap_in_the_sequence_shows_a_missing_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(AuditPlace.WORKER, AuditFile(str(path)))
    for _ in range(3):
        log.write(event(actor="ops"))
    log.close()
    found = lines(path)
    assert [each["Act"] for each in found] == ["LOG_OPENED", *["MESSAGE"] * 3, "LOG_CLOSED"]
    assert [each["Sequence"] for each in found] == [1, 2, 3, 4, 5]
    assert len({each["Writer"]["Id"] for each in found}) == 1
    assert found[0]["Writer"]["Place"] == "worker"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_rotated_is_followed(tmp_path: Path) -> None:
    path, rotated = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    file = AuditFile(str(path))
    file.write([AuditLine(0, '"one"')])
    path.rename(rotated)
    file.write([AuditLine(0, '"two"')])
    path.unlink()
    file.write([AuditLine(0, '"three"')])
    assert (rotated.read_text(), path.read_text()) == ('"one"\n', '"three"\n')


def test_a_file_that_cannot_be_opened_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AuditLogError, match=r"cannot be opened: No such file.*create the folder"):
        AuditFile(str(tmp_path / "missing" / "audit.jsonl"))
    with pytest.raises(AuditLogError, match="Is a directory"):
        AuditFile(str(tmp_path))


def test_a_folder_that_goes_away_delays_nothing_and_its_events_are_written_later(
    tmp_path: Path,
) -> None:
    folder, away = tmp_path / "logs", tmp_path / "away"
    folder.mkdir()
    path = folder / "audit.jsonl"
    log = AuditLog(AuditPlace.API, AuditFile(str(path)))
    while not path.read_text():
        time.sleep(0.01)
    folder.rename(away)
    began = time.monotonic()
    for _ in range(100):
        log.write(event())
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    folder.mkdir()
    log.close()
    assert len(lines(path)) == 101
    assert lines(path)[0]["Sequence"] == 2


class Stalled:
    """A destination that takes nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.texts: list[str] = []

    def write(self, lines: Sequence[AuditLine]) -> WriteResult:
        """Take a line."""
        self.released.wait(60)
        self.texts.append(lines[0].text)
        return WriteResult(1)


def test_events_above_the_most_that_may_wait_are_counted_in_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_log, "_MOST_WAITING", 5)
    stalled = Stalled()
    log = AuditLog(AuditPlace.API, stalled)
    while log._waiting:
        time.sleep(0.01)
    with structlog.testing.capture_logs() as logged:
        for _ in range(20):
            log.write(event())
    assert [each["event"] for each in logged] == ["the audit log is full: events are lost"]
    stalled.released.set()
    log.close()
    found = [json.loads(text) for text in stalled.texts]
    assert [each["Act"] for each in found] == ["LOG_OPENED", *["MESSAGE"] * 5, "EVENTS_LOST"]
    # Fifteen messages, and that the log was closed.
    assert found[-1]["Count"] == 16


def test_an_end_waits_only_seconds_for_a_log_that_cannot_be_written() -> None:
    log = AuditLog(AuditPlace.API, AuditFile("/dev/full"))
    log.write(event())
    began = time.monotonic()
    with structlog.testing.capture_logs() as logged:
        log.close(0.5)
    assert time.monotonic() - began < 10
    assert "3 events of the audit log are lost" in [each["event"] for each in logged]


def test_an_end_waits_for_no_repetition_of_a_refusal() -> None:
    log = AuditLog(AuditPlace.API)
    log.write(event(act=AuditAct.SIGN_IN, accepted=False, refusal="UNAUTHORIZED"))
    # The thread waits for more of the same now.
    while log._waiting or log._lines:
        time.sleep(0.01)
    began = time.monotonic()
    log.close(10)
    assert time.monotonic() - began < 8


def test_refusals_are_summed_up_when_the_log_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(AuditPlace.API, AuditFile(str(path)))
    for _ in range(500):
        log.write(event(act=AuditAct.SIGN_IN, accepted=False, refusal="UNAUTHORIZED"))
    log.close()
    found = [each for each in lines(path) if each["Act"] == "SIGN_IN"]
    assert [each.get("Count") for each in found] == [None] * 10 + [490]


def test_without_a_destination_and_after_the_end_events_go_to_the_log_of_the_process() -> None:
    with structlog.testing.capture_logs() as logged:
        log = AuditLog(AuditPlace.WORKER)
        log.write(event(actor="ops"))
        log.close()
        log.write(event(actor="late"))
    assert [(each["event"], each["Actor"]) for each in logged] == [
        ("audit event", "ops"),
        ("audit event", "late"),
    ]
