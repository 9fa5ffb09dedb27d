"""The running portfolios are asked for their state only if their history has grown."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
from temporalio.client import Client

from client.decisions import portfolio_questions
from client.decisions.portfolio_questions import RunningPortfolios
from client.errors import UnreachableError
from contract.portfolio.start import packed_portfolio
from tests.recovery.portfolio.test_scheduler import RECOVERY, scheduler


class OnePortfolio:
    """A Temporal with one running portfolio."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.length, self.asked = 1, 0
        self.lost: Exception | None = None
        monkeypatch.setattr(portfolio_questions, "describe_workflow", self.described)

    async def described(self, *_: object) -> SimpleNamespace:
        if self.lost is not None:
            raise self.lost
        return SimpleNamespace(run_id="run", history_length=self.length)

    async def list_workflows(self, *_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        """The one that runs."""
        yield SimpleNamespace(id="drs-portfolio/all")

    def get_workflow_handle(self, _: str) -> "OnePortfolio":
        return self

    async def query(self, *_: object, **__: object) -> bytes:
        self.asked += 1
        return packed_portfolio(scheduler("a", kind=RECOVERY).state)


async def test_a_portfolio_is_asked_again_once_its_history_has_grown_and_known_while_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporal, reader = OnePortfolio(monkeypatch), RunningPortfolios()
    client = cast(Client, temporal)
    for _ in range(2):
        states, warnings = await reader.read(client)
        assert ([each.portfolio_id for each in states], warnings) == (["all"], ())
    assert temporal.asked == 1
    temporal.length = 2
    await reader.read(client)
    assert temporal.asked == 2
    temporal.lost = UnreachableError("Temporal does not answer")
    states, warnings = await reader.read(client)
    assert [each.portfolio_id for each in states] == ["all"]
    assert "Temporal does not answer" in warnings[0]
