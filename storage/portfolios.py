"""Executions of portfolios in the history table, which outlive Temporal's retention.

One item `PORTFOLIO` has the state as compressed JSON, so that 500 plans are less than DynamoDB's
400 KB; `STARTS#0000`… have the starts of its plans in chunks. A write never replaces a newer state.
"""

import json
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr
from pydantic import ValidationError

from aws.errors import AwsError
from contract.portfolio.start import packed_portfolio, unpacked_portfolio
from recovery.portfolio.state import PortfolioState
from settings import Settings
from storage.dynamodb import Item
from storage.history import HistoryError, HistoryTable

_KIND = "PORTFOLIO"
_STARTS = "STARTS"
_CHUNK_CHARACTERS = 300_000


class PortfolioTable(HistoryTable):
    """The executions of portfolios in the history table. Its methods raise `HistoryError`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)

    async def write_portfolio(
        self, state: PortfolioState, starts: Mapping[str, str] | None = None
    ) -> None:
        """Write a state, unless a newer one is there, and the starts if they are given."""
        key = {"ExecutionId": state.execution_id}
        item = key | {
            "Item": _KIND,
            "Kind": _KIND,
            "PortfolioId": state.portfolio_id,
            "Status": state.status.value,
            "StartTime": Decimal(str(round(state.start_time, 3))),
            "Revision": state.revision,
            "State": packed_portfolio(state),
        }
        try:
            if starts is not None:
                text = json.dumps(dict(starts))
                for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
                    chunk = text[start : start + _CHUNK_CHARACTERS]
                    await self._put(key | {"Item": f"{_STARTS}#{number:04}", "Text": chunk})
            is_new = Attr("Item").not_exists()
            await self._put(item, is_new | Attr("Revision").lt(state.revision))
        except AwsError as error:
            raise await self._error("write", error) from error

    async def portfolio(self, execution_id: str) -> PortfolioState | None:
        """A recorded execution of a portfolio; None if there is none."""
        items = await self._with_key(execution_id, _KIND)
        return _state_of(items[0]) if items else None

    async def portfolios(
        self, *, portfolio_id: str | None = None, limit: int = 50
    ) -> list[PortfolioState]:
        """The latest executions of portfolios, newest first."""
        where = Attr("PortfolioId").eq(portfolio_id) if portfolio_id else None
        found: list[PortfolioState] = []
        async for item in self._of_kind(_KIND, where=where, limit=limit):
            found.append(_state_of(item))
            if len(found) == limit:
                break
        return found

    async def starts(self, execution_id: str) -> dict[str, str]:
        """By PlanId, the packed starts of a portfolio's execution; empty if there are none."""
        chunks = await self._with_key(execution_id, f"{_STARTS}#")
        text = "".join(str(chunk.get("Text")) for chunk in chunks)
        try:
            return dict(json.loads(text)) if text else {}
        except ValueError as error:
            raise HistoryError(f"the starts of {execution_id} cannot be read") from error


def _state_of(item: Item) -> PortfolioState:
    packed: Any = item.get("State")
    try:
        return unpacked_portfolio(bytes(packed))
    except (TypeError, ValidationError, zlib.error) as error:
        raise HistoryError(f"the portfolio {item.get('ExecutionId')} cannot be read") from error
