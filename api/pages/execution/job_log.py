"""The dialog with the DRS job logs of a wave, read on request."""

from api.auth.tokens import Principal
from api.endpoints.execution_state import jobs
from api.pages.dialogs import Dialog
from api.pages.rendering import render
from api.problems import problem_of
from api.service import ExecutionService
from recovery.execution.state import ExecutionState


def job_log_dialog(
    service: ExecutionService, user: Principal, state: ExecutionState, wave_id: str
) -> Dialog:
    """The dialog; it opens at once and loads the logs then."""
    names = {wave.wave_id: wave.wave_name for wave in state.waves}

    async def load_details() -> str:
        try:
            found = await jobs(service, user, state.execution_id, wave_id)
        except Exception as error:
            return render("job_log", logs=[], error=problem_of(error).detail)
        return render("job_log", logs=found.jobs, error="")

    name = names.get(wave_id, wave_id)
    return Dialog(render("job_log_dialog", name=name), None, load_details)
