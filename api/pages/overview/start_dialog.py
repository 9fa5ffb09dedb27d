"""What is asked before an execution is started: what it launches, and where."""

from collections.abc import Sequence
from uuid import uuid4

from temporalio.service import RPCError

from api.auth.tokens import Principal
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.service import House, StartRequest
from client.errors import RefusedError, UnreachableError
from client.readiness import check_readiness
from contract.readiness import Finding, Readiness, TargetContext
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import IntendedStart
from recovery.plan.model import RecoveryPlan

_CLEANUPS = {"": None, "3600": 3600.0, "14400": 14_400.0, "86400": 86_400.0}
_MOST_FINDINGS = 100


async def ask_start(house: House, plan_id: str, kind: ExecutionType) -> Dialog:
    """What is asked before a plan's execution.

    Raises:
        ApiProblem: the plan is not registered.
        TableError: it cannot be read.
    """
    registered = await house.plan(plan_id)
    plan, version = registered.plan, registered.version.version
    # A second press of the button, or an answer that got lost, starts nothing more.
    key = uuid4().hex

    async def send(caller: Principal, fields: Fields) -> Outcome:
        real = kind is ExecutionType.RECOVERY
        request = StartRequest(
            execution_type=kind,
            version=version,
            confirmation=fields.get("typed") or None,
            replace_drill=real and fields.get("replace") == "yes",
            cleanup_after_seconds=None if real else _CLEANUPS.get(fields.get("cleanup", "")),
        )
        started = await house.start(caller, plan_id, request, key=key)
        told = f"{kind} {started.execution_id} of {plan.plan_name} has been started."
        address = f"/executions/{started.execution_id}"
        return Outcome(" ".join((told, *started.warnings)), address, "Watch it")

    async def look() -> str:
        return await _as_the_worker_sees_it(house, plan)

    html = render(
        "start",
        plan=plan,
        version=registered.version,
        plan_hash=plan.plan_hash,
        kind=kind,
        typed=plan.plan_id if IntendedStart(plan_id, kind).confirmed_for else None,
        look=_targets(plan, _by_the_plan(plan), checking=True),
    )
    return Dialog(html, send, look)


async def _as_the_worker_sees_it(house: House, plan: RecoveryPlan) -> str:
    try:
        readiness = await check_readiness(await house.client(), plan)
    except (UnreachableError, RefusedError, RPCError) as error:
        return _targets(plan, _by_the_plan(plan), error=str(error))
    targets = readiness.context.targets
    sandbox = bool(targets) and all(target.is_sandbox for target in targets)
    findings = sorted(readiness.findings, key=lambda each: not each.blocks)
    return _targets(plan, targets, findings=findings, sandbox=sandbox, readiness=readiness)


def _by_the_plan(plan: RecoveryPlan) -> list[TargetContext]:
    return [
        TargetContext(region=each.region, role_arn=each.role_arn, account_id=each.account_id)
        for each in plan.targets
    ]


def _targets(
    plan: RecoveryPlan,
    targets: Sequence[TargetContext],
    *,
    findings: Sequence[Finding] = (),
    sandbox: bool = False,
    checking: bool = False,
    error: str = "",
    readiness: Readiness | None = None,
) -> str:
    """The part of the dialog that says where it is launched."""
    return render(
        "targets",
        targets=[(each, _servers(plan, each)) for each in targets],
        names={wave.wave_id: wave.wave_name for wave in plan.waves},
        findings=findings[:_MOST_FINDINGS],
        more=len(findings) - _MOST_FINDINGS,
        sandbox=sandbox,
        checking=checking,
        error=error,
        seen=readiness is not None,
    )


def _servers(plan: RecoveryPlan, target: TargetContext) -> int:
    """How many servers of a plan are launched in a target."""
    return sum(
        len(wave.servers)
        for wave in plan.waves
        if (wave.region, wave.role_arn) == (target.region, target.role_arn)
    )
