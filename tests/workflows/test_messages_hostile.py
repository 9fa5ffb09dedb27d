"""Whatever is sent to the workflows: they answer, they end, and no workflow task ever fails."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveState
from recovery.operator.messages import MessageName
from tests.examples import examples
from tests.workflows.conftest import FakedEnvironment, Run, assert_no_task_failed, wave

SIGNALS = ("wave_report", "launch_waiting", "launches_settled", "answer_launch", "review_progress",
           "servers_changed", "stop", "superseded", "plan_closed", "no_such_signal",
           "__temporal_x", "")  # fmt: skip
WORDS = st.sampled_from(
    ["database", "app", "COMPLETED", "FAILED", "", "\ud800", "\x1b[2J", "x" * 2000, "crm-1"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
KEYS = st.sampled_from(
    ["wave", "WaveId", "reason", "actor", "ExecutionId", "client", "cascade", "approve",
     "expires_in_seconds", "Wave", "Servers", "Status", "Revision", "Reason", "Error",
     "WaveName", "SourceServerId", "LaunchStatus", "job", "JobId", "LaunchId",
     "WaitingFor", "Results", "Withdrawn", "InDoubt"]
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=5),
    max_leaves=10,
)
WAVES = st.fixed_dictionaries(
    {"WaveId": WORDS, "WaveName": WORDS},
    optional={
        "Status": st.sampled_from(["WAITING", "FAILED", "PARTIAL", "SKIPPED", "IN_PROGRESS"]),
        "Revision": st.integers(0, 10**20),
        "Attempt": st.integers(-1, 3),
        "Servers": st.lists(
            st.fixed_dictionaries(
                {"SourceServerId": WORDS},
                optional={"LaunchStatus": st.sampled_from(["PENDING", "FAILED"])},
            ),
            max_size=2,
        ),
    },
)
REPORTS = st.fixed_dictionaries({"ExecutionId": WORDS, "Wave": WAVES | ANYTHING})
OPERATORS = st.fixed_dictionaries({"wave": st.sampled_from(["database", "app"])}) | (
    st.dictionaries(KEYS, ANYTHING, max_size=4)
)


def payload(data: bytes, encoding: bytes) -> RawValue:
    """What a client that is not ours may send."""
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


def as_json(value: Any) -> RawValue:
    """JSON as written by other clients: half surrogate pairs and NaN included."""
    return payload(json.dumps(value).encode(), b"json/plain")


RAW = st.builds(
    payload,
    st.binary(max_size=20),
    st.sampled_from([b"json/plain", b"binary/plain", b"binary/null", b"json/protobuf", b"x", b""]),
)
INPUTS = st.lists((ANYTHING | REPORTS | OPERATORS).map(as_json) | RAW, max_size=2)


@dataclass(frozen=True)
class Message:
    """Something that is sent.

    Attributes:
        to_wave: to the wave's workflow instead of the plan's.
        is_update: as an update instead of a signal.
    """

    name: str
    inputs: list[RawValue]
    to_wave: bool
    is_update: bool


MESSAGES = st.builds(
    Message,
    name=st.sampled_from([*SIGNALS, *MessageName]),
    inputs=INPUTS,
    to_wave=st.booleans(),
    is_update=st.booleans(),
)


@given(st.lists(MESSAGES, max_size=8))
@examples(2, shrink=False)
async def test_the_workflows_respond_and_end_after_any_message(
    env_on_real_server: FakedEnvironment, messages: list[Message]
) -> None:
    env = env_on_real_server
    env.fakes.launched_after = 1.0
    run = await env.start(wave("Database"), wave("App", "Database"))
    await run.wave_until("database", lambda w: w.start_time is not None)
    for message in messages:
        handle = run.wave_handle("database") if message.to_wave else run.handle
        await send(handle, message)
        assert isinstance(await run.state(), ExecutionState)
        assert isinstance(await run.wave("database"), WaveState)
    # Paused it would wait for the rest of the day.
    await send(run.handle, Message("resume", [], to_wave=False, is_update=False))
    async with asyncio.timeout(60):
        await run.ended(run.handle)
        await run.ended(run.wave_handle("database"))
    for handle in (run.handle, run.wave_handle("database")):
        await assert_no_task_failed(handle)
    await assert_told(run)


async def send(handle: WorkflowHandle[Any, Any], message: Message) -> None:
    """Send a message; it may be refused, but not by a failure of the workflow."""
    try:
        if message.is_update:
            async with asyncio.timeout(60):
                await update(handle, message)
        else:
            await handle.signal(message.name, args=message.inputs)
    except WorkflowUpdateFailedError:
        return
    except RPCError:
        # Its name is empty or Temporal's own, or the workflow has ended.
        running = (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        if message.name not in SIGNALS and running:
            raise


async def update(handle: WorkflowHandle[Any, Any], message: Message) -> None:
    """Send an update, or a signal if Temporal takes no update now, as our client does."""
    try:
        await handle.execute_update(message.name, args=message.inputs)
    except RPCError as error:
        # A signal came while the workflow handled the task of this update, which then counts as
        # failed. Only `assert_no_task_failed` can tell whether it truly did.
        if error.status is not RPCStatusCode.FAILED_PRECONDITION:
            raise
        await handle.signal(message.name, args=message.inputs)


async def assert_told(run: Run) -> None:
    """What is shown of the messages is text for a terminal."""
    for record in (await run.state()).messages:
        assert record.effect.isprintable()
        assert (record.actor + record.reason).isprintable()
