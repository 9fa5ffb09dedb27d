"""The page of an execution records when it was declared."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.auth.tokens import Principal
from api.pages.execution.action_items import DECLARE, action_item_dialog
from client.errors import RefusedError
from recovery.access.roles import Role
from recovery.report.declaration import Declaration
from tests.recovery.report.records import completed


@dataclass(frozen=True)
class FakeReports:
    """Records what is declared."""

    actor: str = ""
    declared: list[tuple[str, str, float, str]] = field(default_factory=list)

    async def declare(self, execution_id: str, declared: float, reason: str) -> Declaration:
        """Record it."""
        self.declared.append((self.actor, execution_id, declared, reason))
        return Declaration(time=declared, actor=self.actor, recorded_time=0.0)


async def test_a_declaration_is_recorded_for_the_caller_and_needs_a_zone() -> None:
    state, reports = completed(), FakeReports()
    service = cast(Any, SimpleNamespace(reports=reports))
    dialog = action_item_dialog(service, state, DECLARE, "")
    assert dialog is not None
    assert dialog.send is not None
    operator = Principal("ann", frozenset({Role.OPERATOR}))
    sent = {"time": "1970-01-01T01:00:00Z", "reason": " call 4711 "}
    outcome = await dialog.send(operator, sent)
    assert reports.declared == [("ann", state.execution_id, 3600.0, "call 4711")]
    assert "by ann" in outcome.text
    with pytest.raises(RefusedError, match="zone"):
        await dialog.send(operator, {"time": "2026-11-26T13:40"})
    assert len(reports.declared) == 1
