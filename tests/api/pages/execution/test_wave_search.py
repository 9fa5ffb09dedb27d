"""A wave is found by what people know of it: its name, or a server of it."""

import pytest

from api.pages.execution.wave_search import found_waves
from tests.cli.executions import DIAMOND, begin, server_id


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("APP", ["App1", "App2"]),
        (" w3 ", ["Web"]),
        (server_id(5), [f"{server_id(5)} in App2"]),
        ("crm-db", [f"crm-db02 ({server_id(1)}) in Database"]),
        ("nothing", []),
        (" ", []),
    ],
)
def test_a_wave_is_found_by_its_name_its_id_or_a_server(wanted: str, found: list[str]) -> None:
    state = begin(DIAMOND)
    state.waves[0].server_names = {server_id(1): "crm-db02"}
    assert [each.text for each in found_waves(state, wanted)] == found
