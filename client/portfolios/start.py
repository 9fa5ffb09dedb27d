"""Starts a portfolio: one call to Temporal with the signed starts of all its plans."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from client.connection import explained_errors, temporal_place
from client.errors import RefusedError
from client.executions import describe_workflow
from client.portfolios.order import OrderedPlan, PortfolioOrder, StartedPortfolio
from client.start import cancel_drill
from client.workers import idle_reason
from contract.execution import StartExecution
from contract.identifiers import (
    EXECUTION_ID_KEY,
    EXECUTION_TYPE_KEY,
    new_execution_id,
    portfolio_workflow_id,
    search_attributes,
)
from contract.portfolio.start import MAX_INPUT_BYTES, StartPortfolio, packed_start
from contract.temporal import RPC_TIMEOUT, TASK_QUEUE
from recovery.access.grants import DAY_SECONDS
from recovery.execution.state import ExecutionType, PlanStatus, needs_signature
from recovery.launch.admission import DEFAULT_PRIORITY
from recovery.operator.confirmation import (
    IntendedStart,
    RequestRefusalCode,
    accepted_texts,
    findings_refusal,
    portfolio_refusal,
    start_options_refusal,
)
from recovery.plan.members import TaggedMembership
from recovery.plan.membership import resolve, unresolved_problem
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import points_problem
from recovery.portfolio.model import portfolio_problems
from recovery.portfolio.state import MemberState, MemberStatus
from recovery.readiness.finding import Finding
from recovery.text_format import count
from security.signers import RequestSigner
from workflows.portfolio.workflow import PortfolioWorkflow

_SIGNATURES_AT_ONCE = 8
_TASK_TIMEOUT = timedelta(seconds=60)


async def start_portfolio(
    client: Client,
    order: PortfolioOrder,
    *,
    started_by: str,
    execution_id: str | None = None,
    signer: RequestSigner | None = None,
) -> StartedPortfolio:
    """Start a portfolio.

    Args:
        client: Temporal's.
        order: what to start.
        started_by: the starter.
        execution_id: its ID; default: a new one.
        signer: signs the start of each plan; default: they are not signed.

    Raises:
        RefusedError: it is refused, or is already running; nothing was started.
        UnreachableError: Temporal did not answer.
    """
    require_valid(order, is_signed=signer is not None)
    now = time.time()
    plans = [_member_state(each, order) for each in order.plans]
    slots = asyncio.Semaphore(_SIGNATURES_AT_ONCE)

    async def packed(each: OrderedPlan, state: MemberState) -> str:
        async with slots:
            start = await _plan_start(each, state, order, signer, by=(started_by, now))
            return packed_start(start)

    new = [(each, state) for each, state in zip(order.plans, plans, strict=True) if not each.report]
    async with explained_errors():
        texts = await asyncio.gather(*(packed(each, state) for each, state in new))
    starts = {state.plan_id: text for (_, state), text in zip(new, texts, strict=True)}
    start = StartPortfolio(
        execution_id=execution_id or new_execution_id(order.portfolio_id),
        portfolio_id=order.portfolio_id,
        portfolio_name=order.portfolio_name,
        execution_type=order.execution_type,
        started_by=started_by,
        start_time=now,
        declared_time=order.counted_from,
        confirmation=order.confirmation,
        replace_drills=order.replace_drills,
        deadline_seconds=order.deadline_seconds,
        point_in_time=order.point_in_time,
        from_execution=order.from_execution,
        expected_seconds=order.expected.seconds if order.expected else None,
        is_signed=signer is not None,
        plans=plans,
        starts=starts,
    )
    _require_size(start)
    if order.replace_drills:
        await _replace_drills(client, order.portfolio_id)
    await _begin(client, start)
    started = StartedPortfolio(
        execution_id=start.execution_id,
        portfolio_id=start.portfolio_id,
        temporal=temporal_place(client),
    )
    if idle := await idle_reason(client):
        started.is_queued = True
        started.warnings.append(f"it has not started yet. {idle}")
    return started


def _require_size(start: StartPortfolio) -> None:
    if (size := len(start.model_dump_json().encode())) > MAX_INPUT_BYTES:
        raise RefusedError(
            f"nothing was started: the plans of {start.portfolio_id} are {size:,} bytes together, "
            f"and a portfolio takes {MAX_INPUT_BYTES:,}; split it into several portfolios"
        )


@dataclass(frozen=True)
class RunningPortfolio:
    """A running execution of a portfolio, as read from Temporal without a worker."""

    execution_id: str
    run_id: str
    is_drill: bool


async def running_portfolio(client: Client, portfolio_id: str) -> RunningPortfolio | None:
    """The running execution of a portfolio; None if there is none.

    Raises:
        UnreachableError: Temporal did not answer.
    """
    try:
        found = await describe_workflow(client, portfolio_workflow_id(portfolio_id))
    except RefusedError:
        return None
    if found.status is not WorkflowExecutionStatus.RUNNING:
        return None
    known = found.typed_search_attributes
    is_drill = known.get(EXECUTION_TYPE_KEY) == ExecutionType.DRILL
    return RunningPortfolio(known.get(EXECUTION_ID_KEY, ""), found.run_id, is_drill)


async def _replace_drills(client: Client, portfolio_id: str) -> None:
    """Cancel the portfolio's own running drills; those of each plan are left to its workflow."""
    running = await running_portfolio(client, portfolio_id)
    if running is not None and running.is_drill:
        workflow_id = portfolio_workflow_id(portfolio_id)
        await cancel_drill(client, workflow_id, running.run_id, running.execution_id)


