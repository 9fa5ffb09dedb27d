"""`register`: what it shows, asks and stores, its exit codes."""

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
    """Register without a terminal to ask on."""
    return runner.invoke(app, ["register", *map(str, words)])


def changed(tmp_path: Path, before: str, after: str) -> Path:
    """The plan crm with another text."""
    file = tmp_path / "crm.yaml"
    text = CRM.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return file


def test_plans_are_kept_as_versions_of_the_user_who_registers_them(table: PlanTable) -> None:
    first = register(CRM, DIAMOND)
    assert first.exit_code == 0, first.output
    crm, diamond = first.stdout.splitlines()
    assert crm.startswith("crm: version 1 is registered (3 waves, 6 servers; ")
    assert diamond.startswith("diamond: version 1 is registered (")
    assert {v.author for v in asyncio.run(table.latest())} == {whoami()}


def test_a_plan_that_is_kept_already_is_left_alone(table: PlanTable) -> None:
    register(CRM)
    again = register(CRM)
    assert again.exit_code == 0
    assert f"crm: version 1 is unchanged, registered by {whoami()}" in again.stdout


def test_json_has_each_version_and_whether_it_is_new(table: PlanTable, tmp_path: Path) -> None:
    register(CRM)
    other = changed(tmp_path, "RTO: 60", "RTO: 90")
    versions = json.loads(register(CRM, other, "--yes", "--json").stdout)
    assert [(v["PlanId"], v["Version"], v["IsNew"]) for v in versions] == [
        ("crm", 1, False),
        ("crm", 2, True),
    ]
    assert versions[1]["Author"] == whoami()
    assert versions[1]["Differences"] == ["~ plan: RTO 60 → 90"]


def test_a_changed_plan_shows_the_difference_and_without_a_yes_nothing_is_stored(
    table: PlanTable, tmp_path: Path
) -> None:
    register(CRM)
    other = changed(tmp_path, "RTO: 60", "RTO: 90")
    refused = register(other)
    assert refused.exit_code == 2
    assert "crm: changes since version 1:\n  ~ plan: RTO 60 → 90" in refused.stderr
    assert "Pass --yes" in refused.stderr
    assert [v.version for v in asyncio.run(table.versions("crm"))] == [1]
    assert register(other, "--yes").exit_code == 0
    assert [v.version for v in asyncio.run(table.versions("crm"))] == [2, 1]


def test_a_change_of_a_key_that_the_hash_leaves_out_is_a_new_version(
    table: PlanTable, tmp_path: Path
) -> None:
    register(CRM)
    other = changed(tmp_path, "RTO: 60", "RTO: 60\nNotify: [{Channel: pager}]")
    assert "Notify" in register(other, "--yes").stderr
    newest = asyncio.run(table.plan("crm"))
    assert newest is not None
    assert [each.channel for each in newest.plan.notify] == ["pager"]


def test_a_dry_run_stores_nothing_and_says_by_its_exit_code_if_asked_that_it_would(
    table: PlanTable,
) -> None:
    assert register(CRM, "--dry-run").exit_code == 0
    added = register(CRM, "--dry-run", "--detailed-exit-code")
    assert (added.exit_code, added.stdout) == (1, "crm: ADDED\n")
    assert asyncio.run(table.latest()) == []
    register(CRM)
    assert register(CRM, "--dry-run", "--detailed-exit-code").exit_code == 0


def test_the_commit_and_its_author_are_recorded_as_they_are_given(table: PlanTable) -> None:
    register(CRM, "--commit", "4f5e6d7", "--author", "ada@example.com")
    (version,) = asyncio.run(table.latest())
    assert version.by == f"{whoami()}, commit 4f5e6d7 by ada@example.com"
    assert version.authors == {whoami(), "ada@example.com"}
    assert version.source is None


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
    for part in ("PLAN...", "--json", "If one file is wrong, none is stored", "Exit codes:"):
        assert part in " ".join(help_text.split())
