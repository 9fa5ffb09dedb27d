"""How the product is laid out: folders to take in at a glance, and a test for each module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_PACKAGES = (
    "activities", "api", "aws", "cli", "client", "contract", "recovery", "runtime", "sandbox",
    "security", "storage", "workflows",
)  # fmt: skip
FOLDERS = sorted(
    found.parent.relative_to(ROOT).as_posix()
    for package in _PACKAGES
    for found in (ROOT / package).rglob("__init__.py")
)
_MOST_MODULES = 12
_LONGEST_CLASS = 300


def modules(folder: str) -> list[Path]:
    """The modules right in a folder, without those below it."""
    return sorted(f for f in (ROOT / folder).glob("*.py") if f.name != "__init__.py")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_at_most_a_dozen_modules(folder: str) -> None:
    assert len(modules(folder)) <= _MOST_MODULES


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_module_has_a_test_of_its_name_or_its_package_says_where(folder: str) -> None:
    text = (ROOT / folder / "__init__.py").read_text()
    said = re.findall(r"tests/[\w/]+(?:\.py)?", ast.get_docstring(ast.parse(text)) or "")
    missing = [place for place in said if not (ROOT / place).exists()]
    assert not missing
    alone = [
        module.name
        for module in modules(folder)
        if not (ROOT / "tests" / folder / f"test_{module.name}").exists()
    ]
    assert said or not alone


def test_no_class_of_the_workflows_is_longer_than_300_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / "workflows").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and (node.end_lineno or node.lineno) - node.lineno >= _LONGEST_CLASS
    ]
    assert not long


def test_sessions_of_aws_are_made_in_four_places_only() -> None:
    # Targets go through the worker's allow-list in aws/sessions.py; our tables, the audit log, and
    # the queues of launch results are no target.
    made = re.compile(r"checked_session\(|boto3\.(client|resource|Session\(botocore)")
    places = {
        path.relative_to(ROOT).as_posix()
        for package in _PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if package != "sandbox" and made.search(path.read_text())
    }
    assert places == {
        "aws/cloudwatch_logs.py",
        "aws/drs/launch_events.py",
        "aws/sessions.py",
        "storage/dynamodb.py",
    }
