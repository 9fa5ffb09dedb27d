"""The chosen wave in full: its servers, its jobs, what can be done about it."""

from api.auth.tokens import Principal
from api.pages.execution.controls import offers
from api.pages.rendering import render
from api.service import House, web_ui_link
from contract.identifiers import wave_workflow_id
from recovery.execution.progress import SYMBOLS, decided, detail, unverified
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS


def wave_panel(
    house: House,
    state: ExecutionState,
    wave_id: str | None,
    reader: Principal,
    *,
    namespace: str | None,
) -> str:
    """The panel of the chosen wave, or what to do to choose one.

    Args:
        house: knows where Temporal's Web UI is.
        state: how the execution stands.
        wave_id: the wave that is chosen.
        reader: who looks.
        namespace: Temporal's namespace; None while that is not known.
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
        decided=decided(wave),
        unverified=unverified(wave),
        expected=(wave.expected_seconds or DEFAULT_SERVER_SECONDS) / state.speed,
        after=[names.get(each, each) for each in wave.depends_on],
        before=[each.wave_name for each in state.waves if wave.wave_id in each.depends_on],
        servers=[(server, verified_word(server)) for server in wave.servers],
        offers=offers(state, reader, wave),
        link=_link(house, state, wave, namespace),
    )


def verified_word(server: ServerResult) -> str:
    """What the look-up of a server's instance said; never nothing where it is LAUNCHED."""
    if server.launch_status is not LaunchStatus.LAUNCHED:
        return str(server.verified or "")
    return {None: "checking", Verified.YES: "YES"}.get(server.verified, str(server.verified))


def _link(
    house: House, state: ExecutionState, wave: WaveState, namespace: str | None
) -> str | None:
    """Where the Web UI shows the workflow of the wave's attempt."""
    if namespace is None or not wave.attempt:
        return None
    workflow_id = wave_workflow_id(state.execution_id, wave.wave_id, wave.attempt)
    return web_ui_link(house.settings, namespace, workflow_id)
