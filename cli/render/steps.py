"""Lines about the steps of waves."""

import io
import json

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown

from cli.render.cells import fit, pad, wrapped
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.steps.model import Manual
from recovery.steps.progress import STEP_SYMBOLS, input_text, not_tested, step_notes, steps_text
from recovery.steps.replaced import change_text
from recovery.steps.state import StepState, StepStatus
from recovery.text_format import count, listed, running_duration, timestamp

STEP_INDENT = "  "
_STATUS_WIDTH = 17
_MAX_NAME_WIDTH = 24
_MOST_WIDTH = 100


def step_row(step: StepState, *, now: float, width: int, name_width: int = 0) -> list[str]:
    """A step's status, name, kind, duration and notes; below the first line what has no room.

    `now` is in epoch seconds.
    """
    status = pad(f"{STEP_SYMBOLS[step.status]} {step.status}", _STATUS_WIDTH)
    name = step.step_id if cell_len(step.step_id) > name_width else pad(step.step_id, name_width)
    head = f"{STEP_INDENT}{status}  {name}  {step.kind}  {_elapsed(step, now)}".rstrip()
    notes = step_notes(step)
    if cell_len(f"{head}  {notes}") <= width:
        return [f"{head}  {notes}".rstrip()]
    return [*wrapped(head, width, indent=_BELOW, first=""), *_below(notes, width)]


_BELOW = STEP_INDENT + " " * 4


def _below(text: str, width: int) -> list[str]:
    return wrapped(text, width, indent=_BELOW) if text else []


def name_width(wave: WaveState) -> int:
    """How wide the names of a wave's steps are, in cells."""
    return min(_MAX_NAME_WIDTH, max((cell_len(s.step_id) for s in wave.steps), default=0))


def _elapsed(step: StepState, now: float) -> str:
    if step.start_time is None or step.status is StepStatus.PENDING:
        return ""
    end = step.end_time
    return running_duration((now if end is None else end) - step.start_time)


def manual_lines(manual: Manual, *, width: int) -> list[str]:
    """The instruction of a manual step, readable, and what it asks for."""
    text = instruction_lines(manual.instruction, width - len(_BELOW))
    lines = [(_BELOW + each).rstrip() for each in text]
    if manual.inputs:
        lines.append(f"{_BELOW}It asks for:")
    for each in manual.inputs:
        lines += wrapped(input_text(each), width, indent=f"{_BELOW}  ", first=f"{_BELOW}- ")
    return lines


def instruction_lines(instruction: str, width: int) -> list[str]:
    """Markdown as plain lines of at most `width` cells, with the addresses of its links."""
    # Rich fills what it draws up to the width.
    width = min(width, max(_MOST_WIDTH, *map(len, instruction.split())))
    console = Console(
        file=io.StringIO(), width=max(20, width), color_system=None, force_terminal=False
    )
    with console.capture() as capture:
        console.print(_Instruction(instruction, hyperlinks=False))
    # An entity such as &#27; becomes a control character only here.
    lines = [line for text in capture.get().split("\n") for line in wrapped(text, max(20, width))]
    while lines and not lines[-1]:
        lines.pop()
    return lines


class _Heading(Heading):
    """A heading as a line of its own at the left, as all other text."""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Instruction(Markdown):
    elements = Markdown.elements | {"heading_open": _Heading}


def step_details(step: StepState, *, width: int) -> list[str]:
    """What else is known about a step, each on lines of its own below its row."""
    when = []
    if step.start_time is not None:
        until = "" if step.end_time is None else f", ended {timestamp(step.end_time)[11:]}"
        when.append(f"began {timestamp(step.start_time)}{until}")
    if change := change_text(step.before):
        when.append(f"changed {change}")
    when += [each.text for each in step.reverts]
    outputs = [f"{name} = {_value(value)}" for name, value in step.outputs.items()]
    link = [f"in {step.kind}: {step.link}"] if step.link else []
    lines = [line for text in (*when, *link, *outputs) for line in _below(text, width)]
    return lines + (manual_lines(step.manual, width=width) if step.manual else [])


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def wave_steps(wave: WaveState, *, now: float, width: int) -> list[str]:
    """All steps of a wave in full. `now` is in epoch seconds."""
    names = name_width(wave)
    return [
        line
        for step in wave.steps
        for line in (
            *step_row(step, now=now, width=width, name_width=names),
            *step_details(step, width=width),
        )
    ]


def execution_steps(state: ExecutionState, *, now: float, width: int) -> list[str]:
    """All steps of an execution, below their waves. `now` is in epoch seconds."""
    waves = [wave for wave in state.waves if wave.steps]
    lines = [f"{state.execution_type} of {state.plan_name} {state.status}  {state.execution_id}"]
    if not waves:
        return [*lines, "Its plan has no steps."]
    for wave in waves:
        name = f"{fit(wave.wave_name, width // 2)} ({wave.wave_id})"
        lines += ["", f"{name} {wave.status}  {steps_text(wave.steps)}"]
        lines += wave_steps(wave, now=now, width=width)
    left_out = not_tested_lines(state, indent="")
    return [*lines, *([""] if left_out else []), *left_out]


def not_tested_lines(state: ExecutionState, *, indent: str = "  ") -> list[str]:
    """Which steps this kind of execution left out; nothing if it left out none."""
    names = [f"{wave.wave_id}/{s.step_id}" for wave in state.waves for s in not_tested(wave.steps)]
    if not names:
        return []
    return [f"{indent}{count(len(names), 'step')} NOT_TESTED: {listed(names, shown=5)}"]
