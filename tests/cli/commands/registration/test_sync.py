"""`register --sync`: a directory of plans registers by one command that may be repeated."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from settings import get_settings
from storage.plans import PlanTable
from tests.aws_in_process import LocalAws, aws

runner = CliRunner()
__all__ = ["aws"]
_PLAN = """\
PlanId: {id}
PlanName: {name}
Region: us-west-2
Waves:
  - WaveId: db
    ServerIds: [s-3a1f0c5d7e9b2468a]
"""


@pytest.fixture(autouse=True)
def _fresh_settings(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def table(aws: LocalAws) -> PlanTable:
    """The plan table, and nothing in it."""
    table = PlanTable(get_settings())
    asyncio.run(table.create())
    return table


def write(directory: Path, plan_id: str, name: str = "One") -> Path:
    """Write a plan into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{plan_id}.yaml"
    file.write_text(_PLAN.format(id=plan_id, name=name))
    return file


def sync(directory: Path, *words: str) -> Result:
    return runner.invoke(app, ["register", "--sync", str(directory), *words])


def changes(result: Result) -> dict[str, str]:
    """What a report says of each plan."""
    assert result.exit_code in (0, 1), result.output
    return {each["PlanId"]: each["Change"] for each in json.loads(result.stdout)["Plans"]}


def test_a_directory_is_registered_and_then_left_alone(table: PlanTable, tmp_path: Path) -> None:
    write(tmp_path / "plans", "crm")
    write(tmp_path / "plans" / "shop", "shop")
    write(tmp_path / "plans" / ".hidden", "hidden")
    assert changes(sync(tmp_path / "plans", "--json")) == {"crm": "ADDED", "shop": "ADDED"}
    again = sync(tmp_path / "plans", "--json")
    assert changes(again) == {"crm": "UNCHANGED", "shop": "UNCHANGED"}
    assert (json.loads(again.stdout)["Unchanged"], json.loads(again.stdout)["Added"]) == (2, 0)
    assert [v.version for v in asyncio.run(table.latest())] == [1, 1]


def test_a_changed_plan_is_registered_without_a_question(table: PlanTable, tmp_path: Path) -> None:
    write(tmp_path, "crm")
    sync(tmp_path)
    write(tmp_path, "crm", "Two")
    changed = sync(tmp_path)
    assert changed.exit_code == 0
    assert "~ crm" in changed.stderr
    assert "PlanName One → Two" in changed.stderr
    assert "0 added, 1 changed, 0 unchanged, 0 removed" in changed.stdout
    assert [v.version for v in asyncio.run(table.latest())] == [2]


def test_a_dry_run_says_what_would_change_and_writes_nothing(
    table: PlanTable, tmp_path: Path
) -> None:
    write(tmp_path, "crm")
    dry = sync(tmp_path, "--dry-run", "--json")
    assert (dry.exit_code, changes(dry)) == (0, {"crm": "ADDED"})
    assert sync(tmp_path, "--dry-run", "--detailed-exit-code").exit_code == 1
    assert asyncio.run(table.latest()) == []
    sync(tmp_path)
    assert sync(tmp_path, "--dry-run", "--detailed-exit-code").exit_code == 0


