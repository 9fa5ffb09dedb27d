"""`register`: what it stores, what it prints, its exit codes."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from client.local_user import whoami
from settings import get_settings
from storage.plans import PlanTable
from tests.aws_in_process import LocalAws, aws

runner = CliRunner()
__all__ = ["aws"]
CRM = Path("examples/crm.yaml")
DIAMOND = Path("examples/diamond.yaml")


@pytest.fixture(autouse=True)
def _fresh_settings(aws: LocalAws) -> Iterator[None]:
    """The settings of a local AWS."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def table(aws: LocalAws) -> PlanTable:
    """The plan table, and nothing in it."""
    table = PlanTable(get_settings())
    asyncio.run(table.create())
    return table


def register(*words: object) -> Result:
    return runner.invoke(app, ["register", *map(str, words)])


def test_plans_are_kept_as_versions_of_the_user_who_registers_them(table: PlanTable) -> None:
    first = register(CRM, DIAMOND)
    assert first.exit_code == 0, first.output
    crm, diamond = first.stdout.splitlines()
    assert crm.startswith("crm: version 1 is registered (3 waves, 6 servers; ")
    assert diamond.startswith("shop: version 1 is registered (")
    assert {v.author for v in asyncio.run(table.latest())} == {whoami()}


def test_a_plan_that_is_kept_already_is_left_alone(table: PlanTable) -> None:
    register(CRM)
    again = register(CRM)
    assert again.exit_code == 0
    assert f"crm: version 1 is registered already, by {whoami()} (" in again.stdout


def test_json_has_each_version_and_whether_it_is_new(table: PlanTable, tmp_path: Path) -> None:
    register(CRM)
    changed = tmp_path / "crm.yaml"
    changed.write_text(CRM.read_text().replace("RTO: 60", "RTO: 90"))
    versions = json.loads(register(CRM, changed, "--json").stdout)
    assert [(v["PlanId"], v["Version"], v["IsNew"]) for v in versions] == [
        ("crm", 1, False),
        ("crm", 2, True),
    ]
    assert versions[1]["Author"] == whoami()


def test_nothing_is_kept_if_one_plan_is_wrong(table: PlanTable, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("PlanId: wrong\nWaves: []\n")
    refused = register(CRM, wrong)
    assert refused.exit_code == 2
    assert "wrong.yaml" in refused.stderr
    assert asyncio.run(table.latest()) == []


def test_a_missing_table_is_reported_with_what_to_do(aws: LocalAws) -> None:
    refused = register(CRM)
    assert refused.exit_code == 2
    assert "Create it with `drs-waves init-tables`" in refused.stderr


def test_an_unreachable_dynamodb_ends_with_5(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert register(CRM).exit_code == 5


def test_help_says_what_is_kept() -> None:
    help_text = runner.invoke(app, ["register", "--help"]).stdout
    for part in ("{PLAN}...", "--json", "If one file is wrong, none is stored", "Exit codes:"):
        assert part in " ".join(help_text.split())
