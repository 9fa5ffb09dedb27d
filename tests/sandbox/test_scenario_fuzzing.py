"""Any input is a valid scenario, or raises ScenarioError with a message."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner
from werkzeug.wrappers import Request

from cli.app import app
from sandbox.http.control import SandboxControl
from sandbox.scenario import SECTIONS, Scenario, ScenarioError, read_scenario
from tests.examples import examples

SERVER = "s-51d6b65c73391918f"
KEYS = st.sampled_from(
    sorted(
        field.alias or name for section in SECTIONS for name, field in section.model_fields.items()
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(
        [SERVER, "us-west-2", "xx-nowhere-1", "123456789012", "drs", "../x", "StartRecovery",
         "ThrottlingException", "delay", "stuck", "P1D", "offset", 10**400, "\ud800", "\x00"]
    )
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | SCALARS, inner, max_size=5),
    max_leaves=15,
)
FAULTS = st.dictionaries(KEYS, SCALARS, max_size=6)
SERVERS = st.dictionaries(KEYS, ANYTHING, max_size=5).map(
    lambda given: {"SourceServerId": SERVER} | given
)
# What the entries of services need at least; other keys are drawn.
ENTRIES: dict[str, dict[str, Any]] = {
    "Functions": {"FunctionName": "promote"},
    "HostedZones": {"ZoneId": "Z1", "Name": "example.com"},
    "Alarms": {"AlarmName": "errors", "States": [{"State": "OK"}]},
    "HttpPaths": {"Path": "/failover"},
}


def entries(given: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw a list of entries with these keys and others."""
    drawn = st.dictionaries(KEYS, ANYTHING, max_size=3).map(lambda more: given | more)
    return st.lists(drawn, max_size=2) | ANYTHING


SCENARIOS = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "SourceServers": st.lists(SERVERS, max_size=2) | ANYTHING,
        "Faults": st.lists(FAULTS, max_size=2) | ANYTHING,
        "Quotas": st.dictionaries(KEYS, SCALARS, max_size=3) | ANYTHING,
        "Seed": SCALARS,
        "TimestampForm": SCALARS,
        **{key: entries(given) for key, given in ENTRIES.items()},
    },
)


def read_or_refused(text: str) -> Scenario | None:
    """Return the scenario if it is valid. Every error message can be printed."""
    try:
        return read_scenario(text)
    except ScenarioError as error:
        refusal = str(error)
    assert refusal.encode()
    return None


@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"%@`#?<~ \n\tab01", max_size=60))
@example("[" * 5000)
@example("{a: " * 5000)
@example("&a [*a]")
@example("? [a]\n: b")
@example("? {a: b}\n: c")
@example("Seed: 2024-99-99")
@example("Seed: 0x" + "f" * 5000)
@example("Seed: " + "9" * 5000)
@example("Seed: !!python/object:os.system {}")
@example("Seed: !!binary x")
@example("Seed: .nan")
@example("\x00")
@example("\ud800")
@example("SourceServers: [{SourceServerId: " + SERVER + ", AccountId: " + "9" * 4000 + "}]")
@example("SourceServers: [{SourceServerId: " + SERVER + ", AccountId: -1}]")
@examples(80)
def test_any_invalid_text_is_rejected_with_a_message(text: str) -> None:
    read_or_refused(text)


@given(SCENARIOS)
@example({"Faults": [{"Service": "../drs", "Operation": "x", "Error": "X"}]})
@example({"Faults": [{"Service": "", "Operation": "x", "Error": "X"}]})
@example({"Faults": [{"Service": "drs", "Operation": "*", "Effect": "delay", "Seconds": 1e999}]})
@examples(80)
def test_any_invalid_structure_is_rejected_with_a_message(value: Any) -> None:
    try:
        text = yaml.safe_dump(value)
    except (yaml.YAMLError, ValueError, UnicodeError):
        return
    scenario = read_or_refused(text)
    if scenario is None:
        return
    with suppress(ScenarioError):
        SandboxControl().apply(scenario)


@given(SCENARIOS | st.binary())
@examples(40)
def test_the_control_returns_200_or_400_for_any_scenario(value: Any) -> None:
    body = value
    if not isinstance(value, bytes):
        try:
            body = yaml.safe_dump(value).encode()
        except (yaml.YAMLError, ValueError):
            return
    request = Request.from_values("/_sandbox/scenario", method="POST", data=body)
    assert SandboxControl().respond(request).status_code in (200, 400)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"[" * 5000, b"{", b"Seed: 2024-99-99", b"\x00", b"Seed: " + b"9" * 5000],
    ids=["no text", "deep", "broken", "no date", "binary", "huge"],
)
def test_the_command_line_rejects_an_invalid_scenario(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.scenario.yaml"
    path.write_bytes(content)
    plan = Path(__file__).parents[2] / "examples" / "crm.yaml"
    result = CliRunner().invoke(app, ["sandbox", "run", str(plan), "--scenario", str(path)])
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert path.name in result.stderr