def test_what_a_directory_no_longer_has_is_removed_with_prune_alone(
    table: PlanTable, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(theirs, "theirs")
    write(ours, "crm")
    gone = write(ours, "gone")
    sync(theirs)
    sync(ours)
    runner.invoke(app, ["register", str(write(tmp_path, "by-hand"))])
    gone.unlink()
    assert changes(sync(ours, "--json")) == {"crm": "UNCHANGED"}
    dry = sync(ours, "--prune", "--dry-run", "--json")
    assert changes(dry) == {"crm": "UNCHANGED", "gone": "REMOVED"}
    assert len(asyncio.run(table.latest())) == 4
    assert changes(sync(ours, "--prune", "--json"))["gone"] == "REMOVED"
    assert [v.plan_id for v in asyncio.run(table.latest())] == ["by-hand", "crm", "theirs"]
    # Its versions are kept.
    kept = asyncio.run(table.plan("gone"))
    assert kept is not None
    assert kept.version.is_removed
    assert changes(sync(ours, "--prune", "--json")) == {"crm": "UNCHANGED"}


def test_a_removed_plan_that_comes_back_is_registered_again(
    table: PlanTable, tmp_path: Path
) -> None:
    write(tmp_path, "crm")
    gone = write(tmp_path, "gone")
    sync(tmp_path)
    gone.unlink()
    sync(tmp_path, "--prune")
    write(tmp_path, "gone")
    assert changes(sync(tmp_path, "--json"))["gone"] == "ADDED"
    assert {v.plan_id: v.version for v in asyncio.run(table.latest())} == {"crm": 1, "gone": 2}


def test_a_plan_that_moved_to_another_directory_is_not_removed_by_the_old_one(
    table: PlanTable, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(old, "crm")
    moved = write(old, "moved")
    sync(old)
    moved.unlink()
    write(new, "moved")
    assert changes(sync(new, "--json")) == {"moved": "CHANGED"}
    assert changes(sync(old, "--prune", "--json")) == {"crm": "UNCHANGED"}


def test_nothing_is_written_if_one_file_is_wrong_or_two_have_the_same_id(
    table: PlanTable, tmp_path: Path
) -> None:
    write(tmp_path, "crm")
    (tmp_path / "zz.yaml").write_text("PlanId: zz\nWaves: []\n")
    assert sync(tmp_path).exit_code == 2
    (tmp_path / "zz.yaml").write_text(_PLAN.format(id="crm", name="Two"))
    twice = sync(tmp_path)
    assert twice.exit_code == 2
    assert "is already that of" in twice.stderr
    assert asyncio.run(table.latest()) == []


def test_an_empty_directory_removes_nothing(table: PlanTable, tmp_path: Path) -> None:
    refused = sync(tmp_path, "--prune")
    assert refused.exit_code == 2
    assert "has no plan file" in refused.stderr


def test_the_source_and_the_commit_are_those_of_the_repository(
    table: PlanTable, tmp_path: Path
) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("remote", "add", "origin", "git@git.example.com:ops/recovery.git")
    write(tmp_path / "plans", "crm")
    git("add", ".")
    git("commit", "--quiet", "--message", "Plans")
    report = json.loads(sync(tmp_path / "plans", "--json").stdout)
    assert report["Source"] == "git.example.com/ops/recovery//plans"
    assert report["Commit"] == git("rev-parse", "HEAD")
    assert report["CommitAuthor"] == "ada@example.com"
    write(tmp_path / "plans", "crm", "Two")
    report = json.loads(sync(tmp_path / "plans", "--json").stdout)
    assert report["Commit"] == f"{git('rev-parse', 'HEAD')}-dirty"


def test_a_pipeline_says_its_commit_and_options_have_precedence(
    table: PlanTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "crm")
    monkeypatch.setenv("CI_COMMIT_SHA", "1" * 40)
    monkeypatch.setenv("CI_COMMIT_AUTHOR", "Bo <bo@example.com>")
    report = json.loads(sync(tmp_path, "--dry-run", "--json").stdout)
    assert (report["Commit"], report["CommitAuthor"]) == ("1" * 40, "Bo <bo@example.com>")
    options = ("--commit", "2", "--author", "ada", "--source", "plans", "--dry-run", "--json")
    report = json.loads(sync(tmp_path, *options).stdout)
    assert (report["Commit"], report["CommitAuthor"], report["Source"]) == ("2", "ada", "plans")


@pytest.mark.parametrize(
    "words", [["--prune"], ["--source", "x"], ["--detailed-exit-code"], ["--sync", "examples", "x"]]
)
def test_options_that_contradict_each_other_are_refused(words: list[str]) -> None:
    assert runner.invoke(app, ["register", *words]).exit_code == 2


@pytest.mark.parametrize("is_directory", [True, False])
def test_a_link_that_hides_plans_removes_none(
    table: PlanTable, tmp_path: Path, is_directory: bool
) -> None:
    plans, elsewhere = tmp_path / "plans", tmp_path / "elsewhere"
    write(plans, "crm")
    moved = write(plans / "team", "shop")
    assert changes(sync(plans, "--json")) == {"crm": "ADDED", "shop": "ADDED"}
    if is_directory:
        moved.parent.rename(elsewhere)
        (plans / "team").symlink_to(elsewhere)
    else:
        moved.unlink()
        moved.symlink_to(elsewhere / "shop.yaml")
    found = sync(plans, "--prune")
    assert found.exit_code == 2
    assert not any(v.is_removed for v in asyncio.run(table.latest(with_removed=True)))


def test_a_link_to_a_plan_file_is_read(table: PlanTable, tmp_path: Path) -> None:
    file = write(tmp_path / "elsewhere", "crm")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "crm.yaml").symlink_to(file)
    assert changes(sync(tmp_path / "plans", "--json")) == {"crm": "ADDED"}
