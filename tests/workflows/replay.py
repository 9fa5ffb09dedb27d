"""Replays recorded histories; run as a module, so that each hash seed gets a process."""

import asyncio
import gzip
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Interceptor, Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from runtime.worker import WORKFLOWS

HISTORIES = Path(__file__).parent / "histories"


async def replay(
    folder: Path,
    *,
    runner: WorkflowRunner | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> list[str]:
    """Replay the histories below a folder.

    Args:
        folder: where they are.
        runner: what runs the workflows; default: in the SDK's sandbox, which loads them each time.
        interceptors: what workers have beside ours.

    Returns:
        A line for each that the workflows of today do not follow.
    """
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=runner or SandboxedWorkflowRunner(),
        interceptors=interceptors,
        # Without it, a task that a busy machine handles for over two seconds counts as failed.
        debug_mode=True,
    )
    failures = []
    for path in sorted(folder.rglob("*.json.gz")):
        with gzip.open(path, "rt") as file:
            history = WorkflowHistory.from_json(path.stem, file.read())
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            failures.append(f"{path.relative_to(folder)}: {result.replay_failure}")
    return failures


if __name__ == "__main__":
    runner = UnsandboxedWorkflowRunner() if "unsandboxed" in sys.argv else None
    failures = asyncio.run(replay(HISTORIES, runner=runner))
    print("\n".join(failures), flush=True)
    # A process in which the SDK's core has run now and then crashes when the interpreter ends.
    os._exit(bool(failures))
