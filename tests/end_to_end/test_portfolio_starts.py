"""Starts of portfolios through the API, from a declaration, and over drills that run."""

import os

import httpx
import pytest
import yaml

from client.errors import RefusedError
from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.portfolio.model import PortfolioMember
from recovery.portfolio.state import MemberStatus
from tests.client.remote.conftest import no_keyring
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment
from tests.end_to_end.test_portfolios import Portfolio, assert_launched_once
from tests.end_to_end.test_remote import Laptop, laptop
from tests.end_to_end.test_signed_requests import keys, two_apis
from tests.static_tokens import token_of

__all__ = ["keys", "laptop", "no_keyring", "two_apis"]


async def test_a_portfolio_is_started_and_continued_through_the_api(
    laptop: Laptop, env_without_worker: E2eEnvironment
) -> None:
    env = env_without_worker
    lags = env.aws.servers(1, LagDuration="PT40M")
    failing = env.aws.servers(1, Outcome="failed-early")
    first = env.plan(env.wave("Database", servers=lags), rpo=15)
    second = env.plan(env.wave("Cache"), env.wave("App", "Cache", servers=failing))
    file = laptop.folder / "all.yaml"
    plans = [{"Plan": first.plan_id}, {"Plan": second.plan_id, "DependsOn": [first.plan_id]}]
    file.write_text(yaml.safe_dump({"PortfolioId": "all", "Plans": plans}))
    await laptop.do("login", "--token", input=f"{token_of('ops')}\n")
    await laptop.do("register", laptop.file(first), laptop.file(second))

    words = ("run-all", str(file), "--confirm", "all")
    refused = await laptop.do(*words, code=2)
    assert f"{first.plan_id}: a drill with 1 finding (RPO_EXCEEDED" in refused.stderr
    headers = {"Authorization": f"Bearer {token_of('ops')}"}
    url = os.environ["DRS_WAVES_API_URL"]
    async with httpx.AsyncClient(base_url=url, headers=headers) as api:
        path = "/api/portfolios/all/executions"
        body = {"Confirmation": "all", "Plans": [{"PlanId": first.plan_id}]}
        answer = await api.post(path, json=body, timeout=30)
        assert answer.status_code == 409
        assert "RPO_EXCEEDED" in answer.json()["detail"]
        assert "AcceptFindings" in answer.json()["detail"]
    ended = await laptop.do(
        *words, "--accept-findings", "--declared", "-10m", "--watch", "--json", code=1
    )
    state = yaml.safe_load(ended.stdout)
    assert [each["Status"] for each in state["Plans"]] == ["COMPLETED", "FAILED"]
    assert state["StartTime"] - state["DeclaredTime"] >= 600
    for each in state["Plans"]:
        recorded = await env.recorded(each["ExecutionId"])
        assert recorded.declared_time == state["DeclaredTime"]

    for word in ("status", "watch"):
        shown = await laptop.do(word, "all", code=0 if word == "status" else 1)
        assert f"({state['ExecutionId']})  DRILL FAILED" in shown.stdout
    steered = await laptop.do("pause", "all", code=2)
    assert "all is a portfolio. `drs-waves portfolio pause all`" in " ".join(steered.stderr.split())

    env.aws.apply(
        SourceServers=[
            {"SourceServerId": failing[0], "Region": "us-west-2",
             "AccountId": env.aws.account_id, "Outcome": "launched"}
        ]
    )  # fmt: skip
    continued = await laptop.do(
        "run-all", "--from", state["ExecutionId"], "--confirm", "all", "--watch", "--json"
    )
    again = yaml.safe_load(continued.stdout)
    assert again["FromExecution"] == state["ExecutionId"]
    assert again["DeclaredTime"] == state["DeclaredTime"]
    assert [each["Status"] for each in again["Plans"]] == ["COMPLETED"] * 2
    assert_launched_once(env, [first, second.model_copy(update={"waves": second.waves[:1]})])
    assert len(env.aws.accepted_launches(failing[0])) == 2


async def test_a_recovery_replaces_the_drills_of_its_plans_and_of_the_portfolio(
    env: E2eEnvironment,
) -> None:
    own, other = [env.plan(env.wave("Web", approval_required=True)) for _ in "ab"]
    portfolio = Portfolio(env, PortfolioMember(own), PortfolioMember(other))
    # The portfolio follows this drill, so that its own cancellation leaves it.
    followed = await start_execution(env.client, other)
    drill = await portfolio.start()
    for plan in (own, other):
        await portfolio.until(plan, MemberStatus.IN_PROGRESS)
    portfolios = portfolio.portfolios
    with pytest.raises(RefusedError, match="already running"):
        await portfolios.require_startable(portfolio.portfolio_id)
    await portfolios.require_startable(portfolio.portfolio_id, replace_drills=True)
    recovery = await portfolios.start(portfolio.order(RECOVERY, replace_drills=True))
    for plan in (own, other):
        member = await portfolio.until(plan, MemberStatus.IN_PROGRESS)
        assert member.report is not None
        assert member.report.execution_id == member.execution_id
        assert member.report.execution_type is RECOVERY
    assert (await portfolios.state(drill.execution_id)).status is PlanStatus.CANCELLED
    assert (await env.recorded(followed)).status is PlanStatus.CANCELLED
    state = await portfolios.state(recovery.execution_id)
    await portfolios.cancel(state, reason="over", confirmation=portfolio.portfolio_id)
    await portfolio.end(recovery.execution_id)
