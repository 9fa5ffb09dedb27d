"""Reports, declarations and action items, from DynamoDB alone."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from client.errors import NotRecordedError, RefusedError
from client.local_user import whoami
from recovery.report.action_items import ActionItem, NewActionItem
from recovery.report.builder import execution_report
from recovery.report.declaration import Declaration, declaration_problem
from recovery.report.model import ExecutionReport, ReportRecord
from recovery.report.portfolio.builder import portfolio_report
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary, plan_summary
from recovery.text_format import shortened
from settings import Settings
from storage.plans import PlanTable
from storage.report_table import ActionItemError, ReportTable

T = TypeVar("T")
# Each is read whole.
MAX_SUMMED_UP = 200


class Reports(Protocol):
    """Reports of one installation.

    All methods raise RefusedError where something is refused or not recorded, and HistoryError or
    UnreachableError where it cannot be read or written.
    """

    async def report(self, execution_id: str, declared: float | None = None) -> ExecutionReport:
        """The report of an execution.

        Args:
            execution_id: the execution.
            declared: when it was declared, for this report only (epoch seconds).
        """

    async def portfolio(self, name: str, declared: float | None = None) -> PortfolioReport:
        """The report of a portfolio's execution, or of the last one of a portfolio."""

    async def summary(self, plan_id: str, since: float) -> PlanSummary:
        """A plan since a time (epoch seconds)."""

    async def declare(self, execution_id: str, declared: float, reason: str) -> Declaration:
        """Record when an execution was declared (epoch seconds)."""

    async def action_items(self, execution_id: str | None) -> list[ActionItem]:
        """The action items of an execution; without one, the open ones of all."""

    async def add_action_item(
        self, execution_id: str, new: NewActionItem, *, key: str | None = None
    ) -> ActionItem:
        """Add an action item, once for each key."""

    async def close_action_item(self, execution_id: str, number: int, note: str) -> ActionItem:
        """Close an action item."""


@dataclass(frozen=True)
class RecordedReports:
    """`Reports` on the tables themselves.

    Attributes:
        actor: who changes something; default: this user on this machine.
    """

    table: ReportTable
    plans: PlanTable
    actor: str = field(default_factory=whoami)

    @classmethod
    def of(cls, settings: Settings) -> "RecordedReports":
        """Those of the tables that the settings name."""
        return cls(ReportTable(settings), PlanTable(settings))

    async def report(self, execution_id: str, declared: float | None = None) -> ExecutionReport:
        record = await self._record(execution_id)
        if declared is not None:
            _refuse_declaration(declared, record.state.start_time)
        return execution_report(record, now=time.time(), declared=declared)

    async def portfolio(self, name: str, declared: float | None = None) -> PortfolioReport:
        record = await self.table.portfolio_record(name)
        if record is None:
            raise NotRecordedError(
                f"the history table {self.table.name} has no portfolio {name!r}",
                command="`drs-waves portfolio list` lists them",
            )
        if declared is not None:
            _refuse_declaration(declared, record.state.start_time)
        return portfolio_report(record, now=time.time(), declared=declared)

    async def summary(self, plan_id: str, since: float) -> PlanSummary:
        records, omitted = await self.table.plan_records(plan_id, since=since, limit=MAX_SUMMED_UP)
        now = time.time()
        reports = [execution_report(record, now=now) for record in records]
        return plan_summary(plan_id, reports, since=since, now=now, omitted=omitted)

    async def declare(self, execution_id: str, declared: float, reason: str) -> Declaration:
        record = await self._record(execution_id)
        _refuse_declaration(declared, record.state.start_time)
        declaration = Declaration(
            time=declared,
            actor=self.actor,
            recorded_time=round(time.time(), 3),
            reason=shortened(reason),
        )
        await self.table.declare(execution_id, declaration)
        return declaration

    async def action_items(self, execution_id: str | None) -> list[ActionItem]:
        if execution_id is None:
            return await self.table.open_action_items()
        return (await self.report(execution_id)).action_items

    async def add_action_item(
        self, execution_id: str, new: NewActionItem, *, key: str | None = None
    ) -> ActionItem:
        await self._record(execution_id)
        return await _refused(
            self.table.add_action_item(execution_id, new, actor=self.actor, request_key=key)
        )

    async def close_action_item(self, execution_id: str, number: int, note: str) -> ActionItem:
        await self._record(execution_id)
        note = shortened(note)
        return await _refused(
            self.table.close_action_item(execution_id, number, note=note, actor=self.actor)
        )

    async def _record(self, execution_id: str) -> ReportRecord:
        record = await self.table.report_record(execution_id, self.plans)
        if record is None:
            raise NotRecordedError(
                f"the history table {self.table.name} has no execution {execution_id!r}",
                command="`drs-waves history` lists them",
            )
        return record


async def _refused(result: Awaitable[T]) -> T:
    try:
        return await result
    except ActionItemError as error:
        raise RefusedError(str(error)) from error


def _refuse_declaration(declared: float, start: float) -> None:
    if (problem := declaration_problem(declared, start=start)) is not None:
        raise RefusedError(problem)
