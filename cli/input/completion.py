"""What the shell completes: plan, wave and execution IDs.

Whoever presses Tab waits for it: it looks for at most a second and never says what went wrong.
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

_PATIENCE_SECONDS = 1.0
_MOST = 50


def complete_plan(incomplete: str) -> list[str]:
    """The plans that run."""
    return _matching(_within(_running_plans), incomplete)


def complete_wave(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The waves of the plan that stands before, each with its name and status."""
    plan_id = str(context.params.get("plan_id") or "")
    waves = _within(lambda: _waves(plan_id)) if plan_id else []
    return [(wave_id, told) for wave_id, told in waves if wave_id.startswith(incomplete)]


def complete_execution(incomplete: str) -> list[str]:
    """The latest executions of the history."""
    return _matching(_within(_recorded), incomplete)


def complete_history(incomplete: str) -> list[str]:
    """The latest executions, and what else can stand in their place."""
    return _matching(["verify"], incomplete) + complete_execution(incomplete)


def _matching(found: list[str], incomplete: str) -> list[str]:
    return [each for each in found if each.startswith(incomplete)]


def _within(look: Callable[[], Coroutine[Any, Any, list[T]]]) -> list[T]:
    """What a look finds in time; nothing if it does not."""
    found: list[T] = []

    def work() -> None:
        try:
            keep_temporal_quiet()
            found.extend(asyncio.run(look()))
        except Exception:
            return

    # A daemon: what still waits for an answer must not keep the shell waiting.
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    return list(found)


def keep_temporal_quiet() -> None:
    """Have Temporal's core not write to the terminal, where it would tear what is shown."""
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False
    )


async def _running_plans() -> list[str]:
    client = await connect_to_temporal()
    second = timedelta(seconds=_PATIENCE_SECONDS)
    listed = client.list_workflows(RUNNING, limit=_MOST, rpc_timeout=second)
    return sorted([w.typed_search_attributes.get(PLAN_ID_KEY, "") async for w in listed])


async def _waves(plan_id: str) -> list[tuple[str, str]]:
    client = await connect_to_temporal()
    state = await execution_state(client, plan_id)
    return [(wave.wave_id, f"{wave.wave_name} {wave.status}") for wave in state.waves]


async def _recorded() -> list[str]:
    table = HistoryTable(get_settings())
    return [state.execution_id for state in await table.executions(limit=_MOST)]
