"""The panel of the selected wave: its servers, its jobs, its controls."""

from api.auth.tokens import Principal
from api.pages.execution.controls import controls
from api.pages.rendering import render
from api.service import ExecutionService, web_ui_link
from contract.identifiers import wave_workflow_id
from recovery.execution.progress import SYMBOLS, detail, operator_decisions, unverified
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS


def wave_panel(
    service: ExecutionService,
    state: ExecutionState,
    wave_id: str | None,
    user: Principal,
    *,
    namespace: str | None,
) -> str:
    """Render the panel of the selected wave, or a hint if no wave is selected.

    Args:
        service: has the address of Temporal's Web UI.
        state: the state of the execution.
        wave_id: the selected wave.
        user: the user of the page.
        namespace: the Temporal namespace; None while it is not known.
    """
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    if wave is None:
        return render("panel", wave=None)
    names = {each.wave_id: each.wave_name for each in state.waves}
    return render(
        "panel",
        wave=wave,
        symbol=SYMBOLS[wave.status],
        reason=detail(wave),
        decided=operator_decisions(wave),
        unverified=unverified(wave),
        expected=(wave.expected_seconds or DEFAULT_SERVER_SECONDS) / state.speed,
        after=[names.get(each, each) for each in wave.depends_on],
        before=[each.wave_name for each in state.waves if wave.wave_id in each.depends_on],
        servers=[(server, verified_word(server)) for server in wave.servers],
        controls=controls(state, user, wave),
        link=_link(service, state, wave, namespace),
    )


def verified_word(server: ServerResult) -> str:
    """The result of the instance check of a server; never empty for a LAUNCHED server."""
    if server.launch_status is not LaunchStatus.LAUNCHED:
        return str(server.verified or "")
    return {None: "checking", Verified.YES: "YES"}.get(server.verified, str(server.verified))


def _link(
    service: ExecutionService, state: ExecutionState, wave: WaveState, namespace: str | None
) -> str | None:
    """The URL of the workflow of the wave's attempt in the Web UI."""
    if namespace is None or not wave.attempt:
        return None
    workflow_id = wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)
    return web_ui_link(service.settings, namespace, workflow_id)
