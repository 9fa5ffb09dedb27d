"""Reads the snapshots of a plan's servers through a worker, for a point in time or to list them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from client.workers import read_on_worker
from contract.readiness import PlanSnapshots, SnapshotsRequest
from contract.temporal import RPC_TIMEOUT
from recovery.plan.model import RecoveryPlan
from workflows.reads import SnapshotsWorkflow

_MIN_SECONDS = 150.0
# A server needs a call for each page of its snapshots, of which DRS may slow some down.
_SECONDS_PER_SERVER = 1.0
_PROGRESS_SECONDS = 1.0

# Called with how many servers are read.
OnProgress = Callable[[int], None]


def snapshots_seconds(plan: RecoveryPlan) -> float:
    """For how long reading the snapshots of a plan's servers may take."""
    return max(_MIN_SECONDS, _SECONDS_PER_SERVER * plan.server_count)


async def read_snapshots(
    client: Client,
    plan: RecoveryPlan,
    around: float | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> PlanSnapshots:
    """Read the snapshots of a plan's servers.

    Args:
        client: Temporal's.
        plan: the plan.
        around: the time to choose for (epoch seconds); None to choose none.
        on_progress: gets how far it is.

    Raises:
        UnreachableError: no worker responded, or it must not act in a target.
    """

    async def follow(handle: WorkflowHandle[Any, PlanSnapshots]) -> None:
        while on_progress is not None:
            await asyncio.sleep(_PROGRESS_SECONDS)
            with suppress(RPCError):
                on_progress(await handle.query(SnapshotsWorkflow.progress, rpc_timeout=RPC_TIMEOUT))

    return await read_on_worker(
        client,
        SnapshotsWorkflow.run,
        SnapshotsRequest(plan=plan, around=around),
        workflow_id=f"drs-snapshots/{plan.plan_id}",
        what=f"Snapshots of {plan.plan_name}",
        timeout_seconds=snapshots_seconds(plan),
        follow=follow,
    )
