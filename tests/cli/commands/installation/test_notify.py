"""`notify channels` and `notify test`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from settings import get_settings
from tests.activities.notify.receiver import Receiver, receiver


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Receiver]:
    """A receiver, and a file of channels that lead to it."""
    with receiver() as state:
        file = tmp_path / "channels.yaml"
        secret = {"Env": "CHANNEL_SECRET"}
        pager = {"RoutingKey": secret, "Endpoint": f"{state.url}/v2/enqueue"}
        hook = {"Url": f"{state.url}/hook", "Secret": secret}
        channels = [
            {"Name": "on-call", "PagerDuty": pager},
            {"Name": "team", "WebHook": hook, "Default": False, "Events": ["WAVE_UP"]},
        ]
        file.write_text(yaml.safe_dump({"Channels": channels}))
        monkeypatch.setenv("DRS_WAVES_NOTIFY_FILE", str(file))
        monkeypatch.setenv("CHANNEL_SECRET", "s3cret-key")
        # Loopback is refused unless AWS is on this machine too.
        monkeypatch.setenv("AWS_ENDPOINT_URL", state.url)
        get_settings.cache_clear()
        yield state
        get_settings.cache_clear()


def notify(*words: str) -> Result:
    return CliRunner().invoke(app, ["notify", *words])


def test_a_test_message_goes_to_each_channel(http: Receiver) -> None:
    http.statuses = [202]
    result = notify("test")
    assert result.exit_code == 0
    assert result.stdout.count("delivered") == 2
    paths = {path: json.loads(body) for path, _, body in http.requests}
    assert paths["/v2/enqueue"]["event_action"] == "trigger"
    assert paths["/v2/enqueue"]["payload"]["severity"] == "info"
    assert paths["/hook"]["Items"][0]["EventKind"] == "TEST"
    assert "s3cret-key" not in result.output


def test_a_channel_that_fails_is_named_with_the_reason(http: Receiver) -> None:
    http.statuses = [403]
    result = notify("test", "team")
    assert result.exit_code == 1
    assert "team     WebHook  FAILED" in result.stdout
    assert "the receiver answered HTTP 403" in result.stdout
    assert len(http.requests) == 1
    (tested,) = json.loads(notify("test", "team", "--json").stdout)
    assert (tested["Delivered"], tested["Channel"]) == (False, "team")


def test_the_channels_are_listed_with_what_goes_to_them(http: Receiver) -> None:
    pager, team = json.loads(notify("channels", "--json").stdout)
    assert pager["Drill"] == ["BREAK_GLASS"]
    assert "DECISION_NEEDED" in pager["Recovery"]
    assert (team["Recovery"], team["Default"]) == (["WAVE_UP", "BREAK_GLASS"], False)
    text = notify("channels").stdout
    assert "on-call (PagerDuty), of every plan" in text
    assert "FINISHED (FAILED only)" in text
    assert http.requests == []


@pytest.mark.parametrize("words", [("test", "nobody"), ("test",), ("channels",)])
def test_what_is_not_there_is_said(
    http: Receiver, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(words) == 1:
        monkeypatch.delenv("DRS_WAVES_NOTIFY_FILE")
        get_settings.cache_clear()
    result = notify(*words)
    assert result.exit_code == 2
    expected = "the channels are on-call, team" if len(words) == 2 else "DRS_WAVES_NOTIFY_FILE"
    assert expected in result.stderr
