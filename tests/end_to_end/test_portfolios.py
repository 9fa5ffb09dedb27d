"""Many plans with one start: their order, failures, lost workflows and workers, signatures."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from client.errors import RefusedError
from client.executions import execution_state
from client.portfolios import continuation
from client.portfolios.order import OrderedPlan, PortfolioOrder, StartedPortfolio
from client.portfolios.start import start_portfolio
from client.portfolios.temporal import TemporalPortfolios
from client.start import start_execution
from contract.execution import StartExecution
from contract.identifiers import new_execution_id, plan_workflow_id, portfolio_workflow_id
from contract.portfolio.start import StartPortfolio, packed_start
from contract.temporal import TASK_QUEUE
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.model import PlanDependency, PortfolioMember
from recovery.portfolio.state import MemberState, MemberStatus, PortfolioState
from security.signers import RequestSigner
from settings import get_settings
from storage.portfolios import PortfolioTable
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.test_signed_requests import Keys, keys, strict
from tests.end_to_end.worker_processes import start_worker
from workflows.portfolio.workflow import PortfolioWorkflow

__all__ = ["keys", "strict"]

_DRILL = ExecutionType.DRILL


class Portfolio:
    """A portfolio of a test."""

    def __init__(self, env: E2eEnvironment, *members: PortfolioMember) -> None:
        self.env = env
        self.members = members
        self.portfolio_id = f"all-{members[0].plan.plan_id}"
        self.portfolios = self.signed_by(None)

    def signed_by(self, signer: RequestSigner | None) -> TemporalPortfolios:
        """Its client, for a signer."""

        async def connect() -> object:
            return self.env.client

        self.portfolios = TemporalPortfolios(connect, signer, actor="ops")  # type: ignore[arg-type]
        return self.portfolios

    def order(self, execution_type: ExecutionType = _DRILL, **fields: object) -> PortfolioOrder:
        """A confirmed start."""
        return PortfolioOrder(
            portfolio_id=self.portfolio_id,
            portfolio_name="All",
            execution_type=execution_type,
            plans=[OrderedPlan(each) for each in self.members],
            confirmation=self.portfolio_id,
            **fields,  # type: ignore[arg-type]
        )

    async def start(self, execution_type: ExecutionType = _DRILL) -> StartedPortfolio:
        """Start it."""
        return await self.portfolios.start(self.order(execution_type))

    @property
    def handle(self):  # type: ignore[no-untyped-def]
        """Its workflow."""
        return self.env.client.get_workflow_handle(portfolio_workflow_id(self.portfolio_id))

    async def end(self, execution_id: str) -> PortfolioState:
        """Await its end; what is recorded."""
        with suppress(WorkflowFailureError):
            await self.handle.result()
        found = await PortfolioTable(get_settings()).portfolio(execution_id)
        assert found is not None
        assert found.is_over, found.status_reason
        return found

    async def until(
        self, plan: RecoveryPlan, *statuses: MemberStatus, within: float = 60.0
    ) -> MemberState:
        """Await a status of a plan."""
        found: list[MemberState] = []

        async def has_it() -> bool:
            state = await self.portfolios.state(self.portfolio_id)
            found[:] = [state.member(plan.plan_id)]
            is_starting = found[0].has_started and found[0].report is None
            return found[0].status in statuses and not is_starting

        await self.env.eventually(has_it, within=within)
        return found[0]


def after(*plans: RecoveryPlan, wave: str | None = None) -> tuple[PlanDependency, ...]:
    """Dependencies on these plans, or on a wave of them."""
    return tuple(PlanDependency(plan_id=each.plan_id, wave_id=wave) for each in plans)


def assert_launched_once(env: E2eEnvironment, plans: Sequence[RecoveryPlan]) -> None:
    """Check with AWS's ledger that each server of these plans was launched once."""
    for plan in plans:
        for wave in plan.waves:
            for server_id in wave.server_ids:
                assert len(env.aws.accepted_launches(server_id)) == 1, (plan.plan_id, server_id)


def statuses(state: PortfolioState) -> list[MemberStatus]:
    """The statuses of its plans."""
    return [each.status for each in state.plans]


