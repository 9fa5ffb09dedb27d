"""The panel of the selected wave: its steps, its servers, its jobs, its controls."""

import time

from api.auth.tokens import Principal
from api.endpoints.execution_state import jobs
from api.pages.dialogs import Dialog
from api.pages.execution.controls import controls
from api.pages.execution.wave_view import awaits_acceptance
from api.pages.rendering import render
from api.pages.steps.step_view import StepQuestion, StepsView, StepView
from api.problems import problem_of
from api.service import ExecutionService
from contract.identifiers import wave_workflow_id
from recovery.execution.progress import (
    SYMBOLS,
    attempt_text,
    detail,
    operator_decisions,
    unverified,
)
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState
from recovery.forecast.remaining import expected_seconds


def wave_panel(
    service: ExecutionService, state: ExecutionState, wave_id: str | None, user: Principal
) -> str:
    """Render the panel of the selected wave, or a hint if no wave is selected."""
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    if wave is None:
        return render("panel", wave=None)
    workflow_id = wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)
    names = {each.wave_id: each.wave_name for each in state.waves}
    possible = controls(state, user, wave)
    views = [
        StepView(step, tuple(c for c in possible if c.step_id == step.step_id))
        for step in wave.steps
    ]
    return render(
        "panel",
        wave=wave,
        symbol=SYMBOLS[wave.status],
        reason=detail(wave),
        is_earlier=awaits_acceptance(wave),
        attempts=[attempt_text(each) for each in wave.attempts],
        decided=operator_decisions(wave),
        unverified=unverified(wave),
        expected=expected_seconds(wave, state.speed),
        after=[names.get(each, each) for each in wave.depends_on],
        before=[each.wave_name for each in state.waves if wave.wave_id in each.depends_on],
        servers=[(server, _verified_word(server)) for server in wave.servers],
        steps=StepsView.of(wave.steps),
        step_rows=[
            (view, StepQuestion.of(state, wave, view) if view.step.awaits_operator else None)
            for view in views
        ],
        now=time.time(),
        controls=[control for control in possible if control.step_id is None],
        link=service.web_ui_link(workflow_id) if wave.attempt else None,
    )


def job_log_dialog(
    service: ExecutionService, user: Principal, state: ExecutionState, wave_id: str
) -> Dialog:
    """The dialog with the DRS job logs of a wave; it opens at once and loads the logs then."""
    names = {wave.wave_id: wave.wave_name for wave in state.waves}

    async def load_details() -> str:
        try:
            found = await jobs(service, user, state.execution_id, wave_id)
        except Exception as error:
            return render("job_log", logs=[], error=problem_of(error).detail)
        return render("job_log", logs=found.jobs, error="")

    name = names.get(wave_id, wave_id)
    return Dialog(render("job_log_dialog", name=name), None, load_details)


def _verified_word(server: ServerResult) -> str:
    """The result of the instance check of a server; never empty for a LAUNCHED server."""
    if server.launch_status is not LaunchStatus.LAUNCHED:
        return ""
    checking = "not checked yet" if server.is_recorded_up else "checking"
    return str(server.verified or checking)
