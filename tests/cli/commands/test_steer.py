"""When the API is lost, every command that steers says how to go on without it."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.commands import steer
from settings import get_settings
from tests.client.remote.conftest import no_keyring

__all__ = ["no_keyring"]

DIRECT = "`unset DRS_WAVES_API_URL` and repeat the command"
SIGNED = "repeat it with `--break-glass REASON --key FILE`"
NAMES = [
    name
    for name, each in inspect.getmembers(steer, inspect.isfunction)
    if "plan" in inspect.signature(each).parameters and not name.startswith("_")
]
OTHERS = ["status crm", "executions", "plans", "history crm", "cleanup crm"]


@pytest.fixture(autouse=True)
def _lost_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Nothing listens on this port.
    monkeypatch.setenv("DRS_WAVES_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def said(words: list[str]) -> str:
    """What a command says when the API does not answer."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 5, result.output
    assert "the API at http://127.0.0.1:9 does not answer" in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_steering_command_names_both_ways_without_the_api(name: str) -> None:
    parameters = inspect.signature(getattr(steer, name)).parameters
    more = {"wave": "web", "job_id": "drsjob-0123456789abcdef0"}
    words = [name.removesuffix("_plan"), "crm", *(v for k, v in more.items() if k in parameters)]
    text = said(words)
    assert DIRECT in text
    # A cancellation is not signed.
    assert (SIGNED in text) is (name != "cancel_plan") is ("break_glass" in parameters)


@pytest.mark.parametrize("command", OTHERS)
def test_so_does_what_only_reads(command: str) -> None:
    text = said(command.split())
    assert DIRECT in text
    assert (SIGNED in text) is (command == "cleanup crm")
