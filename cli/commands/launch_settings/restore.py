"""`launch-settings restore`: the launch templates of isolated drills, without Temporal."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from aws.errors import AwsError
from aws.targets import TargetClients
from cli.commands.validate import read_all
from cli.render.output import notice, show, step, warn
from cli.render.tables import aligned
from client.launch_settings.restore import (
    HeldTemplate,
    StillNeededError,
    TemplateRestorer,
    restore_targets,
)
from recovery.text_format import count
from runtime.exit import CliError, ExitCode
from settings import get_settings


def restore(
    plan: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="Only the servers of this plan.")
    ] = None,
    *,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="Only this Region.")
    ] = None,
    role_arn: Annotated[
        str | None, typer.Option("--role-arn", metavar="ARN", help="The role to assume there.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also where the drill's job would then launch into production."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Restore the launch templates that isolated drills have changed.

    Workers do this themselves. This is for the day when none runs: it needs AWS
    credentials only. It makes the version before the drill the default, and
    deletes the drill's versions. Without PLAN, it looks at the default and the
    latest version of all templates of the Region.

    \b
    Examples:
      drs-waves launch-settings restore --region us-west-2
      drs-waves launch-settings restore crm.yaml
    \b
    Exit codes: 0 nothing of a drill is left, 1 something is left, 2 refused,
    5 AWS cannot be reached.
    """
    (read,) = read_all([plan]) if plan else (None,)
    try:
        targets = restore_targets(read.plan if read else None, region, role_arn)
    except ValueError as error:
        raise CliError(f"nothing was changed: {error}") from None
    restorer = TemplateRestorer(TargetClients(get_settings()))

    async def look() -> list[HeldTemplate]:
        return [e for target, ids in targets for e in await restorer.held(target, ids)]

    with step("Looking for templates of drills"):
        held = asyncio.run(look())
    if not held:
        show("No launch template has a drill's version.")
        return
    notice(*_table(held))
    needed = [each for each in held if each.needed]
    if needed and not force:
        raise CliError(
            f"nothing was changed: {needed[0].source_server_id}: {needed[0].needed}, so the drill "
            "would launch with production's settings. Wait, or add --force"
        )
    _ask(len(held), yes=yes)
    if not asyncio.run(_restore(restorer, held, force=force)):
        raise typer.Exit(ExitCode.FAILED)


def _table(held: list[HeldTemplate]) -> list[str]:
    rows = [
        (
            each.source_server_id,
            each.template_id,
            f"{each.default_version} → {each.restore_version}",
            each.execution_id,
            each.needed or (f"job {each.job_id} runs" if each.job_id else ""),
        )
        for each in held
    ]
    return aligned(rows, heading=("SERVER", "TEMPLATE", "DEFAULT", "DRILL", ""))


def _ask(number: int, *, yes: bool) -> None:
    """Ask, unless that is answered already.

    Raises:
        CliError: the answer is no, or nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError("nothing was changed: there is no terminal to ask on. Pass --yes")
    try:
        is_confirmed = typer.confirm(f"Restore {count(number, 'launch template')}?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_confirmed:
        raise CliError("nothing was changed")


async def _restore(restorer: TemplateRestorer, held: list[HeldTemplate], *, force: bool) -> bool:
    """Restore each template; whether nothing is left."""
    is_over = True
    for each in held:
        try:
            result = await restorer.restore(each, force=force)
        except (AwsError, StillNeededError) as error:
            warn(f"{each.source_server_id} ({each.template_id}): {error}")
            is_over = False
            continue
        problems = [] if result is None else result.problems
        for problem in problems:
            warn(problem)
        number = each.restore_version if result is None else result.default_version
        is_done = result is None or result.is_over
        is_over = is_over and is_done and not problems
        left = "" if is_done else "; DRS's own settings are restored after the job: repeat it then"
        show(f"{each.source_server_id}: {each.template_id} version {number} is the default{left}")
    return is_over
