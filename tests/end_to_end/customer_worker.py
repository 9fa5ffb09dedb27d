"""A customer's own worker, which knows nothing of drs-waves: it runs a workflow of its own."""

import asyncio
import os
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "search-team"


@workflow.defn(name="Rebuild")
class Rebuild:
    """Rebuilds an index."""

    @workflow.run
    async def run(self, what: dict[str, Any]) -> dict[str, Any]:
        """Rebuild it; which one it was."""
        return {"Rebuilt": what["Index"]}


async def main() -> None:
    """Serve until the process ends."""
    address, namespace = os.environ["TEMPORAL_ADDRESS"], os.environ["TEMPORAL_NAMESPACE"]
    client = await Client.connect(address, namespace=namespace)
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Rebuild]):
        print("worker is ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
