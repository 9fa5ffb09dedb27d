"""What DRS logged of a wave's jobs, read when somebody asks for it."""

from api.auth.tokens import Principal
from api.endpoints.job_logs import jobs
from api.pages.dialogs import Dialog
from api.pages.rendering import render
from api.problems import problem_of
from api.service import House
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState


def show_job_log(house: House, reader: Principal, state: ExecutionState, wave_id: str) -> Dialog:
    """The dialog that shows it.

    Args:
        house: asks the worker.
        reader: who looks.
        state: the execution.
        wave_id: its wave.
    """
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    name = wave.wave_name if wave else wave_id

    async def look() -> str:
        return "" if wave is None else await job_log(house, reader, state, wave)

    return Dialog(render("logs", name=name), None, look)


async def job_log(house: House, reader: Principal, state: ExecutionState, wave: WaveState) -> str:
    """The logs of a wave's jobs, as the worker reads them now."""
    try:
        found = await jobs(house, reader, state.execution_id, wave.wave_id)
    except Exception as error:
        return render("job_log", logs=[], error=problem_of(error).detail)
    return render("job_log", logs=found.jobs, error="")
