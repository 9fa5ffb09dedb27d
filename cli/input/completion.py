"""Completes plan, wave and execution IDs in the shell.

The shell waits for a completion, so each one takes at most a second and reports no error. Typer
leaves out what does not begin with what was typed.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Annotated, Any, TypeVar

import typer
from temporalio.runtime import Runtime, TelemetryConfig

from client.recoveries.chosen import recoveries
from recovery.operator.rules import waves_called

T = TypeVar("T")

_TIMEOUT_SECONDS = 1.0
_LIMIT = 50


def complete_plan() -> list[str]:
    """Complete the ID of a running or registered plan."""
    return sorted({*_within_timeout(_running_plans), *_within_timeout(_registered_plans)})


def complete_plan_or_execution() -> list[str]:
    """Complete the ID of a running plan, or of its execution."""
    return _within_timeout(_running)


def complete_wave(context: typer.Context) -> list[tuple[str, str]]:
    """Complete the ID, or a name of one word, of a wave of the plan before it."""
    given = str(context.params.get("plan") or "")
    return _within_timeout(lambda: _waves(given)) if given else []


def complete_step(context: typer.Context) -> list[tuple[str, str]]:
    """Complete the ID of a step of the wave before it."""
    given, wave = (str(context.params.get(name) or "") for name in ("plan", "wave"))
    return _within_timeout(lambda: _steps(given, wave)) if given and wave else []


def complete_execution() -> list[str]:
    """Complete the ID of one of the latest recorded executions, or of its plan."""
    return _within_timeout(_recorded)


def complete_history() -> list[str]:
    """Complete an execution ID or a subcommand of `history`."""
    return ["verify", *complete_execution()]


PlanOrExecution = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="The PlanId, or the execution ID.",
        autocompletion=complete_plan_or_execution,
    ),
]
WaveName = Annotated[
    str,
    typer.Argument(
        metavar="WAVE", help="The WaveId, or the WaveName.", autocompletion=complete_wave
    ),
]
ExecutionId = Annotated[
    str,
    typer.Argument(
        metavar="EXECUTION",
        help="The execution ID; or the PlanId, for the plan's last execution.",
        autocompletion=complete_execution,
    ),
]


def _within_timeout(query: Callable[[], Coroutine[Any, Any, list[T]]]) -> list[T]:
    """Return what a query finds before the timeout; an empty list after it."""
    found: list[T] = []

    def run_query() -> None:
        with suppress(Exception):
            disable_temporal_logging()
            found.extend(asyncio.run(query()))

    # A daemon thread, so that a query without a response does not keep the process alive.
    thread = Thread(target=run_query, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    return list(found)


def disable_temporal_logging() -> None:
    """Stop Temporal's core and exporters of traces from writing to the terminal.

    It would corrupt the screen.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False
    )


async def _running_plans() -> list[str]:
    async with recoveries() as known:
        return sorted(row.plan_id for row in await known.running_executions())


async def _registered_plans() -> list[str]:
    async with recoveries() as known:
        return [version.plan_id for version in await known.registered()]


async def _running() -> list[str]:
    async with recoveries() as known:
        rows = await known.running_executions()
    return sorted({each for row in rows for each in (row.plan_id, row.execution_id)})


async def _waves(given: str) -> list[tuple[str, str]]:
    async with recoveries() as known:
        state = await known.state(*await known.plan_and_execution(given))
    ids = [(wave.wave_id, f"{wave.wave_name} {wave.status}") for wave in state.waves]
    # Shells do not complete a word with a space alike.
    words = [w for w in state.waves if w.wave_name != w.wave_id and " " not in w.wave_name]
    return ids + [(wave.wave_name, f"{wave.wave_id} {wave.status}") for wave in words]


async def _steps(given: str, wave: str) -> list[tuple[str, str]]:
    async with recoveries() as known:
        state = await known.state(*await known.plan_and_execution(given))
    found = [step for each in waves_called(state, wave) for step in each.steps]
    return [(step.step_id, f"{step.kind} {step.status}") for step in found]


async def _recorded() -> list[str]:
    async with recoveries() as known:
        recorded = await known.recorded_executions(None, _LIMIT)
    names = (name for state in recorded for name in (state.execution_id, state.plan_id))
    return list(dict.fromkeys(names))
