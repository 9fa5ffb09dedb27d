"""The open decisions in the API while Temporal is away."""

import time
from dataclasses import replace

from api.decisions.inbox_poller import InboxPoller
from api.hub import Snapshot
from client.decisions.inbox_reader import InboxReader, InboxState
from client.health import LaunchHealth
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.history.record import HistoryRecord
from recovery.operator.pending_decisions import update_open_decisions
from sandbox.aws import SandboxAws
from settings import Settings
from storage.history import HistoryTable
from tests.api.conftest import api_client
from tests.cli.executions import CHAIN, START, begin


async def test_without_temporal_the_recorded_decisions_are_listed_with_their_age(
    aws: SandboxAws,
) -> None:
    table = HistoryTable(Settings())
    await table.create()
    state = begin(CHAIN, ExecutionType.RECOVERY)
    state.status, state.revision = PlanStatus.PAUSED, int((START + 60) * 1000)
    update_open_decisions(state, now=START + 60)
    ended = begin(CHAIN)
    ended.execution_id, ended.status, ended.end_time = "crm-ended", PlanStatus.FAILED, START
    for each in (state, ended):
        record = HistoryRecord(
            execution_id=each.execution_id, execution=each, plan=CHAIN, waves=each.waves
        )
        await table.write(record)
    async with api_client(Settings()) as client:
        found = (await client.get("/decisions")).json()
    (decision,) = found["Decisions"]
    assert (decision["Kind"], decision["Since"], decision["RecordedTime"]) == (
        "RESUME",
        START + 60,
        START + 60,
    )
    path = f"/executions/{state.execution_id}"
    assert decision["Links"] == {"Execution": f"/api{path}", "Page": path}
    assert [(each["ExecutionId"], each["Decisions"]) for each in found["Unread"]] == [
        (state.execution_id, 1)
    ]
    assert not found["IsComplete"]
    assert "Temporal at 127.0.0.1:9 cannot be reached" in found["Warnings"][0]


async def test_if_nothing_answers_nothing_is_claimed(aws: SandboxAws) -> None:
    async with api_client(Settings()) as client:
        answer = await client.get("/decisions")
    assert answer.status_code == 503
    assert "Temporal at 127.0.0.1:9 cannot be reached" in answer.json()["detail"]


def test_a_number_that_nobody_polls_any_longer_is_not_shown(aws: SandboxAws) -> None:
    async def connect() -> None:
        raise AssertionError

    reader = InboxReader(connect, HistoryTable(Settings()), LaunchHealth())  # type: ignore[arg-type]
    poller = InboxPoller(reader)
    assert poller.current is None
    snapshot = Snapshot(InboxState([]), time.time(), 1)
    poller.latest = snapshot
    assert poller.current is snapshot
    poller.latest = replace(snapshot, seen_time=time.time() - 60)
    assert poller.current is None
