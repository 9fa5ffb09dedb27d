"""`launch-settings diff`, `export` and `apply`."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import yaml

from cli.commands.launch_settings.tables import applied_lines, difference_lines
from cli.commands.validate import Confirmation, Follow, Json, read_all
from cli.input.break_glass import BreakGlass, KeyPath, offline_signer
from cli.input.confirmation import require_confirmation
from cli.render.output import notice, show, step, warn, write_json
from client.errors import UnreachableError
from client.launch_settings.chosen import LaunchSettingsAccess, launch_settings
from recovery.launch_settings.export import exported_waves, with_notes
from recovery.launch_settings.report import ApplyState, ApplyStatus, ServerSettings
from recovery.operator.confirmation import launch_settings_refusal
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count
from runtime.exit import ExitCode
from settings import get_settings

_POLL_SECONDS = 1.0

Access = Callable[[], AbstractAsyncContextManager[LaunchSettingsAccess]]
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file, YAML or JSON.")]


def diff(plan: PlanFile, json: Json = False) -> None:
    """Compare what DRS and EC2 have with what a plan wants.

    A worker reads each server's launch configuration and launch template. What
    the plan leaves out is not compared. Nothing is changed.

    \b
    Examples:
      drs-waves launch-settings diff crm.yaml
      drs-waves launch-settings diff crm.yaml --json
    \b
    Exit codes: 0 DRS and EC2 have what the plan wants, 1 they do not, or a server
    could not be read, 2 the plan is wrong, 5 Temporal or AWS cannot be reached.
    """
    (read,) = read_all([plan])
    found = _read(read.plan)
    if json:
        write_json(found)
    else:
        show(*difference_lines(found))
    if not all(each.is_as_wanted for each in found):
        raise typer.Exit(ExitCode.FAILED)


def export(plan: PlanFile) -> None:
    """Print what DRS and EC2 have, to copy into a plan.

    Servers that an isolated drill launches at the moment are left out. Comments
    say what a plan cannot name, or should not.

    \b
    Example:
      drs-waves launch-settings export crm.yaml > settings.yaml
    \b
    Exit codes: 0 printed, 1 a server could not be read, 2 the plan is wrong,
    5 Temporal or AWS cannot be reached.
    """
    (read,) = read_all([plan])
    found = _read(read.plan)
    missing = False
    for each in found:
        reason = each.problem or each.held
        missing = missing or reason is not None
        if reason is not None or each.found is None:
            warn(f"{each.source_server_id} is left out: {reason}")
    content = {"Waves": exported_waves(found)}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    show(*with_notes(text.splitlines(), found))
    if missing:
        raise typer.Exit(ExitCode.FAILED)


def apply(
    plan: PlanFile,
    *,
    confirm_id: Confirmation = None,
    watch: Follow = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Give DRS and EC2 the launch settings that a plan names.

    It shows the differences and asks for the PlanId. Each launch template that
    differs gets a new version, which becomes the default; the earlier version
    stays. What the plan does not name is not touched. A server that a DRS job or
    an isolated drill holds is left as it is. Ctrl-C only detaches.

    \b
    Examples:
      drs-waves launch-settings apply crm.yaml
      drs-waves launch-settings apply crm.yaml --confirm crm --no-watch
    \b
    Exit codes: 0 all servers have what the plan wants (or started, with
    --no-watch), 1 a server has not, 2 refused, 5 Temporal or AWS cannot be
    reached, 130 detached.
    """
    follow = watch if watch is not None else sys.stdout.isatty()
    access = partial(launch_settings, offline_signer(break_glass, key), can_sign=True)
    (read,) = read_all([plan])
    found = _read(read.plan, access)
    notice(*difference_lines(found))
    if all(each.is_as_wanted for each in found):
        return
    rule = partial(launch_settings_refusal, read.plan.plan_id)
    typed = require_confirmation(rule, read.plan.plan_id, confirm_id, what="apply them")
    try:
        state = asyncio.run(_apply(read.plan, typed, access, follow=follow))
    except KeyboardInterrupt:
        notice("", "Detached; it goes on. What is left: drs-waves launch-settings diff")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if state is None:
        return
    if json:
        write_json(state)
    else:
        show(*applied_lines(state))
    if state.status is not ApplyStatus.COMPLETED:
        raise typer.Exit(ExitCode.FAILED)


def _read(plan: RecoveryPlan, access: Access = launch_settings) -> list[ServerSettings]:
    def show_progress(done: int) -> None:
        if done < plan.server_count:
            notice(f"Read {done} of {count(plan.server_count, 'server')}")

    async def read() -> list[ServerSettings]:
        async with access() as known:
            return await known.read(plan, show_progress)

    with step("Reading launch settings"):
        return asyncio.run(read())


async def _apply(
    plan: RecoveryPlan, confirmation: str | None, access: Access, *, follow: bool
) -> ApplyState | None:
    """Start it, and follow it to its end; None if nobody follows it."""
    async with access() as known:
        await known.start(plan, confirmation)
        notice(f"Applying the launch settings of {plan.plan_id}")
        return await _followed(known, plan.plan_id) if follow else None


async def _followed(known: LaunchSettingsAccess, plan_id: str) -> ApplyState:
    printed = ""
    while True:
        try:
            state = await known.applied(plan_id)
        except UnreachableError as error:
            status = f"Waiting for an answer: {error}"
        else:
            if state.end_time is not None:
                return state
            status = f"{state.done} of {count(state.server_count, 'server')} done"
        if status != printed:
            notice(status)
            printed = status
        await asyncio.sleep(_POLL_SECONDS / min(4.0, get_settings().speed))
