"""What `--json` prints is what the documented schema says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.json_schemas import OUTPUTS, VERSION, schema_document
from cli.render.output import write_json
from tests.cli.executions import CHAIN, begin
from tests.cli.json_outputs import check
from tests.test_documents import COMMAND_LINE, Command

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "json-output.schema.json"


def with_json(command: Command, name: str = "") -> set[str]:
    """The names of the commands that have the option `--json`."""
    found = {name} if "--json" in command.options and name else set()
    for each, sub in command.commands.items():
        found |= with_json(sub, f"{name} {each}".strip())
    return found


def test_every_command_with_json_has_a_schema() -> None:
    assert with_json(COMMAND_LINE) == set(OUTPUTS)


def test_the_document_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert printed.exit_code == 0
    assert DOCUMENT.read_text() == printed.stdout, "make references"
    assert json.loads(printed.stdout)["$id"] == f"urn:drs-waves:json-output:{VERSION}"


def test_checked_plans_and_problems_are_as_documented(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("PlanId: crm\n  Region: x\n")
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    printed = CliRunner().invoke(app, ["validate", *map(str, [*examples, wrong]), "--json"])
    check("validate", printed.stdout)
    *_, refused = json.loads(printed.stdout)
    assert refused["Problems"][0]["Excerpt"] == ["1 | PlanId: crm", "2 |   Region: x"]


def test_an_execution_is_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(begin(CHAIN))
    check("watch", capsys.readouterr().out)


def test_what_may_be_left_out_is_not_required() -> None:
    """A value that is not known is left out, so no key that may have none is required."""
    for name, schema in schema_document()["$defs"].items():
        for key in schema.get("required", []):
            kinds = schema["properties"][key].get("anyOf", [])
            assert {"type": "null"} not in kinds, (name, key)


def test_the_schema_of_plan_files_is_printed_for_editors() -> None:
    printed = json.loads(CliRunner().invoke(app, ["schema", "plan"]).stdout)
    assert printed["$id"] == "urn:drs-waves:plan"
    assert "Route53Record" in printed["$defs"]["Step"]["properties"]
