"""When the API is lost, every command that steers says how to go on without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.app import app
from recovery.operator.messages import MessageName
from settings import get_settings
from tests.client.remote.conftest import no_keyring

__all__ = ["no_keyring"]

DIRECT = "`unset DRS_WAVES_API_URL` and repeat the command"
SIGNED = "repeat it with `--break-glass REASON --key FILE`"
OTHERS = [
    "cancel crm", "status crm", "executions", "plans", "decisions", "history crm",
    "notify sent crm",
]  # fmt: skip


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


@pytest.mark.parametrize("name", MessageName)
def test_a_command_that_sends_a_message_names_both_ways_without_the_api(name: MessageName) -> None:
    command = get_command(app).get_command(None, name)  # type: ignore[attr-defined]
    needed = [each.name for each in command.params if each.required]
    values = {"plan": "crm", "job_id": "drsjob-0123456789abcdef0"}
    text = said([name, *(values.get(each, "web") for each in needed)])
    assert DIRECT in text
    assert SIGNED in text


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_that_signs_nothing_names_the_direct_way(command: str) -> None:
    text = said(command.split())
    assert DIRECT in text
    assert SIGNED not in text


def test_a_clean_up_can_be_signed_too() -> None:
    assert SIGNED in said(["cleanup", "crm"])
