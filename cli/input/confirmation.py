"""Asks before anything that cannot be taken back."""

import sys
from collections.abc import Callable, Sequence

import typer

from cli.render.output import notice, stderr_console, warn
from cli.render.tables import finding_table, target_table
from contract.readiness import Readiness, TargetContext
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import RequestRefusal, RequestRefusalCode
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count
from runtime.exit import CliError


def print_start_details(
    plan: RecoveryPlan,
    execution_type: ExecutionType,
    readiness: Readiness | None,
    relaunch: Sequence[str],
    *,
    taken_over: Sequence[str] = (),
) -> None:
    """Show what the operator confirms, on standard error.

    Args:
        plan: what runs.
        execution_type: a drill, or the real thing.
        readiness: what the worker sees; None where it could not be asked.
        relaunch: servers whose live recovery instance may be lost.
        taken_over: servers that an earlier execution brought up.
    """
    console = stderr_console()
    targets: Sequence[TargetContext] = readiness.context.targets if readiness else ()
    console.print()
    console.print(_banner(execution_type), style="bold reverse")
    if targets and all(target.is_sandbox for target in targets):
        console.print(" SANDBOX: the AWS endpoint is on this machine ", style="bold")
    notice("")
    notice(f"Plan     {plan.plan_name} ({plan.plan_id})")
    notice(f"Hash     {plan.plan_hash}")
    kept = len([each for each in taken_over if each not in relaunch])
    waves = count(len(plan.waves), "wave")
    if kept:
        notice(
            f"Keeps    {count(kept, 'server')} that {'is' if kept == 1 else 'are'} recorded as up"
        )
    notice(f"Launches {count(plan.server_count - kept, 'server')} in {waves}")
    notice("")
    if readiness is None:
        warn("the targets could not be looked at; this is what the plan says")
        targets = [
            TargetContext(region=t.region, role_arn=t.role_arn, account_id=t.account_id)
            for t in plan.targets
        ]
    for line in target_table(plan, targets):
        notice(line)
    if readiness is not None and readiness.findings:
        notice("")
        for line in finding_table(plan, readiness):
            notice(line, style="yellow")
    if relaunch:
        notice("")
        notice("These servers are launched even if that DESTROYS a live recovery instance:")
        for server_id in relaunch:
            notice(f"  {server_id}")
    notice("")


def _banner(execution_type: ExecutionType) -> str:
    if execution_type is ExecutionType.RECOVERY:
        return "  R E C O V E R Y   This is not a drill.  "
    return "  D R I L L  "


def refuse_unless(refused: RequestRefusal | None) -> None:
    """Refuse what the rule refuses.

    Raises:
        CliError: with the rule's text.
    """
    if refused is not None:
        raise CliError(refused.text)


def refuse_unconfirmable(
    refusal: Callable[[str | None], RequestRefusal | None], plan_id: str, given: str | None
) -> bool:
    """Refuse a wrong confirmation, or one that can be neither given nor typed, before anything.

    Args:
        refusal: the rule, by what is given as the PlanId.
        plan_id: the PlanId that confirms.
        given: the value of `--confirm`.

    Returns:
        Whether the PlanId is still to be typed.

    Raises:
        CliError: it is refused.
    """
    refused = refusal(given)
    if refused is not None and refused.code is RequestRefusalCode.MISSING:
        if sys.stdin.isatty():
            return True
        raise CliError(
            f"{refused.text}, and there is no terminal to ask on. Pass --confirm {plan_id}"
        )
    refuse_unless(refused)
    return False


def confirmed(
    refusal: Callable[[str | None], RequestRefusal | None],
    plan_id: str,
    given: str | None,
    *,
    what: str = "start it",
) -> str | None:
    """Have the PlanId typed where the rule needs it, or take it from `--confirm`.

    Args:
        refusal: the rule, by what is given as the PlanId.
        plan_id: the PlanId that confirms.
        given: the value of `--confirm`.
        what: what it confirms, in the prompt.

    Returns:
        The PlanId; None where none was needed and none was given.

    Raises:
        CliError: it was not given, or is another one.
    """
    if not refuse_unconfirmable(refusal, plan_id, given):
        return given
    try:
        typed = str(typer.prompt(f"Type the PlanId to {what}", err=True)).strip()
    except typer.Abort:
        raise KeyboardInterrupt from None
    refuse_unless(refusal(typed))
    return typed
