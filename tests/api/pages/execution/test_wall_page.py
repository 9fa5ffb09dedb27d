"""The wall view says everything that matters, and has nothing to press."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from api.auth.tokens import Principal
from api.hub import Poller, Snapshot
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.wall_page import WallPage
from client.errors import UnreachableError
from recovery.access.roles import Role
from recovery.execution.open_decision import DecisionKind, OpenDecision
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import OperatorDecision, WaitingFor, WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.cli.executions import DIAMOND, START, begin, put
from tests.cli.step_executions import waiting_step

USER = Principal("wall", frozenset({Role.VIEWER}))
REASON = "No worker answers. Start one with `drs-waves worker`"


class FailedDatabase(Poller[ExecutionState]):
    """Polls a recovery whose database has failed."""

    error: Exception | None = None

    async def fetch(self, known: ExecutionState | None) -> ExecutionState:
        if self.error is not None:
            raise self.error
        state = begin(DIAMOND, ExecutionType.RECOVERY)
        database = put(state, "Database", WaveStatus.FAILED, "db02: out of capacity", launched=1)
        database.ask_until = time.time() + 3600
        for name in ("App1", "App2"):
            put(state, name, WaveStatus.WAITING).waiting_for = WaitingFor.DECISION
        put(state, "Web", WaveStatus.WAITING).waiting_for = WaitingFor.DEPENDENCIES
        by_ann = OperatorDecision(actor="ann", time=START)
        state.open_decisions = [
            OpenDecision(
                kind=DecisionKind.FAILURE, wave_id="w0", since=START, acknowledged_by=by_ann
            )
        ]
        return state

    def pause(self, known: ExecutionState | None) -> float:
        return 0.02


def wall(poller: FailedDatabase, plan: RecoveryPlan | None) -> WallPage:
    async def frozen_plan(_: str) -> RecoveryPlan:
        if plan is None:
            raise UnreachableError("the history does not answer")
        return plan

    service: Any = SimpleNamespace(
        hub=SimpleNamespace(execution=lambda _: poller),
        authenticator=SimpleNamespace(is_open=True),
        frozen_plan=frozen_plan,
    )
    return WallPage(service, USER, "crm-0f3b52a1c7d9", ExecutionRenderer())


async def test_the_wall_shows_the_state_the_rto_the_decision_and_what_failed() -> None:
    html, shown = await wall(FailedDatabase(), DIAMOND.model_copy(update={"rto": 240})).first()
    assert shown
    for text in ("RECOVERY", "CRM", "IN_PROGRESS", "0 of 4 waves up", "waits for an operator"):
        assert text in html
    assert f'data-until="{START + 240 * 60}" data-before="left of RTO 4 h"' in html
    assert "<strong>Database</strong> FAILED: db02: out of capacity" in html
    assert 'data-before="to decide"' in html
    assert "<strong>ann</strong> has it since" in html
    assert "<button" not in html
    assert 'href="/executions/crm-0f3b52a1c7d9"' in html
    assert 'id="old" class="old" role="alert" hidden' in html


async def test_without_an_rto_the_wall_shows_the_forecast_only() -> None:
    html, _ = await wall(FailedDatabase(), None).first()
    assert "RTO" not in html


async def test_a_wall_that_is_not_current_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    poller = FailedDatabase()
    async with poller.subscribed():
        await poller.fresh()
        poller.error = UnreachableError(REASON)
        snapshot: Snapshot[ExecutionState] = await poller.fresh(0)
        assert snapshot.error
        html, _ = await wall(poller, DIAMOND).first()
        await poller.close()
    assert 'role="alert"><span class="message">LAST KNOWN STATE, of 20' in html
    assert REASON in html


def test_the_wall_names_the_step_that_waits_without_its_long_instruction() -> None:
    snapshot = Snapshot(waiting_step(), START + 700, 1)
    html = wall(FailedDatabase(), None).parts(snapshot)["wall"]
    assert "<strong>Cutover</strong> waits for step <strong>confirm</strong>" in html
    assert "load balancer" not in html
