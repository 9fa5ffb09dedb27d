"""Makes the report of an execution from what is recorded of it."""

from collections import Counter

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.launch_settings.isolation import isolation_lines
from recovery.plan.model import RecoveryPlan
from recovery.report.action_items import by_due
from recovery.report.decisions import decisions_of
from recovery.report.measurements import measured_rpo, measured_rto
from recovery.report.model import (
    ExecutionReport,
    Method,
    ReportedMessage,
    ReportedNotifications,
    ReportedPlan,
    ReportedTarget,
    ReportRecord,
)
from recovery.report.verdict import verdict_of
from recovery.report.waves import reported_waves
from recovery.steps.state import StepStatus
from recovery.text_format import count, utc_timestamp


def execution_report(
    record: ReportRecord, *, now: float, declared: float | None = None
) -> ExecutionReport:
    """The report of an execution.

    Args:
        record: what is recorded of it.
        now: epoch seconds.
        declared: when it was declared, for this report only (epoch seconds).
    """
    state = record.state
    rto = measured_rto(record, given=declared, now=now)
    rpo = measured_rpo(state)
    return ExecutionReport(
        generated_time=now,
        execution_id=state.execution_id,
        execution_type=state.execution_type,
        status=state.status,
        status_reason=state.status_reason,
        is_over=state.is_over,
        started_by=state.started_by,
        start_time=state.start_time,
        end_time=state.end_time,
        verdict=verdict_of(state, rto, rpo),
        plan=_plan(record),
        method=_method(state, record.plan),
        rto=rto,
        recovery_points=rpo,
        approvals=state.approvals_text,
        senders_verified=state.has_verified_sender,
        waves=reported_waves(state),
        not_tested=[
            f"{wave.wave_name} / {step.step_id} ({step.kind}): {step.reason}"
            for wave in state.waves
            for step in wave.steps
            if step.status is StepStatus.NOT_TESTED
        ],
        decisions=decisions_of(state),
        messages=[
            ReportedMessage(**dict(each), sender=state.sender_of(each)) for each in state.messages
        ],
        action_items=by_due(record.action_items),
        cleanup=state.cleanup,
        not_put_back=state.steps_to_put_back,
        isolation=isolation_lines(state)
        + [
            f"{state.server_label(server.source_server_id)}: {server.network.text}"
            for wave in state.waves
            for server in wave.servers
            if server.network is not None and server.network.text
        ],
        notifications=_notifications(record),
        problems=_problems(record),
    )


def _plan(record: ReportRecord) -> ReportedPlan:
    plan = record.plan
    return ReportedPlan(
        plan_id=plan.plan_id,
        plan_name=plan.plan_name,
        plan_hash=record.state.plan_hash,
        versions=record.versions,
        owner=plan.owner,
        description=plan.description,
        rto=plan.rto,
        rpo=plan.rpo,
        waves=len(plan.waves),
        servers=plan.server_count,
        steps=plan.step_count,
    )


def _method(state: ExecutionState, plan: RecoveryPlan) -> Method:
    targets = Counter((wave.account_id, wave.region) for wave in state.waves)
    method = Method(
        execution_type=state.execution_type,
        servers=sum(len(wave.servers) for wave in state.waves),
        isolated_servers=sum(len(wave.drill_subnets) for wave in state.waves),
        point_in_time=plan.point_in_time,
        targets=[
            ReportedTarget(account_id=account, region=region, waves=number)
            for (account, region), number in targets.items()
        ],
        endpoints=state.endpoints,
        sandbox_speed=state.speed if state.speed != 1 else None,
        from_execution=state.from_execution,
        text=[],
    )
    return method.model_copy(update={"text": _method_text(method)})


def _method_text(method: Method) -> list[str]:
    if method.execution_type is ExecutionType.RECOVERY:
        lines = ["A real recovery"]
    elif not method.isolated_servers:
        lines = ["A drill; no server was launched in an isolated network"]
    elif method.isolated_servers == method.servers:
        lines = ["A drill; every server in an isolated network"]
    else:
        isolated = count(method.isolated_servers, "server")
        lines = [f"A drill; {isolated} of {method.servers} in an isolated network"]
    if method.point_in_time is None:
        lines.append("With the latest data, or the snapshots that the plan names")
    else:
        lines.append(f"To a point in time: {utc_timestamp(method.point_in_time.time)}")
    if method.from_execution is not None:
        lines.append(f"It continued {method.from_execution}, and kept what was up")
    if method.sandbox_speed is not None:
        lines.append(
            f"In a SANDBOX, {method.sandbox_speed:g} times as fast as DRS: a simulation, no "
            "evidence about real servers"
        )
    return lines


def _notifications(record: ReportRecord) -> ReportedNotifications:
    deliveries = record.deliveries
    return ReportedNotifications(
        sent=len(deliveries),
        undelivered=sum(each.error is not None for each in deliveries),
        by_channel=dict(Counter(each.channel for each in deliveries)),
    )


def _problems(record: ReportRecord) -> list[str]:
    state = record.state
    found = list(state.shown_warnings)
    found += [
        f"message to {each.channel} of {utc_timestamp(each.time)} {each.result}"
        for each in record.deliveries
        if each.error is not None
    ]
    found += [
        f"{wave.wave_name}: it is not known whether DRS has the job of launch {launch}"
        for wave in state.waves
        for launch in wave.launches_in_doubt
    ]
    refused = sum(not message.accepted for message in state.messages)
    if refused:
        found.append(f"{count(refused, 'message')} of operators had no effect")
    return found
