"""The workflows of today follow the histories of earlier ones, whatever the hash seed."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.replay import HISTORIES, replay

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("seed", "how"),
    [
        ("0", "sandboxed"),
        # Another order of sets needs no sandbox, without which replays take a quarter of the time.
        ("4711", "unsandboxed"),
        pytest.param("4711", "large", marks=pytest.mark.slow),
    ],
)
def test_recorded_histories_replay(seed: str, how: str) -> None:
    assert list(HISTORIES.rglob("*.json.gz")), "no histories: `make histories` records them"
    done = subprocess.run(
        [sys.executable, "-m", "tests.workflows.replay", how],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_history_that_does_not_replay_is_reported(tmp_path: Path) -> None:
    recorded = next(iter(sorted(HISTORIES.rglob("RecoveryPlanWorkflow-*.json.gz"))))
    with gzip.open(recorded, "rt") as file:
        history = json.load(file)
    for event in history["events"]:
        told = event.get("activityTaskScheduledEventAttributes")
        if told is not None:
            told["activityType"]["name"] = "another"
    with gzip.open(tmp_path / "altered.json.gz", "wt") as file:
        json.dump(history, file)
    assert len(await replay(tmp_path)) == 1
