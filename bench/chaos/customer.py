"""A customer's own workers, for `Workflow` steps: on one task queue always, on another rarely."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

QUEUE = "customer"
RARE_QUEUE = "customer-rare"
ABSENT_QUEUE = "customer-absent"
_PRESENT_SECONDS = 10.0
_AWAY_SECONDS = 15.0


@workflow.defn(dynamic=True)
class AnyWorkflow:
    """Runs workflows of all types, each named after its step."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> dict[str, Any]:
        """Take a while, then return or fail, as the input says."""
        given = workflow.payload_converter().from_payload(args[0].payload, dict)
        await asyncio.sleep(given["Seconds"])
        if given["Fails"]:
            raise ApplicationError("no quorum", non_retryable=True)
        return {"Made": workflow.info().workflow_type}


async def run_customer_workers(address: str) -> None:
    """Run the workers until cancelled."""
    # Payloads of another process in another language: without the product's converter.
    client = await Client.connect(address)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_worker(client, QUEUE))
        while True:
            async with _worker(client, RARE_QUEUE):
                await asyncio.sleep(_PRESENT_SECONDS)
            await asyncio.sleep(_AWAY_SECONDS)


def _worker(client: Client, task_queue: str) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[AnyWorkflow],
        graceful_shutdown_timeout=timedelta(seconds=1),
    )
