"""Makes all checks at the same time, each with a limit, so that none hides another."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from temporalio.client import Client

from activities.doctor.bounded import bounded, together
from activities.doctor.table_checks import table_checks
from client.connection import connect_to_temporal, explained_errors
from client.doctor.temporal_checks import (
    launcher_checks,
    namespace_checks,
    queue_checks,
    readiness_schedule_checks,
    search_attribute_checks,
)
from client.errors import ClientError
from client.workers import read_on_worker
from contract.temporal import TASK_QUEUES
from recovery.doctor.check import Check, DoctorReport, Part
from recovery.doctor.worker import WorkerReport
from settings import Settings
from workflows.reads import DoctorWorkflow

KeyChecks = Callable[[Settings, Sequence[str] | None], Awaitable[list[Check]]]
_SECONDS = 15.0
# The worker's own checks end within a minute.
_WORKER_SECONDS = 75.0
_BY_WORKERS = (Part.TARGETS, Part.PERMISSIONS, Part.CLOCKS, Part.CHANNELS)
_NOT_ASKED = "only a worker can see this, and none answers"


async def examine(settings: Settings, key_checks: KeyChecks) -> DoctorReport:
    """Examine an installation; it takes at most a minute and a half, whatever hangs.

    Args:
        settings: of this process.
        key_checks: checks the keys that this machine signs with and accepts, given the IDs of the
            keys that workers trust.
    """
    began = time.monotonic()
    try:
        client = await connect_to_temporal()
    except ClientError as error:
        checks = await _without_worker(settings, key_checks)
        checks.append(Check.fail(Part.TEMPORAL, "connection", str(error)))
        return DoctorReport.of(checks, time.monotonic() - began)
    checks = await together(
        _bounded(Part.TEMPORAL, "namespace", namespace_checks(client)),
        _bounded(Part.TEMPORAL, "search attributes", search_attribute_checks(client)),
        _bounded(Part.LAUNCHERS, "launchers", launcher_checks(client)),
        _bounded(Part.SCHEDULES, "readiness", readiness_schedule_checks(client, settings)),
        _worker_checks(client, settings, key_checks),
    )
    return DoctorReport.of(checks, time.monotonic() - began)


async def _bounded(part: Part, subject: str, checking: Awaitable[list[Check]]) -> list[Check]:
    async def explained() -> list[Check]:
        async with explained_errors():
            return await checking

    return await bounded(part, subject, explained(), _SECONDS)


async def _worker_checks(client: Client, settings: Settings, key_checks: KeyChecks) -> list[Check]:
    """What a worker sees, and how its task queues are served."""
    try:
        report = await _asked(client)
    except (ClientError, TimeoutError) as error:
        why = str(error) or f"no worker answered within {_WORKER_SECONDS:g} s"
        return await together(
            _failed(why),
            _bounded(Part.WORKERS, "task queues", queue_checks(client, None)),
            _without_worker(settings, key_checks),
        )
    queues = _bounded(Part.WORKERS, "task queues", queue_checks(client, report.served))
    if report.error is not None:
        rest = _without_worker(settings, key_checks)
        return await together(_failed(report.error), queues, rest)
    keys = _bounded(Part.KEYS, "keys", key_checks(settings, report.trusted_keys))
    return report.checks + await together(queues, keys)


async def _asked(client: Client) -> WorkerReport:
    """What a worker reports.

    Raises:
        ClientError: why none does.
    """
    async with asyncio.timeout(_WORKER_SECONDS):
        return await read_on_worker(
            client,
            DoctorWorkflow.run,
            list(TASK_QUEUES),
            workflow_id="drs-doctor",
            what="The installation",
            timeout_seconds=_WORKER_SECONDS,
        )


async def _failed(why: str) -> list[Check]:
    return [Check.fail(Part.WORKERS, "workers", why)]


async def _without_worker(settings: Settings, key_checks: KeyChecks) -> list[Check]:
    """What can be seen from this machine, and what is not known without a worker."""
    found = await together(
        table_checks(settings),
        _bounded(Part.KEYS, "keys", key_checks(settings, None)),
    )
    found += [Check.skipped(part, part.lower(), _NOT_ASKED) for part in _BY_WORKERS]
    found.append(Check.skipped(Part.KEYS, "signed requests", _NOT_ASKED))
    return found
