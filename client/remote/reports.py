"""Reports, declarations and action items through the API."""

from uuid import uuid4

from client.remote.api_client import ApiClient
from recovery.report.action_items import ActionItem, NewActionItem
from recovery.report.declaration import Declaration
from recovery.report.model import ExecutionReport
from recovery.report.portfolio.model import PortfolioReport
from recovery.report.summary import PlanSummary


class ApiReports:
    """`Reports` says what each method is for."""

    def __init__(self, api: ApiClient) -> None:
        """Create it."""
        self._api = api

    async def report(self, execution_id: str, declared: float | None = None) -> ExecutionReport:
        found = await self._api.get(f"/executions/{execution_id}/report.json", declared=declared)
        return ExecutionReport.model_validate(found)

    async def portfolio(self, name: str, declared: float | None = None) -> PortfolioReport:
        found = await self._api.get(f"/portfolios/{name}/report.json", declared=declared)
        return PortfolioReport.model_validate(found)

    async def summary(self, plan_id: str, since: float) -> PlanSummary:
        found = await self._api.get(f"/plans/{plan_id}/report.json", since=since)
        return PlanSummary.model_validate(found)

    async def declare(self, execution_id: str, declared: float, reason: str) -> Declaration:
        body = {"Time": declared, "Reason": reason}
        found, _ = await self._api.post(f"/executions/{execution_id}/declaration", body)
        return Declaration.model_validate(found)

    async def action_items(self, execution_id: str | None) -> list[ActionItem]:
        path = f"/executions/{execution_id}/action-items" if execution_id else "/action-items"
        found = (await self._api.get(path))["ActionItems"]
        return [ActionItem.model_validate(each) for each in found]

    async def add_action_item(
        self, execution_id: str, new: NewActionItem, *, key: str | None = None
    ) -> ActionItem:
        found, _ = await self._api.post(
            f"/executions/{execution_id}/action-items",
            new.model_dump(mode="json"),
            key=key or uuid4().hex,
        )
        return ActionItem.model_validate(found)

    async def close_action_item(self, execution_id: str, number: int, note: str) -> ActionItem:
        found, _ = await self._api.post(
            f"/executions/{execution_id}/action-items/{number}/close", {"Note": note}
        )
        return ActionItem.model_validate(found)
