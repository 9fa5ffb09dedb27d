"""Processes end with their own exit code, whatever their output is connected to."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.output_stream import OutputStream

ROOT = Path(__file__).parents[2]
STARTER = str(ROOT / "starter.py")
CRM = str(ROOT / "examples" / "crm.yaml")


class FailingStream(io.StringIO):
    """A stream whose writes fail."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, _: str) -> int:
        raise self._error


def run(script: str, *words: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script of ours in a shell with a redirection."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$@" {redirection}', "", sys.executable, script, *words],
        env={"PYTHONIOENCODING": "ascii", "TERM": "dumb", "TEMPORAL_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "redirection"),
    [
        (("validate", CRM), ">/dev/full"),
        (("run", "--help"), ">&-"),
        pytest.param(("validate", CRM), "| exit 0", marks=pytest.mark.slow),
    ],
)
def test_a_command_succeeds_though_its_output_cannot_be_written(
    words: tuple[str, ...], redirection: str
) -> None:
    ended = run(STARTER, *words, redirection=redirection)
    assert ended.returncode == 0
    full = "warning: standard output is incomplete: [Errno 28] No space left on device\n"
    assert ended.stderr == (full if redirection == ">/dev/full" else "")


@pytest.mark.parametrize(
    ("words", "redirection"),
    [
        (("run", "missing.yaml"), "2>/dev/full"),
        pytest.param(("数据库",), "2>&-", marks=pytest.mark.slow),
        (("数据库",), "<&- >&- 2>&-"),
        pytest.param(("run", "missing.yaml"), "2>&1 | exit 0", marks=pytest.mark.slow),
    ],
)
def test_a_refused_command_is_refused_though_nobody_reads_why(
    words: tuple[str, ...], redirection: str
) -> None:
    assert run(STARTER, *words, redirection=redirection).returncode == 2


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&1 | exit 0"])
def test_a_worker_ends_with_its_own_exit_code_though_nobody_reads_its_log(redirection: str) -> None:
    assert run(str(ROOT / "worker.py"), redirection=redirection).returncode == 5


def test_output_that_is_lost_is_known_unless_its_reader_has_left() -> None:
    full = OutputStream(FailingStream(OSError(errno.ENOSPC, "full")))
    left = OutputStream(FailingStream(BrokenPipeError()))
    for stream in (full, left):
        print("CRM: COMPLETED", file=stream)
    assert (str(full.error), left.error) == ("[Errno 28] full", None)


def test_half_a_character_is_replaced() -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    print("plan \udcff.yaml", file=OutputStream(written))
    assert written.buffer.getvalue() == b"plan ?.yaml\n"
