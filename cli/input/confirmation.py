"""Asks the operator to confirm what cannot be undone."""

import sys
from collections.abc import Callable, Collection

import typer

from cli.render.output import notice, stderr_console, warn
from cli.render.tables import finding_table, found_line, target_table
from client.connection import DEFAULT_ADDRESS
from client.readiness.check import launch_lines, sources_text
from client.takeover import PreviousExecution
from contract.readiness import Readiness, TargetContext
from recovery.execution.server import server_label
from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import (
    IntendedStart,
    RequestRefusal,
    RequestRefusalCode,
    findings_refusal,
)
from recovery.plan.model import RecoveryPlan
from runtime.exit import CliError

# Why a PlanId, or none, is refused as the confirmation; None if it is not.
ConfirmationRule = Callable[[str | None], RequestRefusal | None]
RECOVERY_BANNER = "  RECOVERY. This is not a drill.  "


def print_start_details(
    plan: RecoveryPlan,
    execution_type: ExecutionType,
    readiness: Readiness | None,
    relaunch: Collection[str],
    *,
    place: str,
    previous: PreviousExecution | None = None,
) -> None:
    """Print what the operator confirms to standard error.

    Args:
        plan: the plan.
        execution_type: of the start.
        readiness: what the worker found; None if the check failed.
        relaunch: servers whose live recovery instance may be destroyed.
        place: which Temporal it starts on.
        previous: the execution that it continues.
    """
    console = stderr_console()
    targets = readiness.context.targets if readiness else []
    is_recovery = execution_type is ExecutionType.RECOVERY
    console.print()
    console.print(RECOVERY_BANNER if is_recovery else "  DRILL  ", style="bold reverse")
    if targets and all(target.is_sandbox for target in targets):
        console.print(" SANDBOX: the AWS endpoint is on this machine ", style="bold")
    notice("", f"Plan     {plan.plan_name} ({plan.plan_id})", f"Hash     {plan.plan_hash}")
    notice(f"On       {place}")
    notice(*launch_lines(plan, readiness, relaunch, previous))
    if is_recovery:
        notice(f"Sources  {sources_text(readiness)}", style="bold yellow")
    notice("")
    _print_targets(plan, readiness, relaunch)
    kept = previous.up if previous is not None else []
    if destroyed := [server_id for server_id in relaunch if server_id not in kept]:
        notice("", "These servers are launched even if that DESTROYS a live recovery instance:")
        findings = readiness.findings if readiness else []
        names = {f.source_server_id: f.server_name for f in findings}
        notice(*(f"  {server_label(each, names.get(each))}" for each in destroyed))
    notice("")


def _print_targets(
    plan: RecoveryPlan, readiness: Readiness | None, relaunch: Collection[str]
) -> None:
    if readiness is None:
        warn("the targets could not be checked; these are the targets of the plan")
        targets = [
            TargetContext(region=t.region, role_arn=t.role_arn, account_id=t.account_id)
            for t in plan.targets
        ]
    else:
        targets = readiness.context.targets
    notice(*target_table(plan, targets))
    if readiness is not None:
        # What is launched all the same is listed below.
        findings = [f for f in readiness.findings if f.source_server_id not in relaunch]
        readiness = readiness.model_copy(update={"findings": findings})
    if readiness is not None and readiness.findings:
        notice("", found_line(readiness), *finding_table(plan, readiness.findings), style="yellow")


def require_accepted(
    plan: RecoveryPlan, readiness: Readiness, start: IntendedStart, *, is_accepted: bool
) -> bool:
    """Ask, on a terminal, whether a drill is started with what was found.

    Returns:
        Whether the findings are accepted.

    Raises:
        CliError: it is not started with them.
    """
    found = readiness.findings
    refusal = findings_refusal(start, found, is_accepted=is_accepted)
    if refusal is None:
        return is_accepted
    if not start.shows_targets:
        notice("", found_line(readiness), *finding_table(plan, found), "", style="yellow")
    if refusal.code is not RequestRefusalCode.FINDINGS_NOT_ACCEPTED:
        raise CliError(refusal.text)
    if not sys.stdin.isatty():
        raise CliError(f"{refusal.text}. Pass --accept-findings")
    try:
        is_accepted = typer.confirm("Start the drill with these findings?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_accepted:
        raise CliError("nothing was started: the findings were not accepted")
    return True


def confirm_default_temporal() -> None:
    """Ask, on a terminal, before a start on a Temporal that nobody configured.

    Raises:
        CliError: the operator said no; nothing was started.
    """
    if not sys.stdin.isatty():
        return
    question = (
        f"Neither TEMPORAL_ADDRESS nor a profile says which Temporal to use. Start on "
        f"{DEFAULT_ADDRESS}?"
    )
    try:
        is_confirmed = typer.confirm(question, err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_confirmed:
        raise CliError(
            "nothing was started. Set TEMPORAL_ADDRESS, or `source .sandbox/env` for a sandbox"
        )


def raise_if_refused(refusal: RequestRefusal | None) -> None:
    """Raise the refusal, if there is one, as an error of the command line."""
    if refusal is not None:
        raise CliError(refusal.text)


def check_confirmation(rule: ConfirmationRule, confirmation: str, given: str | None) -> bool:
    """Refuse a wrong confirmation, or a missing one if there is no terminal to ask on.

    Returns:
        Whether the operator must type it.
    """
    refusal = rule(given)
    if refusal is not None and refusal.code is RequestRefusalCode.MISSING:
        if sys.stdin.isatty():
            return True
        raise CliError(
            f"{refusal.text}, and there is no terminal to ask on. Pass --confirm {confirmation}"
        )
    raise_if_refused(refusal)
    return False


def require_confirmation(
    rule: ConfirmationRule,
    confirmation: str,
    given: str | None,
    *,
    what: str = "start it",
    name: str = "the PlanId",
) -> str | None:
    """Take the confirmation from `--confirm`, or ask for it where the rule needs it.

    Args:
        rule: says whether it is needed, and right.
        confirmation: what must be given or typed, mostly the PlanId.
        given: by the option.
        what: what it confirms.
        name: of the confirmation, for the prompt.

    Returns:
        The confirmation; None if none is needed and none was given.

    Raises:
        CliError: it is missing or is another one.
    """
    if not check_confirmation(rule, confirmation, given):
        return given
    try:
        typed = str(typer.prompt(f"Type {name} to {what}", err=True)).strip()
    except typer.Abort:
        raise KeyboardInterrupt from None
    raise_if_refused(rule(typed))
    return typed
