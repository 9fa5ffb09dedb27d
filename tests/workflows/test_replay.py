"""The workflows of today follow the histories of earlier ones, whatever the hash seed."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from temporalio.contrib.opentelemetry import TracingInterceptor

from runtime.worker import WORKFLOWS
from tests.workflows.recorded_kinds import KINDS, PER_TYPE
from tests.workflows.replay import HISTORIES, replay

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("seed", "how"),
    [
        pytest.param("0", "sandboxed", marks=pytest.mark.slow),
        # Another order of sets needs no sandbox, without which replays take a quarter of the time.
        ("4711", "unsandboxed"),
    ],
)
def test_recorded_histories_replay(seed: str, how: str) -> None:
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


def test_each_workflow_and_each_kind_of_run_is_recorded_and_few_of_a_kind() -> None:
    kept = Counter(
        (path.parent.name, path.name.partition("-")[0]) for path in HISTORIES.rglob("*.json.gz")
    )
    assert {kind for kind, _ in kept} == set(KINDS), "`make histories` records what is missing"
    assert {workflow for _, workflow in kept} == {each.__name__ for each in WORKFLOWS}
    assert max(kept.values()) <= PER_TYPE


async def test_a_history_that_does_not_replay_is_reported(tmp_path: Path) -> None:
    recorded = next(iter(sorted(HISTORIES.rglob("RecoveryPlanWorkflow-*.json.gz"))))
    with gzip.open(recorded, "rt") as file:
        history = json.load(file)
    for event in history["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled is not None:
            scheduled["activityType"]["name"] = "another"
    with gzip.open(tmp_path / "altered.json.gz", "wt") as file:
        json.dump(history, file)
    assert len(await replay(tmp_path)) == 1


async def test_workers_that_send_traces_follow_the_histories_of_those_that_do_not() -> None:
    tracing = TracingInterceptor(TracerProvider().get_tracer("test"))
    some = next(iter(sorted(HISTORIES.glob("*/WaveWorkflow-*.json.gz")))).parent
    assert await replay(some, interceptors=[tracing]) == []
