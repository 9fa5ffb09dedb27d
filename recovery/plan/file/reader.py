"""Reads a plan file, YAML or JSON, into the frozen plan, or raises all its problems."""

from dataclasses import dataclass
from pathlib import Path

from recovery.plan.file.checks import check_plan
from recovery.plan.file.document import read_document
from recovery.plan.file.draft import PlanDraft, read_draft
from recovery.plan.file.problems import PlanError, Problem, Report, in_line_order
from recovery.plan.model import RecoveryPlan

__all__ = ["PlanError", "Problem", "ReadPlan", "parse_plan", "read_plan"]

MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class ReadPlan:
    """A valid plan.

    Attributes:
        plan: The frozen plan.
        warnings: What the author of the file should know, in the order of its lines.
        file: The file, as the user named it.
    """

    plan: RecoveryPlan
    warnings: tuple[Problem, ...]
    file: str


def read_plan(path: Path) -> ReadPlan:
    """Read and check a plan file.

    Args:
        path: A YAML or JSON file; it is JSON if its name ends in `.json`.

    Raises:
        PlanError: The file cannot be read, or is no valid plan; with all problems.
    """
    return parse_plan(_text_of(path), file=str(path))


def parse_plan(text: str, *, file: str) -> ReadPlan:
    """Check the text of a plan file.

    Args:
        text: YAML or JSON.
        file: The file's name in problems; its extension says whether it must be JSON.

    Raises:
        PlanError: The text is no valid plan; with all problems.
    """
    report = Report(file)
    if len(text) > MAX_BYTES:
        raise _unreadable(file, f"the text is larger than {MAX_BYTES // 1_000_000} MB; split it")
    draft = read_draft(read_document(text, file), report)
    if draft is not None:
        check_plan(draft, report)
    report.raise_if_any()
    assert draft is not None
    return ReadPlan(_freeze(draft), in_line_order(report.warnings), file)


def _freeze(draft: PlanDraft) -> RecoveryPlan:
    waves = [
        {
            **wave.values,
            "Servers": [server.values for server in wave.servers],
            "Dependencies": [
                {"DependsOnWaveId": wave_id}
                for wave_id in dict.fromkeys(each.wave_id for each in wave.dependencies)
            ],
        }
        for wave in draft.waves
    ]
    return RecoveryPlan.model_validate({**draft.values, "Waves": waves})


def _text_of(path: Path) -> str:
    file = str(path)
    try:
        with path.open("rb") as opened:
            # One byte more than allowed: the size of a pipe is not known beforehand.
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(file, "there is no such file; check the path") from None
    except IsADirectoryError:
        raise _unreadable(file, "this is a directory; name a plan file in it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unreadable(file, f"the file cannot be read: {reason}") from None
    except ValueError:
        raise _unreadable(file, "this is not a file name; check the path") from None
    if len(content) > MAX_BYTES:
        size = f"{MAX_BYTES // 1_000_000} MB"
        raise _unreadable(file, f"the file is larger than {size}; is it a plan?")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(file, "the file is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, "this is not UTF-8 text; save the file as UTF-8", line) from None


def _unreadable(file: str, message: str, line: int | None = None) -> PlanError:
    return PlanError((Problem(message, file, line),))
