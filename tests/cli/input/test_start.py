"""A start is confirmed whatever becomes of its readiness check."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from cli.input.start import PlanStart
from client.errors import RefusedError
from client.recoveries.protocol import Recoveries
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import IntendedStart
from recovery.plan.model import RecoveryPlan
from tests.cli.executions import CHAIN
from tests.client.remote.test_recoveries import recoveries
from tests.recovery.launch_settings.settings import DRILL
from tests.recovery.launch_settings.test_isolation import SETTINGS

RUNS_NOT = 409


def start(
    kind: ExecutionType = ExecutionType.RECOVERY, plan: RecoveryPlan = CHAIN, **answers: Any
) -> PlanStart:
    """The start of a real recovery through an API with these answers, confirmed in advance."""

    @asynccontextmanager
    async def chosen() -> AsyncIterator[Recoveries]:
        yield cast(Recoveries, recoveries(health={"Worker": True}, **answers))

    intended = IntendedStart(CHAIN.plan_id, kind)
    return PlanStart(plan, intended, CHAIN.plan_id, recoveries=chosen)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (429, "why"),
        (403, "why"),
        (500, "why"),
        (503, "why"),
        (httpx.Response(500, text="<h1>a proxy</h1>"), "HTTP 500"),
        (httpx.Response(500, headers={"content-type": "application/problem+json"}), "HTTP 500"),
        ({"Findings": "of another version"}, "Readiness"),
    ],
)
def test_a_readiness_that_cannot_be_read_never_stops_a_recovery(
    answer: object, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    confirmed = start(running=RUNS_NOT, plans=answer)
    confirmed.confirm()
    shown = capsys.readouterr().err
    assert "warning: readiness could not be read: " in shown
    assert why in shown
    assert "these are the targets of the plan" in shown
    assert confirmed.confirmation == CHAIN.plan_id


def test_a_recovery_that_runs_already_is_refused_all_the_same() -> None:
    with pytest.raises(RefusedError, match="why"):
        start(running=403, plans=429).confirm()


def test_the_start_of_a_drill_says_where_it_is_isolated(capsys: pytest.CaptureFixture[str]) -> None:
    plan = CHAIN.model_copy(update={"drill_launch_settings": SETTINGS})
    start(ExecutionType.DRILL, plan).confirm()
    assert f"Drill    isolated in {DRILL}\n" in capsys.readouterr().err
