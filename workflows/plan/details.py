"""An execution as readable Markdown, for the Web UI's current details."""

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.steps.progress import steps_text

_ROWS = 100


def plan_details(state: ExecutionState) -> str:
    """The execution as a table of its waves; of many waves, the open ones come first."""
    waves = state.waves
    if len(waves) > _ROWS:
        waves = sorted(waves, key=lambda wave: wave.status.is_settled)[:_ROWS]
    more = len(state.waves) - len(waves)
    head = (
        f"**{state.execution_type} of {state.plan_name}: {state.status}** {state.status_reason}\n\n"
        + "".join(f"Warning: {each}\n\n" for each in state.warnings)
        + "| wave | status | servers | reason |\n|---|---|---|---|"
    )
    rows = [_row(wave) for wave in waves]
    return "\n".join([head, *rows, *([f"\n…and {more} more waves"] if more else [])])


def _row(wave: WaveState) -> str:
    reason = wave.status_reason.replace("|", "\\|")
    up = [f"{wave.launched_count}/{len(wave.servers)}"] if wave.servers else []
    up += [steps_text(wave.steps)] if wave.steps else []
    return f"| {wave.wave_name} | {wave.status} | {', '.join(up)} | {reason} |"
