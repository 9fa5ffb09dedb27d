"""A Region with a slip in it: point 13 of issue 14."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from tests.cli.executions import server_id

runner = CliRunner()


@pytest.mark.xfail(strict=True, reason="issue 14, point 13: any name of that form is taken")
@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("us-wset-2", "us-west-2"),
        ("eu-centrall-1", "eu-central-1"),
        ("eusc-de-eest-1", "eusc-de-east-1"),
    ],
)
def test_a_region_that_botocore_does_not_know_for_drs_is_warned_of_with_the_nearest(
    tmp_path: Path, written: str, nearest: str
) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(
        f"PlanId: crm\nRegion: {written}\nWaves:\n  - WaveId: db\n    ServerIds: [{server_id(1)}]\n"
    )
    result = runner.invoke(app, ["validate", str(plan)])
    assert result.exit_code == 0
    (warning,) = [each for each in result.stderr.splitlines() if each.startswith("warning: ")]
    assert written in warning
    assert nearest in warning


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1", "us-gov-west-1"])
def test_a_region_that_botocore_knows_for_drs_is_not_warned_of(tmp_path: Path, region: str) -> None:
    plan = tmp_path / "crm.yaml"
    plan.write_text(
        f"PlanId: crm\nRegion: {region}\nWaves:\n  - WaveId: db\n    ServerIds: [{server_id(1)}]\n"
    )
    assert "warning" not in runner.invoke(app, ["validate", str(plan)]).stderr
