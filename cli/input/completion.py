"""Completes plan, wave and execution IDs in the shell.

The shell waits for a completion, so each one takes at most a second and reports no error.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import typer
from temporalio.runtime import Runtime, TelemetryConfig

from client.connection import connect_to_temporal
from client.executions import execution_state
from client.overview import RUNNING
from contract.identifiers import PLAN_ID_KEY
from settings import get_settings
from storage.history import HistoryTable

T = TypeVar("T")

_TIMEOUT_SECONDS = 1.0
_LIMIT = 50


def complete_plan(incomplete: str) -> list[str]:
    """Complete the ID of a running plan."""
    return _matching(_within_timeout(_running_plans), incomplete)


def complete_wave(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete the ID of a wave of the plan before it, with its name and status."""
    plan_id = str(context.params.get("plan_id") or "")
    waves = _within_timeout(lambda: _waves(plan_id)) if plan_id else []
    return [
        (wave_id, description) for wave_id, description in waves if wave_id.startswith(incomplete)
    ]


def complete_execution(incomplete: str) -> list[str]:
    """Complete the ID of one of the latest recorded executions."""
    return _matching(_within_timeout(_recorded), incomplete)


def complete_history(incomplete: str) -> list[str]:
    """Complete an execution ID or a subcommand of `history`."""
    return _matching(["verify"], incomplete) + complete_execution(incomplete)


def _matching(found: list[str], incomplete: str) -> list[str]:
    return [each for each in found if each.startswith(incomplete)]


def _within_timeout(query: Callable[[], Coroutine[Any, Any, list[T]]]) -> list[T]:
    """Return what a query finds before the timeout; an empty list after it."""
    found: list[T] = []

    def run_query() -> None:
        try:
            disable_temporal_logging()
            found.extend(asyncio.run(query()))
        except Exception:
            return

    # A daemon thread, so that a query without a response does not keep the process alive.
    thread = Thread(target=run_query, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    return list(found)


def disable_temporal_logging() -> None:
    """Stop Temporal's core from writing to the terminal, where it would corrupt the screen."""
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False
    )


async def _running_plans() -> list[str]:
    client = await connect_to_temporal()
    timeout = timedelta(seconds=_TIMEOUT_SECONDS)
    listed = client.list_workflows(RUNNING, limit=_LIMIT, rpc_timeout=timeout)
    return sorted([w.typed_search_attributes.get(PLAN_ID_KEY, "") async for w in listed])


async def _waves(plan_id: str) -> list[tuple[str, str]]:
    client = await connect_to_temporal()
    state = await execution_state(client, plan_id)
    return [(wave.wave_id, f"{wave.wave_name} {wave.status}") for wave in state.waves]


async def _recorded() -> list[str]:
    table = HistoryTable(get_settings())
    return [state.execution_id for state in await table.executions(limit=_LIMIT)]
