"""The dialog that starts an execution; it shows what is launched and where."""

from collections.abc import Sequence
from uuid import uuid4

from api.auth.tokens import Principal
from api.execution_starter import StartRequest
from api.hub import POLL_ERRORS
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.service import ExecutionService
from client.readiness import check_readiness
from contract.readiness import Finding, TargetContext
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import IntendedStart
from recovery.plan.model import RecoveryPlan

_CLEANUPS = {"": None, "3600": 3600.0, "14400": 14_400.0, "86400": 86_400.0}
_MAX_FINDINGS = 100


async def start_dialog(service: ExecutionService, plan_id: str, kind: ExecutionType) -> Dialog:
    """The dialog that starts an execution of a plan.

    Raises:
        ApiProblem: the plan is not registered.
        TableError: the plan cannot be read.
    """
    registered = await service.plan(plan_id)
    plan = registered.plan

    async def send(caller: Principal, fields: Fields) -> Outcome:
        is_recovery = kind is ExecutionType.RECOVERY
        request = StartRequest(
            execution_type=kind,
            # What the dialog showed; a newer version may have been registered since.
            version=int(fields.get("version", "0")),
            confirmation=fields.get("typed") or None,
            replace_drill=is_recovery and fields.get("replace") == "yes",
            cleanup_after_seconds=None if is_recovery else _CLEANUPS.get(fields.get("cleanup", "")),
        )
        result = await service.starter.start(caller, plan_id, request, key=fields["key"])
        text = f"{kind} {result.execution_id} of {plan.plan_name} has been started."
        return Outcome(" ".join((text, *result.warnings)), f"/executions/{result.execution_id}")

    html = render(
        "start_dialog",
        plan=plan,
        version=registered.version,
        plan_hash=plan.plan_hash,
        kind=kind,
        # A second click, or a retry after a lost response, starts nothing.
        key=uuid4().hex,
        typed=plan.plan_id if IntendedStart(plan_id, kind).confirmed_for else None,
        details=_targets(plan, _planned_targets(plan)),
    )
    return Dialog(html, send, lambda: _checked_targets(service, plan))


async def _checked_targets(service: ExecutionService, plan: RecoveryPlan) -> str:
    try:
        readiness = await check_readiness(await service.client(), plan)
    except POLL_ERRORS as error:
        return _targets(plan, _planned_targets(plan), error=str(error))
    findings = sorted(readiness.findings, key=lambda each: not each.blocks)
    return _targets(plan, readiness.context.targets, findings=findings, is_checked=True)


def _planned_targets(plan: RecoveryPlan) -> list[TargetContext]:
    return [
        TargetContext(region=each.region, role_arn=each.role_arn, account_id=each.account_id)
        for each in plan.targets
    ]


def _targets(
    plan: RecoveryPlan,
    targets: Sequence[TargetContext],
    *,
    findings: Sequence[Finding] = (),
    is_checked: bool = False,
    error: str = "",
) -> str:
    """Render the targets of a plan, with the findings of the readiness check.

    Args:
        plan: the plan.
        targets: its targets, as the plan or the worker says.
        findings: what the check found.
        is_checked: whether the check has ended.
        error: why it failed.
    """
    return render(
        "targets",
        targets=[(each, _servers(plan, each)) for each in targets],
        names={wave.wave_id: wave.wave_name for wave in plan.waves},
        findings=findings[:_MAX_FINDINGS],
        more=len(findings) - _MAX_FINDINGS,
        is_sandbox=bool(targets) and all(each.is_sandbox for each in targets),
        is_checked=is_checked,
        error=error,
    )


def _servers(plan: RecoveryPlan, target: TargetContext) -> int:
    """The number of servers that a plan launches in a target."""
    return sum(
        len(wave.servers)
        for wave in plan.waves
        if (wave.region, wave.role_arn) == (target.region, target.role_arn)
    )
