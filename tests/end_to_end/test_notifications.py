"""Nobody misses a decision: messages of the notifier at the sandbox's scripted receivers."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.service import RPCError

from client.connection import connect_to_temporal
from client.decisions.inbox_reader import InboxReader
from client.executions import require_running
from client.health import LaunchHealth
from client.start import start_execution
from client.steering import send
from client.workers import describe_task_queue
from contract.identifiers import NOTIFIER_WORKFLOW_ID
from contract.temporal import CHANNELS_TASK_QUEUE
from recovery.execution.open_decision import DecisionKind
from recovery.execution.state import PlanStatus
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.model import PortfolioMember
from settings import get_settings
from tests.end_to_end.conftest import RECOVERY, SPEED, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.notified import asking, channel_variables, incidents_are_resolved
from tests.end_to_end.test_portfolios import Portfolio, after
from tests.end_to_end.worker_processes import process_of, start_worker

ASKED = "DECISION_NEEDED"
_ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


class Receivers:
    """The receivers of a test's account."""

    def __init__(self, env: E2eEnvironment) -> None:
        self._env = env

    def messages(self, receiver: str) -> list[dict[str, Any]]:
        """What a receiver got."""
        return self._env.aws.messages(receiver)

    def items(self, receiver: str = "web-hook") -> list[tuple[str, str]]:
        """Why each item was sent, and what it is about."""
        return [
            (item["Item"]["Kind"], (item["Item"].get("Event") or {}).get("Kind") or ASKED)
            for message in self.messages(receiver)
            for item in message["Content"]["Items"]
        ]

    def fails(self, receiver: str, **effect: Any) -> None:
        """Let a receiver fail from now on."""
        self._env.aws.apply(
            Faults=[{"Service": "receiver", "Operation": receiver, "Times": 1000, **effect}]
        )


