"""`drs-waves validate`, and settings, with any input: a message and an exit code."""

import json
import os
import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from cli.app import app
from recovery.plan.model import RecoveryPlan
from runtime.exit import explain
from settings import Settings, is_loopback
from tests.examples import examples
from tests.recovery.plan.file.test_hostile import ANYTHING
from tests.recovery.plans import recovery_plans

runner = CliRunner()
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def assert_validated(path: Path, *options: str) -> None:
    """The command ends with 0 or 2, and names the file that it refuses."""
    result = runner.invoke(app, ["validate", *options, str(path)])
    output = result.stdout + result.stderr
    assert result.exit_code in (0, 2), output
    assert "Traceback" not in output
    if options:
        assert isinstance(json.loads(result.stdout), list)
    elif result.exit_code == 2:
        assert path.name in result.stderr
    assert not _CONTROL.search(output), repr(output)


@given(st.binary(max_size=200), st.sampled_from(["plan.yaml", "plan.json", "plan\x1b[2J.yaml"]))
@example(b"\xef\xbb\xbf", "plan.yaml")
@example(b"\xff\xfe\x00", "plan.yaml")
@example(b"[" * 100_000, "plan.yaml")
@examples(40)
def test_any_bytes_are_refused_with_a_message(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / (name if name.isprintable() else "plan.yaml")
    path.write_bytes(content)
    assert_validated(path)
    assert_validated(path, "--json")


@given(ANYTHING)
@examples(40)
def test_any_structure_is_refused_with_a_message(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(value))
    assert_validated(path)


@given(recovery_plans(), st.data())
@examples(40)
def test_a_plan_with_a_mistake_is_drawn_or_refused(
    tmp_path: Path, plan: RecoveryPlan, data: st.DataObject
) -> None:
    text = yaml.safe_dump(json.loads(plan.model_dump_json()), allow_unicode=True)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 20)) :]
    path = tmp_path / "plan.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    assert_validated(path)
    assert_validated(path, "--json")


# Settings

NAMES = sorted(f"DRS_WAVES_{name.upper()}" for name in Settings.model_fields)
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20
) | st.sampled_from(
    ["1", "0", "-1", "1e999", "nan", "30", "true", "[]", "{}", "9" * 5000, "\x1b[2J", "1_000"]
)
URLS = st.text(string.ascii_letters + "/:.@[]%127?#", max_size=25) | st.sampled_from(
    ["http://127.0.0.1:1", "http://[::1", "http://[x]", "http://[::1]:99999", "//", "http://[v1.a]"]
)
ENDPOINTS = st.sampled_from(["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DRS", "AWS_ENDPOINT_URL_STS"])


@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), st.dictionaries(ENDPOINTS, URLS)
)
@example({"DRS_WAVES_SPEED": "30"}, {"AWS_ENDPOINT_URL": "http://[::1"})
@example({"DRS_WAVES_SPEED": "30"}, {"AWS_ENDPOINT_URL": "http://[x]"})
@examples(100)
def test_any_settings_are_taken_or_refused_by_name(
    variables: dict[str, str], endpoints: dict[str, str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_")):
                patch.delenv(name)
        for name, value in (variables | endpoints).items():
            patch.setenv(name, value)
        try:
            settings = Settings()
        except ValidationError as error:
            explained = explain(error)
            assert explained is not None
            assert explained.code == 2
            assert any(name in str(explained) for name in variables), str(explained)
        else:
            assert settings.scaled_poll_seconds > 0


@given(URLS)
@example("http://[::1")
@example("http://[x]")
def test_any_url_is_on_this_machine_or_not(url: str) -> None:
    assert is_loopback(url) in (True, False)
