"""What is recorded of the readiness of registered plans, and looks at them now."""

import time
from collections.abc import Sequence

from temporalio.client import Client

from client.errors import RefusedError
from client.workers import read_on_worker
from contract.readiness import Readiness
from recovery.plan.model import RecoveryPlan
from recovery.readiness.report import ReadinessReport, ReadinessRow
from recovery.readiness.result import is_stale
from recovery.text_format import shortened
from recovery.time_text import read_duration
from storage.plans import PlanVersion
from storage.readiness import ReadinessTable
from workflows.readiness.watch import WatchReadinessWorkflow

_LOOK_SECONDS = 150.0


async def readiness_rows(
    table: ReadinessTable, versions: Sequence[PlanVersion] | None = None
) -> list[ReadinessRow]:
    """What is known of each registered plan, by PlanId.

    Args:
        table: has it.
        versions: the newest of each registered plan; default: they are read too.

    Raises:
        PlanTableError: it cannot be read.
    """
    known, now = await table.all_current(), time.time()
    return [
        ReadinessRow.of(
            each.plan_id, each.plan_name, each.plan_hash, known.get(each.plan_id), now=now
        )
        for each in (await table.latest() if versions is None else versions)
    ]


async def stale_plans(table: ReadinessTable) -> dict[str, float]:
    """Since when nobody has looked at registered plans for twice their period, by PlanId.

    Raises:
        PlanTableError: it cannot be read.
    """
    known, now = await table.all_current(), time.time()
    found = {}
    for each in await table.latest():
        last = known.get(each.plan_id)
        since, period = each.registered_time, None
        if last is not None:
            since, period = last.looked_time, last.period_seconds
        elif (registered := await table.registered_plan(each.plan_id)) is not None:
            period = read_duration(registered.plan.readiness_every)
        if is_stale(since, period, now):
            found[each.plan_id] = since
    return found


async def readiness_report(table: ReadinessTable, plan_id: str) -> ReadinessReport:
    """What is known of a registered plan.

    Raises:
        RefusedError: the plan is not registered.
        PlanTableError: it cannot be read.
    """
    versions = await table.versions(plan_id)
    if not versions:
        raise RefusedError(
            f"no plan {plan_id!r} is registered",
            command="`drs-waves plans` lists them; `drs-waves register FILE` registers one",
            request="GET /api/plans lists them",
        )
    known, newest = await table.known(plan_id), versions[0]
    last = known.readiness if known is not None else None
    report = ReadinessReport.of(plan_id, newest.plan_name, newest.plan_hash, last, now=time.time())
    return report.with_known(known)


async def look_now(client: Client, table: ReadinessTable, plan_id: str) -> ReadinessReport:
    """Have a worker look at a registered plan now, and record what it finds.

    Raises:
        RefusedError: the plan is not registered.
        UnreachableError: no worker responded.
        PlanTableError: the result cannot be read.
    """
    await readiness_report(table, plan_id)
    await read_on_worker(
        client,
        WatchReadinessWorkflow.run,
        plan_id,
        workflow_id=f"drs-readiness-now/{plan_id}",
        what=f"Readiness of {plan_id}",
        timeout_seconds=_LOOK_SECONDS,
    )
    return await readiness_report(table, plan_id)


def report_of_check(plan: RecoveryPlan, found: Readiness) -> ReadinessReport:
    """What a look found that was not recorded: of a plan in a file."""
    worst = next(iter(found.findings), None)
    return ReadinessReport(
        plan_id=plan.plan_id,
        plan_name=plan.plan_name,
        status=found.status,
        reason=shortened(f"{worst.code}: {worst.message}") if worst is not None else "",
        looked_time=found.looked_time,
        worst_lag=found.worst_lag,
        findings=found.findings,
        left_out=found.left_out,
        **found.counts,
    )
