"""Problems of a plan file, each with its place and what to do."""

import unicodedata
from collections import Counter
from dataclasses import dataclass, field

_MAX_LENGTH = 100
_MAX_CHARACTERS_NAMED = 3
_MAX_HINTS = 500
_MAX_PROBLEMS_OF_A_STEP = 20


def printable(text: str) -> str:
    """Return the text for a terminal: control characters escaped, long texts truncated."""
    if len(text) > _MAX_LENGTH:
        text = f"{text[: _MAX_LENGTH - 1]}…"
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def unusual_characters(text: str) -> str:
    """Return the characters outside ASCII by name: some are invisible, others look like letters."""
    found = [each for each in dict.fromkeys(text) if not each.isascii()][:_MAX_CHARACTERS_NAMED]
    return ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, '')}".strip() for c in found)


@dataclass(frozen=True)
class Problem:
    """One problem, or one warning, and its place.

    Attributes:
        message: What is wrong; what to do.
        file: The plan file, as the user named it.
        line: The line, counted from 1; None if it concerns the whole file.
        wave: The WaveId as written, or "number 3" for a wave without a readable one; None if
            it concerns the whole plan.
        value: The offending value as written; None if there is none.
        excerpt: Lines of the file that show the problem, each with its number.
        step: The StepId as written, or "number 2" for a step without a readable one; None if it
            concerns no step.
    """

    message: str
    file: str
    line: int | None = None
    wave: str | None = None
    value: str | None = None
    excerpt: tuple[str, ...] = ()
    step: str | None = None

    def __str__(self) -> str:
        """Return `crm.yaml:12: wave crm-wave-2: what is wrong; what to do`."""
        place = printable(self.file) if self.line is None else f"{printable(self.file)}:{self.line}"
        wave = "" if self.wave is None else f"wave {printable(self.wave)}: "
        step = "" if self.step is None else f"step {printable(self.step)}: "
        return f"{place}: {wave}{step}{self.message}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The problem, and below it the lines of the file that show it."""
        return (str(self), *(f"    {line}" for line in self.excerpt))


class PlanError(ValueError):
    """The plan is refused.

    Attributes:
        problems: All problems of the file, in the order of its lines.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(line for problem in problems for line in problem.lines))
        self.problems = problems


@dataclass
class Report:
    """Collects the problems and warnings of one file.

    Attributes:
        reported: How many problems were added, those of a step that are not kept included.
    """

    file: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    reported: int = 0
    _hints: int = 0
    _of_steps: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def problem(
        self,
        line: int | None,
        message: str,
        *,
        wave: str | None = None,
        step: str | None = None,
        value: str | None = None,
    ) -> None:
        """Add a problem that must be corrected before the plan can run."""
        self.reported += 1
        if step is not None:
            self._of_steps[wave, step] += 1
            more = self._of_steps[wave, step] - _MAX_PROBLEMS_OF_A_STEP
            if more > 0:
                message, value = "more problems; correct the others first", None
            if more > 1:
                return
        self.problems.append(Problem(message, self.file, line, wave, value, step=step))

    def may_hint(self) -> bool:
        """Whether to look for the key that an unknown one resembles; not for thousands of them."""
        self._hints += 1
        return self._hints <= _MAX_HINTS

    def warning(
        self, line: int | None, message: str, *, wave: str | None = None, value: str | None = None
    ) -> None:
        """Add a warning; the plan can run with it."""
        self.warnings.append(Problem(message, self.file, line, wave, value))

    def raise_if_any(self) -> None:
        """Raise PlanError if there is a problem."""
        if self.problems:
            raise PlanError(in_line_order(self.problems))


def in_line_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return the problems from the top of the file to its end."""
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))
