"""The coverage of an installation, read through a worker."""

from temporalio.client import Client

from client.workers import read_on_worker
from contract.readiness import CoverageRequest
from recovery.coverage.gaps import Coverage
from workflows.reads import CoverageWorkflow

_SECONDS = 600.0


async def read_coverage(client: Client) -> Coverage:
    """What registered plans and their drills leave uncovered in all targets of the worker.

    Raises:
        UnreachableError: no worker responded.
    """
    return await read_on_worker(
        client,
        CoverageWorkflow.run,
        CoverageRequest(),
        workflow_id="drs-coverage",
        what="Coverage",
        timeout_seconds=_SECONDS,
    )