async def _begin(client: Client, start: StartPortfolio) -> None:
    plans = count(len(start.plans), "plan")
    try:
        async with explained_errors():
            await client.start_workflow(
                PortfolioWorkflow.run,
                start,
                id=portfolio_workflow_id(start.portfolio_id),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                task_timeout=_TASK_TIMEOUT,
                rpc_timeout=RPC_TIMEOUT,
                static_summary=f"{start.execution_type} of {start.portfolio_name}: {plans}"[:190],
                search_attributes=search_attributes(
                    start.portfolio_id,
                    start.execution_id,
                    start.execution_type,
                    PlanStatus.IN_PROGRESS,
                ),
            )
    except WorkflowAlreadyStartedError as error:
        raise already_running_error(start.portfolio_id) from error


def already_running_error(portfolio_id: str) -> RefusedError:
    """The error for the start of a portfolio that is running."""
    return RefusedError(
        f"nothing was started: portfolio {portfolio_id} is already running; one execution of a "
        "portfolio runs at a time",
        command=f"Watch it with `drs-waves portfolio watch {portfolio_id}`",
        request=f"Its state is /api/portfolios/{portfolio_id}",
    )


def require_valid(order: PortfolioOrder, *, is_signed: bool, is_confirmed: bool = True) -> None:
    """Refuse what could not be started, before anything is.

    Raises:
        RefusedError: with all problems.
    """
    options = IntendedStart(
        order.portfolio_id,
        order.execution_type,
        replaces_drill=order.replace_drills,
        declared=order.declared,
        now=time.time(),
    )
    if (refusal := start_options_refusal(options)) is not None:
        raise RefusedError(refusal.text)
    problems = portfolio_problems([each.member for each in order.plans])
    for plan in order.to_start:
        intended = IntendedStart(
            plan.plan_id,
            order.execution_type,
            needs_signature=needs_signature(plan, order.execution_type),
            members_problem=unresolved_problem(plan),
            points_problem=points_problem(plan, now=time.time()),
            is_signed=is_signed,
        )
        refusal = start_options_refusal(intended)
        if refusal is not None:
            problems.append(refusal.text.removeprefix("nothing was started: "))
    if not problems and not order.to_start:
        problems = ["every plan of it runs or is up"]
    if problems:
        listed = problems[0] if len(problems) == 1 else "\n  ".join(["", *problems])
        raise RefusedError(f"nothing was started: {listed}")
    if not is_confirmed:
        return
    refused = portfolio_refusal(order.portfolio_id, order.execution_type, order.confirmation)
    if refused is not None:
        raise RefusedError(refused.text)


