"""Replays recorded histories; run as a module, so that each hash seed gets a process."""

import asyncio
import gzip
import math
import os
import sys
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from runtime.worker import WORKFLOWS

HISTORIES = Path(__file__).parent / "histories"


async def replay(folder: Path, *, most_bytes: float = math.inf) -> list[str]:
    """Replay the histories below a folder.

    Args:
        folder: where they are.
        most_bytes: leave out files that are larger.

    Returns:
        A line for each that the workflows of today do not follow.
    """
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    failures = []
    for path in sorted(folder.rglob("*.json.gz")):
        if path.stat().st_size > most_bytes:
            continue
        with gzip.open(path, "rt") as file:
            history = WorkflowHistory.from_json(path.stem, file.read())
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            failures.append(f"{path.relative_to(folder)}: {result.replay_failure}")
    return failures


if __name__ == "__main__":
    told = asyncio.run(
        replay(HISTORIES, most_bytes=float(sys.argv[1]) if sys.argv[1:] else math.inf)
    )
    print("\n".join(told), flush=True)
    # A process in which the SDK's core has run now and then crashes when the interpreter ends.
    os._exit(bool(told))
