"""Helpers for tests of worker processes: start, watch, stop."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import psutil

from client.errors import UnreachableError
from client.executions import execution_state
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import SPEED, E2eEnvironment, wave_of

# At the stack's speed a wave of so many seconds takes six: time enough for something to
# happen to a worker meanwhile.
SLOW_SECONDS = 6 * SPEED


async def start_worker(
    env: E2eEnvironment, name: str, *, module: str = "", variables: Mapping[str, str] | None = None
) -> None:
    """Start a worker, and await that it is ready: commands refuse to wait for one.

    Args:
        env: where it serves.
        name: its name.
        module: the module of these tests that it runs; default: ours.
        variables: more environment variables.
    """
    stack = env.stack
    if module:
        stack = replace(stack, worker=[sys.executable, "-m", f"tests.end_to_end.{module}"])
    stack.start_worker(name, variables)
    await wait_until_ready(env, name)


def process_of(env: E2eEnvironment, name: str) -> psutil.Process:
    process = env.stack.parts[name].process()
    assert process is not None, f"{name} does not run"
    return process


async def stop_worker(
    env: E2eEnvironment, name: str, number: signal.Signals = signal.SIGTERM
) -> int | None:
    """Stop a worker as an operator would; its exit code."""
    process = process_of(env, name)
    process.send_signal(number)
    return await asyncio.to_thread(process.wait, 40)


async def wait_until_ready(env: E2eEnvironment, name: str) -> None:
    """Await a worker's log message that it is ready."""
    log = env.stack.folder / f"{name}.log"

    async def says_so() -> bool:
        return "worker is ready" in log.read_text()

    await env.eventually(says_so)


async def watcher(env: E2eEnvironment, execution_id: str, wave_id: str) -> tuple[int, int]:
    """The latest attempt at a wave's watch, and the process ID of the worker that has or had it."""
    handle = env.client.get_workflow_handle(f"drs-wave/{execution_id}/{wave_id}/1")
    for pending in (await handle.describe()).raw_description.pending_activities:
        if pending.activity_type.name == "watch_servers" and "@" in pending.last_worker_identity:
            return pending.attempt, int(pending.last_worker_identity.split("@")[0])
    found = (0, 0)
    watches = []
    async for event in handle.fetch_history_events():
        # The start of an attempt is recorded together with its end.
        scheduled = event.activity_task_scheduled_event_attributes
        started = event.activity_task_started_event_attributes
        if scheduled.activity_type.name == "watch_servers":
            watches.append(event.event_id)
        elif started.scheduled_event_id in watches:
            found = started.attempt, int(started.identity.split("@")[0])
    return found


async def wait_for_watch(env: E2eEnvironment, execution_id: str, wave_id: str, by: str) -> int:
    """Await a worker's watch; the attempt."""
    pid = process_of(env, by).pid

    async def is_watched() -> bool:
        return (await watcher(env, execution_id, wave_id))[1] == pid

    await env.eventually(is_watched, within=90)
    return (await watcher(env, execution_id, wave_id))[0]


async def wait_until_in_progress(
    env: E2eEnvironment, plan: RecoveryPlan, name: str
) -> ExecutionState:
    """Await a wave's launch; while no worker serves, the state cannot be asked for."""
    async with asyncio.timeout(60):
        while True:
            with suppress(UnreachableError):
                state = await execution_state(env.client, plan.plan_id)
                if wave_of(state, name).status is WaveStatus.IN_PROGRESS:
                    return state
            await asyncio.sleep(0.1)


async def wait_for_delayed_call(env: E2eEnvironment, operation: str = "StartRecovery") -> None:
    """Await the next delayed call of an operation."""
    key = f"drs.{operation} delay"
    before: int = env.aws.calls()["FaultsApplied"].get(key, 0)

    async def is_applied() -> bool:
        applied: int = env.aws.calls()["FaultsApplied"].get(key, 0)
        return applied > before

    await env.eventually(is_applied)


def delay_start_recovery(env: E2eEnvironment, seconds: float) -> None:
    """Delay StartRecovery from now on."""
    env.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "delay", "Seconds": seconds}])


def assert_launched_once(
    env: E2eEnvironment, state: ExecutionState, plans: Sequence[RecoveryPlan]
) -> None:
    """Check that every server is up, and was launched once."""
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    for plan in plans:
        for wave in plan.waves:
            for server_id in wave.server_ids:
                assert len(env.aws.accepted_launches(server_id)) == 1, server_id
                assert len(env.aws.instances_up(server_id)) == 1, server_id
