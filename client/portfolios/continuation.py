"""What continues an ended execution of a portfolio: each plan by what became of it."""

from temporalio.client import Client

from activities.portfolio.plan_execution import FoundExecution, read_state, settled_execution
from client.errors import RefusedError
from client.portfolios.order import OrderedPlan, PortfolioOrder
from client.takeover import earlier_with_servers, has_launched_nothing
from contract.execution import Takeover
from contract.portfolio.start import unpacked_start
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.model import PortfolioMember
from recovery.portfolio.report import report_of
from recovery.portfolio.state import MemberState, PlanReport, PortfolioState
from storage.portfolios import PortfolioTable

_LATEST = 10


async def continued_order(
    client: Client,
    table: PortfolioTable,
    state: PortfolioState,
    execution_type: ExecutionType,
) -> PortfolioOrder:
    """The start that continues an execution of a portfolio.

    A plan that is up is kept, one that runs is followed, one that ended otherwise is continued as
    `run --from` does, and one that was never started is started.

    Raises:
        RefusedError: it is of the other type.
        HistoryError: the history cannot be read.
    """
    if state.execution_type is not execution_type:
        option = "add --recovery" if execution_type is ExecutionType.DRILL else "omit --recovery"
        raise RefusedError(
            f"nothing was started: {state.execution_id} is a {state.execution_type}; {option}"
        )
    starts = await _all_starts(table, state)
    plans = [await _continued(client, table, state, each, starts) for each in state.plans]
    return PortfolioOrder(
        portfolio_id=state.portfolio_id,
        portfolio_name=state.portfolio_name,
        execution_type=execution_type,
        plans=plans,
        deadline_seconds=state.deadline_seconds,
        point_in_time=state.point_in_time,
        from_execution=state.execution_id,
        continued_from=state.counted_from,
    )


async def _all_starts(table: PortfolioTable, state: PortfolioState) -> dict[str, str]:
    """The starts of its plans; those that it kept from an earlier execution have theirs there."""
    starts = await table.starts(state.execution_id)
    earlier, seen = state.from_execution, {state.execution_id}
    while earlier is not None and earlier not in seen and len(starts) < len(state.plans):
        seen.add(earlier)
        starts = {**await table.starts(earlier), **starts}
        before = await table.portfolio(earlier)
        earlier = before.from_execution if before else None
    return starts


async def _continued(
    client: Client,
    table: PortfolioTable,
    state: PortfolioState,
    member: MemberState,
    starts: dict[str, str],
) -> OrderedPlan:
    packed = starts.get(member.plan_id)
    frozen = unpacked_start(packed).plan if packed else None
    running = await settled_execution(client, member.plan_id)
    latest = await _latest(table, state, member)
    is_same = running is not None and running.execution_type is state.execution_type
    if running is not None and running.is_running and is_same:
        plan = latest[1] if latest else frozen
        report = PlanReport(execution_id=running.execution_id, execution_type=state.execution_type)
        return OrderedPlan(_member(plan, member), report=report)
    if latest is None:
        if running is not None and _is_of_portfolio(running, state, member):
            await _require_unlaunched(client, member, running)
        return OrderedPlan(_member(frozen, member))
    recorded, plan = latest
    if recorded.status in (PlanStatus.COMPLETED, PlanStatus.PARTIAL):
        awaited = [wave.wave_id for wave in plan.waves]
        report = report_of(recorded, awaited, now=recorded.end_time or recorded.start_time)
        return OrderedPlan(_member(plan, member), report=report)
    if has_launched_nothing(recorded):
        # What it continued may have servers that are up; those of an older run are not the plan's.
        earlier = await earlier_with_servers(recorded, plan)
        if earlier is None or not (
            recorded.from_execution or earlier[0].start_time >= state.start_time
        ):
            return OrderedPlan(_member(plan, member))
        recorded = earlier[0]
    takeover = Takeover(execution_id=recorded.execution_id, since=recorded.start_time)
    return OrderedPlan(_member(plan, member), takeover=takeover)


def _is_of_portfolio(found: FoundExecution, state: PortfolioState, member: MemberState) -> bool:
    is_same_type = found.execution_type is state.execution_type
    is_later = found.start_time >= state.start_time and is_same_type
    return found.execution_id == member.current_execution_id or is_later


async def _require_unlaunched(client: Client, member: MemberState, found: FoundExecution) -> None:
    """Refuse to start a plan again of whose execution the history does not know what is up."""
    known = await read_state(client, member.plan_id, found.run_id)
    if isinstance(known, str) or not has_launched_nothing(known):
        raise RefusedError(
            f"nothing was started: the history does not have {found.execution_id} yet, which may "
            f"have launched servers of {member.plan_id}; try again once DynamoDB answers"
        )


async def _latest(
    table: PortfolioTable, state: PortfolioState, member: MemberState
) -> tuple[ExecutionState, RecoveryPlan] | None:
    """The last execution of a plan that belongs to the portfolio's execution.

    Raises:
        HistoryError: it cannot be read.
    """
    own = member.current_execution_id
    for each in await table.executions(plan_id=member.plan_id, limit=_LATEST):
        is_later = each.start_time >= state.start_time
        is_same_type = each.execution_type is state.execution_type
        if each.execution_id == own or (is_later and is_same_type):
            return await table.execution(each.execution_id)
    return None


def _member(plan: RecoveryPlan | None, member: MemberState) -> PortfolioMember:
    if plan is None:
        raise RefusedError(
            f"nothing was started: the history has no start of {member.plan_id}; run the "
            "portfolio again without --from"
        )
    return PortfolioMember(plan, tuple(member.depends_on), member.priority)
