"""Whatever becomes of the output, a command goes on and ends with its own exit code."""

import errno
import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from cli.app import app
from cli.live import watch as watching
from cli.live.follow import print_outcome
from cli.live.view import WatchedExecution
from cli.live.watch import display_on, watch
from cli.render.output import show, stdout_console, step, write_json
from client.recoveries.temporal import TemporalRecoveries
from contract.execution import packed_state
from contract.identifiers import EXECUTION_ID_KEY
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from runtime.exit import ExitCode
from tests.cli.executions import START, begin, plan_of, put

PLAN = plan_of({"Datenbänk": [], "数据库": ["Datenbänk"]})
VALID = """\
PlanId: crm
PlanName: "Datenbänk ✓ 数据库"
Region: us-west-2
Waves:
  - WaveId: db
    WaveName: 数据库
    ServerIds: [s-00000000000000001]
"""


class Stream(io.TextIOWrapper):
    """Standard output of another kind than UTF-8."""

    def __init__(self, encoding: str, *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        """What arrived."""
        return self.bytes.getvalue().decode(self.encoding)


class Full(io.StringIO):
    """A standard output that takes nothing: a full disk, a reader that went away."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: str) -> int:
        raise OSError(self.number, "no")

    def flush(self) -> None:
        raise OSError(self.number, "no")


class LeftPipe(Full):
    """A pipe whose reader has left."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE)
        self.descriptor = os.open(os.devnull, os.O_WRONLY)

    def fileno(self) -> int:
        return self.descriptor


class FakeClient:
    """Answers in turn; the last answer repeats."""

    def __init__(self, *answers: ExecutionState) -> None:
        self._answers = list(answers)

    def get_workflow_handle(self, _: str) -> "FakeClient":
        return self

    def get_workflow_handle_for(self, *_: object, **__: object) -> "FakeClient":
        return self

    async def query(self, *_: object, **__: object) -> bytes:
        return packed_state(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])

    async def describe(self, **_: Any) -> SimpleNamespace:
        ended = len(self._answers) == 1
        status = WorkflowExecutionStatus
        return SimpleNamespace(
            status=status.COMPLETED if ended else status.RUNNING,
            typed_search_attributes={EXECUTION_ID_KEY: self._answers[0].execution_id},
        )


def drill() -> FakeClient:
    """A drill that runs and then ends."""
    running, ended = begin(PLAN), begin(PLAN)
    put(running, "Datenbänk", WaveStatus.COMPLETED, launched=2, start=START, end=START + 530)
    put(ended, "Datenbänk", WaveStatus.COMPLETED, launched=2, start=START, end=START + 530)
    put(ended, "数据库", WaveStatus.FAILED, "2 of 2 failed", start=START, end=START + 900)
    ended.status, ended.end_time = PlanStatus.FAILED, START + 900
    return FakeClient(running, ended)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "_FAST_POLL_SECONDS", 0.01)


def exit_code(*words: str) -> object:
    """What a command ends with."""
    with pytest.raises(SystemExit) as ended:
        app(list(words), prog_name="drs-waves")
    return ended.value.code


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("terminal", [True, False])
async def test_a_drill_is_followed_to_its_end_whatever_the_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch, encoding: str, terminal: bool
) -> None:
    out = Stream(encoding, terminal=terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    watched = WatchedExecution("crm")
    await watch(TemporalRecoveries(cast(Client, drill())), [watched], display_on(stdout_console()))
    assert print_outcome(watched) is ExitCode.FAILED
    assert "FAILED" in out.text
    assert "COMPLETED" in out.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_drill_is_followed_to_its_end_though_nothing_can_be_printed(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(sys, "stdout", Full(number))
    watched = WatchedExecution("crm")
    await watch(TemporalRecoveries(cast(Client, drill())), [watched], display_on(stdout_console()))
    assert print_outcome(watched) is ExitCode.FAILED


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (PlanStatus.COMPLETED, ExitCode.COMPLETED),
        (PlanStatus.PARTIAL, ExitCode.PARTIAL),
        (PlanStatus.CANCELLED, ExitCode.CANCELLED),
    ],
)
def test_the_exit_code_of_a_drill_is_its_own_though_the_reader_of_its_pipe_has_left(
    monkeypatch: pytest.MonkeyPatch, status: PlanStatus, code: ExitCode
) -> None:
    state = begin(PLAN)
    state.status, state.end_time = status, START + 900
    monkeypatch.setattr(sys, "stdout", LeftPipe())
    assert print_outcome(WatchedExecution("crm", state=state)) is code


def test_what_cannot_be_shown_is_replaced_and_the_rest_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = Stream("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    show("✓ COMPLETED 数据库 2/2")
    assert " COMPLETED " in out.text
    assert " 2/2" in out.text


def test_json_is_ascii_and_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Stream("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    write_json({"WaveName": "Datenbänk ✓ 数据库 🚀"})
    assert json.loads(out.text) == {"WaveName": "Datenbänk ✓ 数据库 🚀"}


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_valid_plan_is_valid_on_a_terminal_that_cannot_show_its_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: tuple[str, ...]
) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(VALID, encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", Stream("ascii"))
    assert exit_code("validate", str(plan), *more) == 0


def test_a_valid_plan_is_valid_though_the_disk_of_the_output_is_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(VALID, encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", Full(errno.ENOSPC))
    assert exit_code("validate", str(plan)) == 0


@pytest.mark.parametrize("stream", [Full(errno.ENOSPC), Stream("ascii")], ids=["full", "ascii"])
def test_a_refused_plan_is_refused_though_its_problems_cannot_be_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: Any
) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(VALID.replace("us-west-2", "数据库"), encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", stream)
    assert exit_code("validate", str(plan)) == 2


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_plan_whose_path_is_no_text_is_valid_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: tuple[str, ...]
) -> None:
    plan = tmp_path / os.fsdecode(b"crm-\xff.yaml")
    plan.write_text(VALID, encoding="utf-8")
    out = Stream("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    assert exit_code("validate", str(plan), *more) == 0
    if more:
        assert json.loads(out.text)[0]["File"] == str(plan)
    assert exit_code("validate", f"{plan}.old", *more) == 2


def test_a_connection_that_breaks_is_no_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read(_: Path) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("cli.commands.validate.read_plan", read)
    assert exit_code("validate", str(tmp_path)) == ExitCode.UNEXPECTED


def test_a_name_is_shown_as_it_is_while_a_command_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    err = Stream("utf-8", terminal=True)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    with step("Cancelling the drill of [/CRM] [b]"):
        pass
    assert "Cancelling the drill of [/CRM] [b]…" in err.text


@pytest.mark.parametrize("width", [1, 2, 5, 12, 30])
async def test_a_narrow_terminal_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int
) -> None:
    monkeypatch.setattr(sys, "stdout", Stream("utf-8", terminal=True))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "1")
    monkeypatch.setenv("TERM", "xterm")
    watched = WatchedExecution("crm")
    await watch(TemporalRecoveries(cast(Client, drill())), [watched], display_on(stdout_console()))
    assert print_outcome(watched) is ExitCode.FAILED
    plan = tmp_path / "crm.yaml"
    plan.write_text(VALID, encoding="utf-8")
    assert exit_code("validate", str(plan)) == 0