async def test_a_portfolio_starts_plans_after_plans_and_after_single_waves(
    env: E2eEnvironment,
) -> None:
    directory = env.plan(env.wave("Dns"), env.wave("Ldap", "Dns"))
    crm, shop = env.plan(env.wave("Database")), env.plan(env.wave("Web"))
    portfolio = Portfolio(
        env,
        PortfolioMember(directory),
        PortfolioMember(crm, after(directory, wave="dns")),
        PortfolioMember(shop, after(crm, directory)),
    )
    started = await portfolio.start()
    state = await portfolio.end(started.execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert statuses(state) == [MemberStatus.COMPLETED] * 3
    first, second, third = [await env.recorded(each.execution_id) for each in state.plans]
    assert first.portfolio == started.execution_id
    dns, ldap = wave_of(first, "Dns"), wave_of(first, "Ldap")
    assert dns.end_time is not None
    assert ldap.end_time is not None
    assert first.end_time is not None
    assert second.end_time is not None
    assert second.start_time >= dns.end_time
    assert third.start_time >= max(ldap.end_time, second.end_time)
    assert_launched_once(env, [directory, crm, shop])


async def test_a_drill_leaves_out_what_depends_on_a_failed_plan_and_nothing_else(
    env: E2eEnvironment,
) -> None:
    failing = env.plan(env.wave("Database", servers=env.aws.servers(1, Outcome="failed-early")))
    dependent, other = env.plan(env.wave("App")), env.plan(env.wave("Web"))
    portfolio = Portfolio(
        env,
        PortfolioMember(failing),
        PortfolioMember(dependent, after(failing)),
        PortfolioMember(other),
    )
    started = await portfolio.start()
    state = await portfolio.end(started.execution_id)
    assert statuses(state) == [MemberStatus.FAILED, MemberStatus.SKIPPED, MemberStatus.COMPLETED]
    assert state.status is PlanStatus.FAILED
    assert failing.plan_name in state.plans[1].status_reason
    assert not env.aws.accepted_launches(dependent.waves[0].server_ids[0])
    assert_launched_once(env, [other])


async def test_a_recovery_asks_and_starts_dependents_once_a_plan_is_accepted(
    env: E2eEnvironment,
) -> None:
    wave = env.wave("Database", servers=env.aws.servers(1, Outcome="failed-early"))
    failing = env.plan(wave, on_failure="CONTINUE")
    dependent, skipped = env.plan(env.wave("App")), env.plan(env.wave("Web"))
    portfolio = Portfolio(
        env,
        PortfolioMember(failing),
        PortfolioMember(dependent, after(failing)),
        PortfolioMember(skipped, after(failing)),
    )
    started = await portfolio.start(RECOVERY)
    await portfolio.until(failing, MemberStatus.FAILED)
    waiting = await portfolio.until(dependent, MemberStatus.WAITING)
    assert f"portfolio accept {portfolio.portfolio_id} {failing.plan_id}" in waiting.status_reason
    state = await portfolio.portfolios.state(started.execution_id)
    skip, accept = PortfolioMessageName.SKIP_PLAN, PortfolioMessageName.ACCEPT_PLAN
    about = PortfolioMessage(plan=skipped.plan_id, reason="not needed")
    assert "is not started" in str(await portfolio.portfolios.send(state, skip, about))
    with pytest.raises(RefusedError, match="only a plan that is FAILED"):
        await portfolio.portfolios.send(state, accept, PortfolioMessage(plan=dependent.plan_id))
    await portfolio.portfolios.send(state, accept, PortfolioMessage(plan=failing.plan_id))
    ended = await portfolio.end(started.execution_id)
    assert statuses(ended) == [MemberStatus.FAILED, MemberStatus.COMPLETED, MemberStatus.SKIPPED]
    assert ended.status is PlanStatus.PARTIAL
    assert [(m.name, m.plan_id, m.actor) for m in ended.messages if m.accepted] == [
        ("skip_plan", skipped.plan_id, "ops"),
        ("accept_plan", failing.plan_id, "ops"),
    ]


async def test_a_terminated_portfolio_harms_no_plan_and_is_continued_without_a_second_launch(
    env: E2eEnvironment,
) -> None:
    failing_servers = env.aws.servers(1, Outcome="failed-early")
    directory = env.plan(env.wave("Dns"), env.wave("Ldap", "Dns"))
    failing = env.plan(env.wave("Cache"), env.wave("Database", "Cache", servers=failing_servers))
    crm, shop = env.plan(env.wave("App")), env.plan(env.wave("Web"))
    portfolio = Portfolio(
        env,
        PortfolioMember(directory),
        PortfolioMember(failing),
        PortfolioMember(crm, after(directory, wave="ldap")),
        PortfolioMember(shop, after(failing)),
    )
    first = await portfolio.start()
    await portfolio.until(failing, MemberStatus.FAILED)
    await portfolio.handle.terminate("a test")
    env.aws.apply(
        SourceServers=[
            {"SourceServerId": i, "Region": "us-west-2", "AccountId": env.aws.account_id,
             "Outcome": "launched"}
            for i in failing_servers
        ]
    )  # fmt: skip
    closed = await portfolio.portfolios.state(first.execution_id)
    assert closed.is_closed
    assert first.execution_id in closed.outdated_reason
    order = await portfolio.portfolios.continuation(first.execution_id, _DRILL)
    second = await portfolio.portfolios.start(replace(order, confirmation=portfolio.portfolio_id))
    state = await portfolio.end(second.execution_id)
    assert statuses(state) == [MemberStatus.COMPLETED] * 4
    assert state.from_execution == first.execution_id
    assert_launched_once(env, [directory, crm, shop])
    assert len(env.aws.accepted_launches(failing.waves[0].server_ids[0])) == 1
    assert len(env.aws.accepted_launches(failing_servers[0])) == 2


@pytest.mark.slow
async def test_a_worker_that_is_killed_in_the_middle_starts_no_plan_twice(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plans = [env.plan(env.wave("Database"), env.wave("App", "Database")) for _ in range(6)]
    members = [PortfolioMember(plan, after(*plans[: n // 3])) for n, plan in enumerate(plans)]
    portfolio = Portfolio(env, *members)
    await start_worker(env, "doomed")
    started = await portfolio.start()
    await portfolio.until(plans[0], MemberStatus.IN_PROGRESS)
    env.stack.stop_part("doomed", kill=True)
    async with RunningWorkers(env):
        state = await portfolio.end(started.execution_id)
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    assert_launched_once(env, plans)
    for plan in plans:
        runs = f"WorkflowId = '{plan_workflow_id(plan.plan_id)}'"
        assert await env.count_workflows(runs) == 1


@pytest.mark.slow
async def test_a_reset_portfolio_starts_nothing_again(env: E2eEnvironment) -> None:
    plans = [env.plan(env.wave("Database")), env.plan(env.wave("Web"))]
    portfolio = Portfolio(
        env, PortfolioMember(plans[0]), PortfolioMember(plans[1], after(plans[0]))
    )
    started = await portfolio.start()
    await portfolio.until(plans[1], MemberStatus.IN_PROGRESS, MemberStatus.COMPLETED)
    await temporal(
        env, "workflow", "reset", "--workflow-id", portfolio.handle.id,
        "--type", "FirstWorkflowTask", "--reason", "a test",
    )  # fmt: skip
    state = await portfolio.end(started.execution_id)
    assert statuses(state) == [MemberStatus.COMPLETED] * 2
    assert_launched_once(env, plans)


@pytest.mark.slow
async def test_a_plan_that_is_run_again_during_the_portfolio_releases_what_waits_for_it(
    env: E2eEnvironment,
) -> None:
    servers = env.aws.servers(1, Outcome="failed-early")
    failing = env.plan(env.wave("Database", servers=servers), on_failure="CONTINUE")
    dependent = env.plan(env.wave("App"))
    portfolio = Portfolio(env, PortfolioMember(failing), PortfolioMember(dependent, after(failing)))
    started = await portfolio.start(RECOVERY)
    await portfolio.until(failing, MemberStatus.FAILED)
    await env.client.get_workflow_handle(plan_workflow_id(failing.plan_id)).describe()
    env.aws.apply(
        SourceServers=[
            {"SourceServerId": servers[0], "Region": "us-west-2",
             "AccountId": env.aws.account_id, "Outcome": "launched"}
        ]
    )  # fmt: skip
    await env.eventually(lambda: _is_closed(env, failing))
    again = await start_execution(
        env.client, failing, execution_type=ExecutionType.RECOVERY, confirmation=failing.plan_id
    )
    state = await portfolio.end(started.execution_id)
    assert statuses(state) == [MemberStatus.COMPLETED] * 2
    assert state.plans[0].report is not None
    assert state.plans[0].report.execution_id == again
    assert state.plans[0].is_attached


async def _is_closed(env: E2eEnvironment, plan: RecoveryPlan) -> bool:
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    status = (await handle.describe()).status
    return status is not None and status.name != "RUNNING"


@pytest.mark.slow
async def test_a_cancelled_portfolio_cancels_what_it_started_and_leaves_what_ran_already(
    env: E2eEnvironment,
) -> None:
    slow = {"LaunchSeconds": 50_000}
    own, foreign = [env.plan(env.wave("Web", servers=env.aws.servers(1, **slow))) for _ in "ab"]
    later = env.plan(env.wave("App"))
    portfolio = Portfolio(
        env,
        PortfolioMember(own),
        PortfolioMember(foreign),
        PortfolioMember(later, after(own)),
    )
    other = await start_execution(env.client, foreign)
    started = await portfolio.start()
    for plan in (own, foreign):
        await portfolio.until(plan, MemberStatus.IN_PROGRESS)
        await env.until(plan, lambda s: wave_of(s, "Web").status is WaveStatus.IN_PROGRESS)
    state = await portfolio.portfolios.state(started.execution_id)
    assert state.member(foreign.plan_id).report is not None
    with pytest.raises(RefusedError, match="as its confirmation"):
        await portfolio.portfolios.cancel(state, reason="over", confirmation=None)
    await portfolio.portfolios.cancel(state, reason="over", confirmation=portfolio.portfolio_id)
    ended = await portfolio.end(started.execution_id)
    assert ended.status is PlanStatus.CANCELLED
    assert ended.member(own.plan_id).status is MemberStatus.CANCELLED
    assert ended.member(later.plan_id).status is MemberStatus.CANCELLED
    assert "it goes on" in ended.member(foreign.plan_id).status_reason
    running = await execution_state(env.client, foreign.plan_id)
    assert running.execution_id == other
    assert running.status is PlanStatus.IN_PROGRESS
    assert not env.aws.accepted_launches(later.waves[0].server_ids[0])
    await env.client.get_workflow_handle(plan_workflow_id(foreign.plan_id)).terminate()


async def test_where_signatures_are_required_a_forged_portfolio_starts_nothing(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    plan = env.plan(env.wave("Database"))
    unsigned = StartExecution(
        execution_id=new_execution_id(plan.plan_id), plan=plan, started_by="ops",
        start_time=time.time(),
    )  # fmt: skip
    forged = unsigned.model_copy(deep=True)
    forged.signed = await keys.foreign.sign(forged.subject, actor="ops", valid_seconds=3600)
    for start in (unsigned, forged):
        portfolio = Portfolio(env, PortfolioMember(plan))
        input_ = StartPortfolio(
            execution_id=new_execution_id(portfolio.portfolio_id),
            portfolio_id=portfolio.portfolio_id,
            portfolio_name="Forged",
            start_time=time.time(),
            confirmation=portfolio.portfolio_id,
            plans=[
                MemberState(
                    plan_id=plan.plan_id, plan_name="x", priority=3,
                    execution_id=start.execution_id,
                )
            ],
            starts={plan.plan_id: packed_start(start)},
        )  # fmt: skip
        await env.client.start_workflow(
            PortfolioWorkflow.run,
            input_,
            id=portfolio.handle.id,
            task_queue=TASK_QUEUE,
        )
        state = await portfolio.end(input_.execution_id)
        assert statuses(state) == [MemberStatus.FAILED]
    runs = f"WorkflowId = '{plan_workflow_id(plan.plan_id)}'"
    assert await env.count_workflows(runs) == 0
    assert not env.aws.accepted_launches(plan.waves[0].server_ids[0])


@pytest.mark.slow
async def test_a_signed_portfolio_runs_and_takes_signed_messages_only(
    strict: E2eEnvironment, keys: Keys
) -> None:
    env = strict
    first, second = env.plan(env.wave("Database")), env.plan(env.wave("Web"))
    portfolio = Portfolio(env, PortfolioMember(first), PortfolioMember(second, after(first)))
    signed = portfolio.signed_by(keys.api)
    started = await signed.start(portfolio.order())
    state = await signed.state(started.execution_id)
    with pytest.raises((RefusedError, WorkflowUpdateFailedError), match="not signed"):
        await Portfolio(env, *portfolio.members).portfolios.send(
            state, PortfolioMessageName.PAUSE, PortfolioMessage()
        )
    await signed.send(state, PortfolioMessageName.PAUSE, PortfolioMessage(reason="look"))
    await portfolio.until(first, MemberStatus.COMPLETED)
    paused = await portfolio.until(second, MemberStatus.WAITING)
    assert "resume" in paused.status_reason
    await signed.send(state, PortfolioMessageName.RESUME, PortfolioMessage())
    ended = await portfolio.end(started.execution_id)
    assert ended.status is PlanStatus.COMPLETED
    assert [m.actor_verified for m in ended.messages if m.accepted] == [True, True]
    assert_launched_once(env, [first, second])


async def test_a_second_start_of_a_running_portfolio_is_refused(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Web", servers=env.aws.servers(1, LaunchSeconds=50_000)))
    portfolio = Portfolio(env, PortfolioMember(plan))
    await portfolio.start()
    with pytest.raises(RefusedError, match="already running"):
        await start_portfolio(env.client, portfolio.order(), started_by="ops")
    await portfolio.handle.terminate()
    await asyncio.sleep(0)
    with suppress(Exception):
        await env.client.get_workflow_handle(plan_workflow_id(plan.plan_id)).terminate()


async def test_a_continuation_counts_from_the_first_start_and_refuses_what_is_not_recorded(
    env: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_servers = env.aws.servers(1, Outcome="failed-early")
    plan = env.plan(env.wave("Cache"), env.wave("Database", "Cache", servers=failing_servers))
    portfolio = Portfolio(env, PortfolioMember(plan))
    first = await portfolio.start()
    ended = await portfolio.end(first.execution_id)
    order = await portfolio.portfolios.continuation(first.execution_id, _DRILL)
    assert order.counted_from == ended.start_time
    assert order.plans[0].takeover is not None

    async def missing(*_: object) -> None:
        return None

    # As after an outage of DynamoDB: Temporal knows what ran, and the history does not.
    with monkeypatch.context() as patch:
        patch.setattr(continuation, "_latest", missing)
        with pytest.raises(RefusedError, match="may have launched servers"):
            await portfolio.portfolios.continuation(first.execution_id, _DRILL)
    confirmed = replace(order, confirmation=portfolio.portfolio_id)
    second = await portfolio.portfolios.start(confirmed)
    state = await portfolio.end(second.execution_id)
    assert state.declared_time == ended.start_time
    own = await env.recorded(state.plans[0].execution_id)
    assert own.declared_time == ended.start_time
    assert_launched_once(env, [plan.model_copy(update={"waves": plan.waves[:1]})])


async def test_an_execution_of_another_version_is_followed_and_makes_no_completed_portfolio(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    other = plan.model_copy(update={"waves": plan.waves[:1]})
    await start_execution(env.client, other)
    portfolio = Portfolio(env, PortfolioMember(plan))
    started = await portfolio.start()
    state = await portfolio.end(started.execution_id)
    assert state.status is PlanStatus.PARTIAL
    assert "another version than was confirmed" in state.status_reason
    assert not env.aws.accepted_launches(plan.waves[1].server_ids[0])