def with_findings(
    order: PortfolioOrder, found: Mapping[str, Sequence[Finding]], *, is_accepted: bool
) -> PortfolioOrder:
    """An order with what was found in the plans of its drills, accepted.

    What refuses one plan's drill, the worker refuses by itself; the other plans go on.

    Args:
        order: the start.
        found: by PlanId, what a look at each plan has found.
        is_accepted: whether somebody accepts it.

    Raises:
        RefusedError: somebody has to accept it; with all findings.
    """
    if order.execution_type is ExecutionType.RECOVERY:
        return order
    refused, accepted = [], {}
    for plan in order.to_start:
        findings = found.get(plan.plan_id, ())
        intended = IntendedStart(plan.plan_id, order.execution_type)
        refusal = findings_refusal(intended, findings, is_accepted=is_accepted)
        if refusal and refusal.code is RequestRefusalCode.FINDINGS_NOT_ACCEPTED:
            refused.append(f"{plan.plan_id}: {refusal.text.removeprefix('nothing was started: ')}")
        accepted[plan.plan_id] = accepted_texts(findings)
    if refused:
        raise RefusedError(
            "\n  ".join(["nothing was started:", *refused]),
            command="Pass --accept-findings",
            request='Send "AcceptFindings": true',
        )
    return replace(order, accepted=accepted)


def with_servers(plan: RecoveryPlan, known: TaggedMembership, *, is_drill: bool) -> RecoveryPlan:
    """A plan with the servers that its tags match.

    Raises:
        RefusedError: they match none, or in a drill far fewer than before.
    """
    resolution = resolve(plan, known, is_drill=is_drill)
    problem = resolution.problem
    if is_drill and resolution.shrunk:
        problem = f"{'; '.join(resolution.shrunk)}. Correct the tags in DRS, or run the plan alone"
    if resolution.plan is None or (is_drill and resolution.shrunk):
        raise RefusedError(f"nothing was started: {plan.plan_id}: {problem}")
    return resolution.plan


def _member_state(each: OrderedPlan, order: PortfolioOrder) -> MemberState:
    plan = each.member.plan
    expected = order.expected.plans if order.expected else []
    alone = {one.plan_id: one.seconds_alone for one in expected}
    state = MemberState(
        plan_id=plan.plan_id,
        plan_name=plan.plan_name,
        plan_hash=plan.plan_hash,
        depends_on=list(each.member.depends_on),
        priority=each.member.priority or plan.priority or DEFAULT_PRIORITY,
        rto=plan.rto,
        waves=len(plan.waves),
        servers=plan.server_count,
        expected_seconds=alone.get(plan.plan_id),
        execution_id=each.report.execution_id if each.report else new_execution_id(plan.plan_id),
    )
    if each.report is not None:
        state.has_started, state.report = True, each.report
        state.status = MemberStatus(each.report.status.value)
        state.status_reason = each.report.status_reason
    return state


async def _plan_start(
    each: OrderedPlan,
    state: MemberState,
    order: PortfolioOrder,
    signer: RequestSigner | None,
    *,
    by: tuple[str, float],
) -> StartExecution:
    """The start of a plan's own execution, signed where there is a key; `by` is who, and when."""
    started_by, now = by
    plan, is_recovery = each.member.plan, order.execution_type is ExecutionType.RECOVERY
    start = StartExecution(
        execution_id=state.execution_id,
        plan=plan,
        execution_type=order.execution_type,
        started_by=started_by,
        start_time=now,
        # Its RTO counts from the portfolio's start, or from that of the one it continues.
        declared_time=now if order.counted_from is None else order.counted_from,
        confirmation=plan.plan_id if is_recovery else None,
        takeover=each.takeover,
        accepted_findings=list(order.accepted.get(plan.plan_id, ())),
    )
    if signer is not None:
        valid = order.deadline_seconds + plan.deadline_seconds + DAY_SECONDS
        start.signed = await signer.sign(start.subject, actor=started_by, valid_seconds=valid)
    return start
