"""What reports need beside an execution: action items and declarations, in the history table.

An action item is `ACTION#0001`…; while it is open it is in the table's index, sorted by its due
date. A declaration is `DECLARATION#<milliseconds>`.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr

from aws.errors import AwsError
from recovery.plan.model import RecoveryPlan
from recovery.report.action_items import MAX_ACTION_ITEMS, ActionItem, NewActionItem, by_due
from recovery.report.declaration import Declaration
from recovery.report.model import ReportRecord
from recovery.report.portfolio.model import PortfolioRecord
from storage.dynamodb import plain_item, read_item
from storage.history_items import deliveries_of
from storage.plans import PlanTable, PlanTableError
from storage.portfolios import PortfolioTable

_ACTION = "ACTION"
_OPEN_ACTION = "OPEN_ACTION"
_DECLARATION = "DECLARATION"
_READS_AT_ONCE = 8
_MOST_EXECUTIONS = 1000


class ActionItemError(Exception):
    """An action item cannot be added or closed; nothing was changed."""


class ReportTable(PortfolioTable):
    """The history table, as reports read and write it."""

    async def add_action_item(
        self, execution_id: str, new: NewActionItem, *, actor: str, request_key: str | None
    ) -> ActionItem:
        """Add an action item to an execution, under the next number.

        Args:
            execution_id: the execution.
            new: the item.
            actor: who adds it.
            request_key: the same for each repetition of one request, which adds one item.

        Raises:
            ActionItemError: the execution has too many.
        """
        while True:
            known = await self.action_items(execution_id)
            same = [item for item in known if item.request_key == request_key]
            if request_key is not None and same:
                return same[0]
            number = max((item.number for item in known), default=0) + 1
            if number > MAX_ACTION_ITEMS:
                raise ActionItemError(
                    f"{execution_id} has {MAX_ACTION_ITEMS} action items, and no more are taken"
                )
            item = ActionItem(
                **dict(new),
                execution_id=execution_id,
                number=number,
                request_key=request_key,
                added_by=actor,
                added_time=round(time.time(), 3),
            )
            # Somebody else may have taken the number since.
            if await self._put_action(item, Attr("Item").not_exists()):
                return item

    async def close_action_item(
        self, execution_id: str, number: int, *, note: str, actor: str
    ) -> ActionItem:
        """Close an action item.

        Raises:
            ActionItemError: there is none with this number, or it is closed.
        """
        items = {item.number: item for item in await self.action_items(execution_id)}
        item = items.get(number)
        if item is None:
            known = ", ".join(str(n) for n in sorted(items)) or "none"
            raise ActionItemError(f"{execution_id} has no action item {number}; there is {known}")
        closed = item.model_copy(
            update={"closed_by": actor, "closed_time": round(time.time(), 3), "note": note}
        )
        is_closed = item.is_open and await self._put_action(closed, Attr("ClosedTime").not_exists())
        if not is_closed:
            by = f" by {item.closed_by}" if item.closed_by else ""
            raise ActionItemError(f"action item {number} of {execution_id} was closed before{by}")
        return closed

    async def action_items(self, execution_id: str) -> list[ActionItem]:
        """The action items of an execution."""
        items = await self._with_key(execution_id, f"{_ACTION}#")
        return [read_item(ActionItem, item) for item in items]

    async def open_action_items(self) -> list[ActionItem]:
        """The open action items of all executions, those that are due soonest first.

        The index follows a write within a moment.
        """
        return by_due([read_item(ActionItem, item) async for item in self._of_kind(_OPEN_ACTION)])

    async def declare(self, execution_id: str, declaration: Declaration) -> None:
        """Record when an execution was declared; earlier records stay."""
        number = int(declaration.recorded_time * 1000)
        key = {"ExecutionId": execution_id, "Item": f"{_DECLARATION}#{number:014}"}
        await self._write_item(plain_item(declaration) | key)

    async def report_record(self, execution_id: str, plans: PlanTable) -> ReportRecord | None:
        """What is recorded of an execution; None if it is not.

        Raises:
            HistoryError: it cannot be read.
        """
        record = await self._record(execution_id)
        if record is None:
            return None
        return record.model_copy(update={"versions": await _versions(plans, record.plan)})

    async def plan_records(
        self, plan_id: str, *, since: float, limit: int
    ) -> tuple[list[ReportRecord], int]:
        """The latest executions of a plan since a time (epoch seconds), and how many more are."""
        known = await self.executions(plan_id=plan_id, limit=_MOST_EXECUTIONS)
        wanted = [each for each in known if each.start_time >= since]
        records = await self._records([each.execution_id for each in wanted[:limit]])
        return list(records.values()), max(0, len(wanted) - limit)

    async def portfolio_record(self, name: str) -> PortfolioRecord | None:
        """What is recorded of a portfolio's execution, with the executions of its plans.

        Args:
            name: its ID; or a PortfolioId, for the last execution. None if neither is recorded.
        """
        state = await self.portfolio(name)
        if state is None:
            state = next(iter(await self.portfolios(portfolio_id=name, limit=1)), None)
        if state is None:
            return None
        declared = await self._with_key(state.execution_id, f"{_DECLARATION}#")
        ids = [each.current_execution_id for each in state.plans]
        return PortfolioRecord(
            state=state,
            executions=await self._records([each for each in ids if each is not None]),
            declarations=[read_item(Declaration, item) for item in declared],
        )

    async def _records(self, execution_ids: Sequence[str]) -> dict[str, ReportRecord]:
        """What is recorded of these executions, a few read at once; without those that are not."""
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def read(execution_id: str) -> ReportRecord | None:
            async with gate:
                return await self._record(execution_id)

        records = await asyncio.gather(*map(read, execution_ids))
        known = zip(execution_ids, records, strict=True)
        return {execution_id: each for execution_id, each in known if each is not None}

    async def _record(self, execution_id: str) -> ReportRecord | None:
        items = await self._with_key(execution_id)
        found = self._execution_of(execution_id, items)
        if found is None:
            return None
        state, plan = found

        def of_kind(kind: str) -> list[dict[str, Any]]:
            return [item for item in items if str(item["Item"]).startswith(f"{kind}#")]

        return ReportRecord(
            state=state,
            plan=plan,
            deliveries=deliveries_of(items),
            declarations=[read_item(Declaration, item) for item in of_kind(_DECLARATION)],
            action_items=[read_item(ActionItem, item) for item in of_kind(_ACTION)],
        )

    async def _put_action(self, item: ActionItem, condition: Any) -> bool:
        key: dict[str, Any] = {"Item": f"{_ACTION}#{item.number:04}"}
        if item.is_open:
            # What has a Kind is in the index, whose range key is named after executions.
            due = datetime.combine(item.due, datetime.min.time(), UTC).timestamp()
            key |= {"Kind": _OPEN_ACTION, "StartTime": Decimal(int(due))}
        return await self._write_item(plain_item(item) | key, condition)

    async def _write_item(self, item: dict[str, Any], condition: Any = None) -> bool:
        try:
            return await self._put(item, condition)
        except AwsError as error:
            raise await self._error("write", error) from error


async def _versions(plans: PlanTable, plan: RecoveryPlan) -> list[int] | None:
    """The registered versions of exactly this plan; None if they cannot be read."""
    try:
        known = await plans.versions(plan.plan_id)
    except PlanTableError:
        return None
    return sorted(each.version for each in known if each.plan_hash == plan.file_hash)
