"""What `coverage` prints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from recovery.coverage.evidence import CoverageEvidence
from recovery.coverage.gaps import Coverage, coverage
from recovery.readiness.failed_read import FailedRead
from tests.cli.json_outputs import check
from tests.recovery.coverage.test_gaps import NOW, listed
from tests.recovery.plans import diamond, server_id

DENIED = FailedRead(action="drs:DescribeSourceServers", error="no", is_denied=True)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Coverage]:
    """What a worker finds: the last element."""
    answers = list[Coverage]()

    async def read() -> Coverage:
        return answers[-1]

    @asynccontextmanager
    async def recoveries() -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(coverage=read)

    monkeypatch.setattr("cli.coverage.command.recoveries", recoveries)
    return answers


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["coverage", *options])


def test_gaps_are_listed_by_kind_and_the_exit_code_is_for_a_pipeline(found: list[Coverage]) -> None:
    targets = [listed(1, 2, 3, 4, 5), listed(failed=DENIED)]
    evidence = CoverageEvidence(targets=targets, plans=[diamond()], drills={})
    found.append(coverage(evidence, now=NOW, notes=["The worker has no allow-list"]))
    result = run()
    assert result.exit_code == 1
    assert "111111111111  us-west-2  UNKNOWN" in result.stdout
    assert "  The worker has no allow-list\n" in result.stdout
    assert "IN_NO_PLAN: source servers in no plan (1)" in result.stdout
    assert f"  - host-5 ({server_id(5)})" in result.stdout
    assert "NEVER_DRILLED: plans that were never drilled (1)" in result.stdout
    assert "DRILL_OVERDUE" not in result.stdout
    assert result.stdout.endswith("5 source servers, 1 registered plan: 3 gaps.\n")


def test_no_gap_is_exit_code_0(found: list[Coverage]) -> None:
    found.append(coverage(CoverageEvidence(targets=[listed()]), now=NOW))
    result = run()
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        0,
        "0 source servers, 0 registered plans: no gap.",
    )


def test_json_and_csv_have_every_gap(found: list[Coverage]) -> None:
    found.append(coverage(CoverageEvidence(targets=[listed(1, 2)]), now=NOW))
    printed = run("--json")
    check("coverage", printed.stdout)
    assert printed.exit_code == 1
    assert printed.stdout.count('"IN_NO_PLAN"') == 2
    assert run("--csv").stdout.count("\nIN_NO_PLAN,") == 2
    assert run("--csv", "--json").exit_code == 2
