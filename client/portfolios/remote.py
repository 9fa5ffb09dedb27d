"""Portfolios through the API."""

from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from client.portfolios.order import PortfolioOrder, StartedPortfolio
from client.remote.api_client import ApiClient
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.state import PortfolioState

# It looks at the plans of drills, and chooses snapshots.
_SECONDS_PER_PLAN = 2.0


class ApiPortfolios:
    """`Portfolios` says what each method is for."""

    def __init__(self, api: ApiClient) -> None:
        """Create it."""
        self._api = api

    async def registered_plan(self, plan_id: str) -> RecoveryPlan:
        found = await self._api.get(f"/plans/{quote(plan_id, safe='')}")
        return RecoveryPlan.model_validate(found["Plan"])

    async def require_startable(self, portfolio_id: str, *, replace_drills: bool = False) -> None:
        """See `Portfolios`; the API refuses the start itself."""

    async def continuation(
        self, execution_id: str, execution_type: ExecutionType
    ) -> PortfolioOrder:
        found = await self._api.get(
            f"/portfolios/{quote(execution_id, safe='')}/continuation",
            execution_type=execution_type.value,
        )
        return TypeAdapter(PortfolioOrder).validate_python(found)

    async def start(self, order: PortfolioOrder) -> StartedPortfolio:
        """See `Portfolios`; the plans are registered before."""
        plans = [
            {
                "PlanId": each.member.plan.plan_id,
                "DependsOn": list(map(str, each.member.depends_on)),
                # The API reads the plans, and refuses a start that would not be as it was shown.
                "PlanHash": each.member.plan.plan_hash,
                # What is continued keeps its snapshots.
                **(
                    {"PointsHash": each.member.plan.points_hash}
                    if order.point_in_time is not None
                    else {}
                ),
                **({"Priority": each.member.priority} if each.member.priority else {}),
            }
            for each in order.plans
            if each.report is None
        ]
        body: dict[str, Any] = {
            "ExecutionType": order.execution_type,
            "Confirmation": order.confirmation,
            "Name": order.portfolio_name,
            "Plans": plans,
            "DeadlineSeconds": order.deadline_seconds,
            "AcceptFindings": any(order.accepted.values()),
            "ReplaceDrills": order.replace_drills,
        }
        if order.from_execution is not None:
            body["FromExecution"] = order.from_execution
        if order.declared is not None:
            body["DeclaredTime"] = order.declared
        if order.point_in_time is not None and order.from_execution is None:
            point = order.point_in_time.model_dump(mode="json", exclude_none=True)
            body["PointInTime"] = point
        path = f"/portfolios/{quote(order.portfolio_id, safe='')}/executions"
        seconds = _SECONDS_PER_PLAN * len(plans)
        started, _ = await self._api.post(path, body, key=order.key, seconds=seconds)
        return StartedPortfolio.model_validate(started)

    async def state(self, given: str) -> PortfolioState:
        found = await self._api.get(f"/portfolios/{quote(given, safe='')}")
        return PortfolioState.model_validate(found)

    async def executions(self, limit: int) -> list[PortfolioState]:
        found = await self._api.get("/portfolios", limit=limit)
        return [PortfolioState.model_validate(each) for each in found["Portfolios"]]

    async def send(
        self, state: PortfolioState, name: PortfolioMessageName, message: PortfolioMessage
    ) -> str | None:
        """See `Portfolios`; who sends it is who signed in."""
        body = {"Plan": message.plan, "Reason": message.reason}
        known = {key: value for key, value in body.items() if value is not None}
        return await self._effect(f"/portfolios/{state.execution_id}/{name}", known)

    async def cancel(
        self, state: PortfolioState, *, reason: str, confirmation: str | None
    ) -> str | None:
        """See `Portfolios`; who cancels it is who signed in."""
        body = {"Reason": reason, "Confirmation": confirmation}
        return await self._effect(f"/portfolios/{state.execution_id}/cancel", body)

    async def _effect(self, path: str, body: dict[str, Any]) -> str | None:
        found, _ = await self._api.post(path, body)
        effect: str | None = found.get("Effect")
        return effect