@pytest.fixture
def receivers(
    env_without_worker: E2eEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Receivers:
    """A web hook and a pager, which the workers use."""
    env = env_without_worker
    found = Receivers(env)
    variables = channel_variables(env, tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    env.stack = replace(env.stack, variables={**env.stack.variables, **variables})
    get_settings.cache_clear()
    return found


@pytest.fixture
async def notified(
    env_without_worker: E2eEnvironment, receivers: Receivers
) -> AsyncIterator[E2eEnvironment]:
    """The stack with a worker that has channels."""
    async with RunningWorkers(env_without_worker):
        yield env_without_worker


async def test_workers_that_have_channels_are_known_to_those_without(
    notified: E2eEnvironment,
) -> None:
    async def is_known() -> bool:
        queue = await describe_task_queue(notified.client, CHANNELS_TASK_QUEUE, _ACTIVITIES)
        return bool(queue.pollers)

    await notified.eventually(is_known)


async def test_a_recovery_that_asks_is_reported_repeated_acknowledged_and_resolved(
    notified: E2eEnvironment, receivers: Receivers
) -> None:
    env = notified
    plan, execution_id = await asking(env)
    async with asyncio.timeout(60):
        while ("ASKED", ASKED) not in receivers.items():
            await asyncio.sleep(0.1)

    async def has(kind: str, what: str = ASKED) -> bool:
        return (kind, what) in receivers.items()

    await env.eventually(lambda: has("REMINDER"))
    running = await require_running(env.client, plan.plan_id)
    await send(env.client, running, OperatorMessage(MessageName.ACKNOWLEDGE), actor="ann")
    await env.eventually(lambda: has("ACKNOWLEDGED"))
    state = await env.until(plan, lambda s: s.open_decisions[0].acknowledged_by)
    assert state.open_decisions[0].acknowledged_by is not None
    assert state.open_decisions[0].acknowledged_by.actor == "ann"
    accept = OperatorMessage(MessageName.ACCEPT_WAVE, "database")
    await send(env.client, running, accept, actor="ann")
    state = await env.end(plan, execution_id)
    assert state.open_decisions == []
    await env.eventually(lambda: has("RESOLVED"))
    await env.eventually(lambda: has("EVENT", "FINISHED"))
    assert {what for kind, what in receivers.items() if kind == "EVENT"} == {
        "STARTED",
        "WAVE_FAILED",
        "WAVE_UP",
        "FINISHED",
    }

    await env.eventually(lambda: incidents_are_resolved(env))
    shown = json.dumps(receivers.messages("web-hook") + receivers.messages("pager-duty"))
    assert "the-key-of-the-hook" not in shown

    async def is_recorded() -> bool:
        records = await env.table.deliveries(execution_id)
        return {r.channel for r in records if r.error is None} == {"hook", "pager"}

    await env.eventually(is_recorded)


async def test_a_portfolio_reports_its_start_what_it_holds_back_and_its_end(
    notified: E2eEnvironment, receivers: Receivers
) -> None:
    env = notified
    broken = env.wave("Database", servers=env.aws.servers(1, Outcome="failed-early"))
    failing, dependent = env.plan(broken, on_failure="CONTINUE"), env.plan(env.wave("App"))
    portfolio = Portfolio(env, PortfolioMember(failing), PortfolioMember(dependent, after(failing)))
    started = await portfolio.start(RECOVERY)

    def of_portfolio() -> list[tuple[str, str, str | None]]:
        return [
            (item["Kind"], (item.get("Event") or item["Decision"])["Kind"],
             (item.get("Decision") or {}).get("PlanId"))
            for message in receivers.messages("web-hook")
            for item in (each["Item"] for each in message["Content"]["Items"])
            if item["Execution"]["ExecutionId"] == started.execution_id
        ]  # fmt: skip

    async def is_asked() -> bool:
        return ("ASKED", "PLAN", failing.plan_id) in of_portfolio()

    await env.eventually(is_asked)

    async def is_listed() -> bool:
        reader = InboxReader(connect_to_temporal, env.table, LaunchHealth())
        decisions = (await reader.read()).inbox.decisions
        return (DecisionKind.PLAN, portfolio.portfolio_id) in [
            (d.kind, d.plan_id) for d in decisions
        ]

    await env.eventually(is_listed)
    state = await portfolio.portfolios.state(started.execution_id)
    accept = PortfolioMessage(plan=failing.plan_id)
    await portfolio.portfolios.send(state, PortfolioMessageName.ACCEPT_PLAN, accept)
    await portfolio.end(started.execution_id)

    async def is_over() -> bool:
        return ("EVENT", "FINISHED", None) in of_portfolio()

    await env.eventually(is_over)
    seen = [each for each in of_portfolio() if each[0] != "REMINDER"]
    assert sorted(set(seen)) == sorted(
        [
            ("ASKED", "PLAN", failing.plan_id),
            ("EVENT", "FINISHED", None),
            ("EVENT", "STARTED", None),
            ("RESOLVED", "PLAN", failing.plan_id),
        ],
        key=lambda each: each[:2],
    )
    text = json.dumps(receivers.messages("web-hook"))
    assert f"/portfolios/{started.execution_id}" in text or "portfolio watch" in text
    assert "ops (not verified) decided, accept_plan" in text

    async def is_closed() -> bool:
        pages = [m for m in receivers.messages("pager-duty") if m["Incident"] not in (None, "none")]
        last = dict(str(each["Incident"]).split()[:2] for each in pages)
        own = {str(m["Incident"]).split()[0] for m in pages if "portfolio All" in str(m["Content"])}
        return bool(own) and {last[each] for each in own} == {"resolved"}

    await env.eventually(is_closed)


async def test_a_channel_that_fails_is_shown_holds_back_no_other_and_gets_its_message_later(
    notified: E2eEnvironment, receivers: Receivers
) -> None:
    env = notified
    receivers.fails("pager-duty", Effect="gateway-before", Status=503)
    plan, execution_id = await asking(env)
    state = await env.until(plan, lambda s: s.notification_problems)
    assert [each.channel for each in state.notification_problems] == ["pager"]
    assert "pager" in state.shown_warnings[-1]
    assert ("ASKED", ASKED) in receivers.items()
    assert receivers.messages("pager-duty") == []
    env.aws.clear_faults()
    await env.until(plan, lambda s: not s.notification_problems)
    assert any("triggered" in str(each["Incident"]) for each in receivers.messages("pager-duty"))

    async def is_recorded() -> bool:
        records = await env.table.deliveries(execution_id)
        return any(each.error for each in records if each.channel == "pager")

    await env.eventually(is_recorded)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [{"Effect": "hang"}, {"Effect": "hold"}])
async def test_a_worker_that_is_killed_while_it_sends_loses_no_message(
    env_without_worker: E2eEnvironment, receivers: Receivers, effect: dict[str, Any]
) -> None:
    env = env_without_worker
    await start_worker(env, "one")
    plan = env.plan(env.wave("Database", approval_required=True))
    receivers.fails("web-hook", **effect)
    await start_execution(env.client, plan, started_by="ops")
    notifier = env.client.get_workflow_handle(NOTIFIER_WORKFLOW_ID)

    async def is_sending() -> bool:
        try:
            described = await notifier.describe()
        except RPCError:
            # It starts with the first report.
            return False
        pending = described.raw_description.pending_activities
        return any(
            each.activity_type.name == "deliver" and each.last_started_time.seconds
            for each in pending
        )

    await env.eventually(is_sending)
    process_of(env, "one").send_signal(signal.SIGKILL)
    env.aws.clear_faults()
    await start_worker(env, "two")

    async def is_asked() -> bool:
        return ("ASKED", ASKED) in receivers.items()

    await env.eventually(is_asked)
    await asyncio.sleep(120 / SPEED)
    asked = [item for item in receivers.items() if item == ("ASKED", ASKED)]
    assert 1 <= len(asked) <= 2
    running = await require_running(env.client, plan.plan_id)
    await send(
        env.client, running, OperatorMessage(MessageName.APPROVE_WAVE, "database"), actor="ann"
    )
    state = await env.until(plan, lambda s: wave_of(s, "Database").attempt)
    assert state.status is PlanStatus.IN_PROGRESS
