"""The dialog with the DRS job logs of a wave, read on request."""

from api.auth.tokens import Principal
from api.endpoints.job_logs import jobs
from api.pages.dialogs import Dialog
from api.pages.rendering import render
from api.problems import problem_of
from api.service import ExecutionService
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState


def job_log_dialog(
    service: ExecutionService, user: Principal, state: ExecutionState, wave_id: str
) -> Dialog:
    """The dialog; it opens at once and loads the logs then.

    Args:
        service: requests the logs from a worker.
        user: the user of the page.
        state: the execution.
        wave_id: the wave.
    """
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    name = wave.wave_name if wave else wave_id

    async def load_details() -> str:
        return "" if wave is None else await job_log(service, user, state, wave)

    return Dialog(render("job_log_dialog", name=name), None, load_details)


async def job_log(
    service: ExecutionService, user: Principal, state: ExecutionState, wave: WaveState
) -> str:
    """Render the job logs of a wave."""
    try:
        found = await jobs(service, user, state.execution_id, wave.wave_id)
    except Exception as error:
        return render("job_log", logs=[], error=problem_of(error).detail)
    return render("job_log", logs=found.jobs, error="")
