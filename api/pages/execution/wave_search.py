"""Finds waves by their names and IDs, and by those of their servers."""

from recovery.base_model import Model
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState

_MAX_FOUND = 50


class FoundWave(Model):
    """A wave that was found; the text says by what."""

    wave_id: str
    text: str


def found_waves(state: ExecutionState, wanted: str) -> list[FoundWave]:
    """The waves with a text in their name or ID, then those with such a server; at most 50."""
    part = wanted.strip().casefold()
    if not part:
        return []
    by_name = [w for w in state.waves if part in f"{w.wave_name}\n{w.wave_id}".casefold()]
    found = [FoundWave(wave_id=w.wave_id, text=w.wave_name) for w in by_name]
    for wave in state.waves:
        servers = [label for label in _servers(wave) if part in label.casefold()]
        if servers and wave not in by_name:
            found.append(FoundWave(wave_id=wave.wave_id, text=f"{servers[0]} in {wave.wave_name}"))
    return found[:_MAX_FOUND]


def _servers(wave: WaveState) -> list[str]:
    return [wave.server_label(server.source_server_id) for server in wave.servers]
