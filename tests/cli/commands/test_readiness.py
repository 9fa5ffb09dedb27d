"""`readiness`: what it says of a plan that is not there."""

import asyncio

import pytest
from typer.testing import CliRunner

from cli.app import app
from settings import Settings
from storage.plans import PlanTable
from tests.aws_in_process import LocalAws


@pytest.mark.parametrize(
    ("named", "is_file"),
    [("nosuch.yaml", True), ("nosuch", False)],
)
def test_a_plan_file_that_does_not_exist_is_named_as_one(
    aws: LocalAws, named: str, is_file: bool
) -> None:
    assert asyncio.run(PlanTable(Settings()).create())
    result = CliRunner().invoke(app, ["readiness", named])
    assert result.exit_code == 2
    assert ("there is no plan file nosuch.yaml" in result.output) is is_file
    assert "is registered" in result.output


def test_where_no_plan_is_registered_nothing_is_ready(aws: LocalAws) -> None:
    assert asyncio.run(PlanTable(Settings()).create())
    result = CliRunner().invoke(app, ["readiness", "--all"])
    assert result.exit_code == 1
    assert "No plan is registered" in result.output
