"""A wave as readable Markdown, for the Web UI's current details."""

from collections.abc import Iterable, Sequence

from recovery.execution.wave import WaveState
from recovery.steps.progress import input_text, step_notes
from recovery.steps.state import StepState
from recovery.text_format import visible

_ROWS = 100


def wave_details(wave: WaveState) -> str:
    """The wave as tables of its servers and its steps, with the instruction of one that waits."""
    parts = [f"**{wave.wave_name}: {wave.status}** {wave.status_reason}"]
    if wave.servers:
        heading = ("server", "launch", "verified", "instance", "job", "reason")
        parts.append(_table(heading, (_server_row(wave, n) for n in range(len(wave.servers)))))
    if wave.steps:
        heading = ("step", "kind", "status", "notes", "outputs", "link")
        parts.append(_table(heading, map(_step_row, wave.steps)))
    for step in wave.steps_under_way:
        if step.manual is not None:
            asked = "\n".join(f"- {input_text(each)}" for each in step.manual.inputs)
            parts += [f"**{step.step_id} waits for an operator:**", step.manual.instruction, asked]
    return "\n\n".join(part for part in parts if part)


def _server_row(wave: WaveState, number: int) -> Sequence[object]:
    server = wave.servers[number]
    return (
        wave.server_label(server.source_server_id),
        server.launch_status,
        server.verified or "",
        server.recovery_instance_id or "",
        server.recovery_job_id or "",
        server.reason or "",
    )


def _step_row(step: StepState) -> Sequence[object]:
    outputs = ", ".join(f"{name} = {value}" for name, value in step.outputs.items())
    return step.step_id, step.kind, step.status, step_notes(step), outputs[:200], step.link


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [_line(heading), _line(["---"] * len(heading))]
    return "\n".join([*lines, *(_line(row) for row, _ in zip(rows, range(_ROWS), strict=False))])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(visible(str(each)).replace("|", "\\|") for each in cells) + " |"
