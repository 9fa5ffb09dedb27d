"""What `drs-waves watchdog` refuses before it looks; the rest is in tests/end_to_end/."""

import pytest
from typer.testing import CliRunner

from cli.app import app
from runtime.exit import ExitCode
from settings import get_settings


@pytest.mark.parametrize(
    ("options", "variables", "error"),
    [
        (["--json"], {}, "--json needs --once"),
        (["--every", "0.2s"], {}, "--every is at least 1 s"),
        (["--every", "often"], {}, "'often' is not a duration"),
        ([], {"DRS_WAVES_NOTIFY_FILE": "/nonexistent"}, "the file of channels cannot be read"),
        ([], {"DRS_WAVES_NOTIFY": "Channels: 1"}, "write a list"),
        (["--once"], {"DRS_WAVES_WATCHDOG_PING_URL": "http://a.example/key"}, "begins with https"),
    ],
)
def test_wrong_options_and_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, options: list[str], variables: dict[str, str], error: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["watchdog", *options])
    get_settings.cache_clear()
    assert result.exit_code == ExitCode.BAD_INPUT
    assert error in result.stderr
    assert "example/key" not in result.stderr, "the URL is a secret"
