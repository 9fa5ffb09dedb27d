"""The servers of a plan that names tags: looked up, shown and confirmed before a start."""

import asyncio
import sys
from typing import Annotated

import typer

from cli.render.output import notice, step, warn
from client.recoveries.chosen import Choice
from recovery.plan.members import TaggedMembership
from recovery.plan.membership import Resolution, membership_facts, resolve, unresolved
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.membership import membership_findings
from recovery.text_format import count
from runtime.exit import CliError

AcceptFindings = Annotated[
    bool,
    typer.Option(
        "--accept-findings",
        help="Start a drill although the look before it finds what blocks, or tags match far "
        "fewer servers than before.",
    ),
]


def look_up_servers(
    choice: Choice, plan: RecoveryPlan, *, is_drill: bool, accept: bool, dry_run: bool = False
) -> tuple[RecoveryPlan, list[Finding]]:
    """The plan with the servers that its tags match; they are printed, with what has changed.

    Args:
        choice: where a worker looks them up.
        plan: the plan; one without tags is returned as it is.
        is_drill: a recovery asks nothing.
        accept: far fewer servers than before are confirmed.
        dry_run: nothing will be started; what keeps a drill from it is a finding.

    Returns:
        The plan, and findings of a dry run about it that a look at it has not.

    Raises:
        CliError: the tags match nothing, or fewer servers were not confirmed.
    """
    if not unresolved(plan):
        return plan, []
    with step(f"Looking up the tags of {count(len(unresolved(plan)), 'wave')}"):
        known = asyncio.run(_read(choice, plan))
    resolution = resolve(plan, known, is_drill=is_drill)
    if known.recorded_error is not None:
        warn(f"the record of the plan's servers: {known.recorded_error}")
    resolved = resolution.plan
    if resolved is None:
        if dry_run:
            # The look finds the same.
            return plan, []
        raise CliError(f"nothing was started: {resolution.problem}")
    print_membership(resolved)
    if dry_run:
        return resolved, list(membership_findings(plan, known))
    if not (is_drill and resolution.shrunk):
        return resolved, []
    _confirm(resolution, accept=accept)
    with step("Recording the servers"):
        again = asyncio.run(_read(choice, plan, accepted=resolved.plan_hash))
    now = resolve(plan, again, is_drill=True).plan
    if now is None or now.plan_hash != resolved.plan_hash:
        raise CliError("nothing was started: the tags match other servers now; start it again")
    return resolved, []


def print_membership(plan: RecoveryPlan) -> None:
    """Print where the servers of a plan with tags come from; nothing for other plans."""
    if facts := membership_facts(plan):
        notice("", *(f"{name:<9}{text}" for name, text in facts.items()), "")


def _confirm(resolution: Resolution, *, accept: bool) -> None:
    """Ask whether the smaller plan is meant.

    Raises:
        CliError: it is not, or there is no terminal to ask on.
    """
    for each in resolution.shrunk:
        warn(each)
    if accept:
        return
    refused = "nothing was started: the plan has far fewer servers than before"
    if not sys.stdin.isatty():
        raise CliError(
            f"{refused}, and there is no terminal to ask on. Correct the tags in DRS, or pass "
            "--accept-findings"
        )
    try:
        is_confirmed = typer.confirm("Start the drill with fewer servers?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_confirmed:
        raise CliError(refused)


async def _read(
    choice: Choice, plan: RecoveryPlan, *, accepted: str | None = None
) -> TaggedMembership:
    async with choice() as recoveries:
        return await recoveries.membership(plan, accepted=accepted)
