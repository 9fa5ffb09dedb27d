"""`register`: stores plans where the API and the pages find them."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.registration.sync import SyncOptions, sync
from cli.commands.validate import Json, read_all
from cli.input.origin import Author, Commit, SourceName, origin_of
from cli.render.output import notice, show, step, write_json
from client.recoveries.chosen import recoveries
from client.registration import PendingRegistration, Registrar
from recovery.plan.file.reader import ReadPlan
from recovery.plan.registration import PlanOrigin, RegistrationChange
from recovery.text_format import count
from runtime.exit import CliError, ExitCode
from storage.plans import PlanVersion


class RegisteredPlanVersion(PlanVersion):
    """A registered version.

    Attributes:
        is_new: False if the newest version was the same.
        differences: to the version before, a line each.
    """

    is_new: bool
    differences: list[str] = []

    @classmethod
    def of(cls, version: PlanVersion, pending: PendingRegistration) -> "RegisteredPlanVersion":
        """Describe the result of a registration."""
        entry = pending.entry
        return cls(**dict(version), is_new=entry.is_change, differences=entry.differences)


def register(
    plans: Annotated[
        list[Path] | None, typer.Argument(metavar="PLAN...", help="Plan files, YAML or JSON.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Register without asking.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--sync", metavar="DIR", help="Register all changed plans of a directory."),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="With --sync: remove plans that this directory registered and no longer has.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; store nothing.")
    ] = False,
    detailed_exit_code: Annotated[
        bool,
        typer.Option("--detailed-exit-code", help="With --dry-run: 1 if anything would change."),
    ] = False,
    author: Author = None,
    commit: Commit = None,
    source: SourceName = None,
    json: Json = False,
) -> None:
    """Store plans in DynamoDB for the API and the pages.

    Each file becomes the newest version of its plan, unless it is the same as
    the newest version. It shows how it differs from that version and asks. If one
    file is wrong, none is stored. Running executions do not change.

    --sync is for a pipeline: it asks nothing, and may be repeated. With --prune,
    plans that the directory no longer has are marked as removed: their versions
    are kept, and plans of other directories are left alone.

    \b
    Examples:
      drs-waves register crm.yaml
      drs-waves register plans/*.yaml --yes --json
      drs-waves register --sync plans/ --prune --dry-run
      drs-waves register --sync plans/ --prune
    \b
    Exit codes: 0 nothing is wrong, 1 with --dry-run --detailed-exit-code:
    something would change, 2 a plan is wrong, or it is refused, 5 DynamoDB or
    the API cannot be reached.
    """
    if detailed_exit_code and not dry_run:
        raise CliError("--detailed-exit-code needs --dry-run")
    if directory is not None:
        if plans:
            raise CliError("give plan files, or a directory with --sync; not both")
        options = SyncOptions(
            directory, source=source, author=author, commit=commit, prune=prune, dry_run=dry_run
        )
        has_changes = sync(options, json=json)
    else:
        if prune or source is not None:
            raise CliError("--prune and --source need --sync DIR")
        if not plans:
            raise CliError("no plan is given; drs-waves register PLAN, or --sync DIR")
        read = read_all(plans)
        origin = origin_of(plans[0].absolute().parent, author, commit)
        has_changes = _register_files(read, origin, yes=yes, dry_run=dry_run, json=json)
    if detailed_exit_code and has_changes:
        raise typer.Exit(ExitCode.FAILED)


def _register_files(
    read: Sequence[ReadPlan], origin: PlanOrigin, *, yes: bool, dry_run: bool, json: bool
) -> bool:
    """Show what changes, ask, and register; returns whether anything changes."""
    with step("Comparing with the registered plans"):
        pending = asyncio.run(_compare(read, origin))
    has_changes = any(each.entry.is_change for each in pending)
    asked = [each for each in pending if each.entry.change is RegistrationChange.CHANGED]
    for each in asked:
        newest = f"version {each.after}"
        notice(f"{each.entry.plan_id}: changes since {newest}:")
        notice(*(f"  {line}" for line in each.entry.differences))
        if each.entry.weakens:
            what = f"  needs less approval: {'; '.join(each.entry.weakens)}"
            notice(f"{what}. Through the API, only an approver may register it", style="yellow")
    if dry_run:
        if json:
            write_json([each.entry for each in pending])
        else:
            show(*(f"{each.entry.plan_id}: {each.entry.change}" for each in pending))
        return has_changes
    if asked and not yes:
        _confirm(len(asked))
    with step("Registering"):
        versions = asyncio.run(_carry_out(pending, origin))
    results = list(zip(versions, pending, strict=True))
    if json:
        write_json([RegisteredPlanVersion.of(*each) for each in results])
    else:
        show(*(_line(version, is_new=each.entry.is_change) for version, each in results))
    return has_changes


def _confirm(number: int) -> None:
    """Ask whether to register.

    Raises:
        CliError: the operator said no, or there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise CliError(
            f"nothing was registered: {count(number, 'registered plan')} would change, and there "
            "is no terminal to ask on. Pass --yes"
        )
    try:
        is_confirmed = typer.confirm(f"Register {count(number, 'changed plan')}?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not is_confirmed:
        raise CliError("nothing was registered")


async def _compare(read: Sequence[ReadPlan], origin: PlanOrigin) -> list[PendingRegistration]:
    async with recoveries() as known:
        return await Registrar(known, origin).compare(read)


async def _carry_out(
    pending: Sequence[PendingRegistration], origin: PlanOrigin
) -> list[PlanVersion]:
    async with recoveries() as known:
        return await Registrar(known, origin).carry_out(pending)


def _line(version: PlanVersion, *, is_new: bool) -> str:
    result = "is registered" if is_new else f"is unchanged, registered by {version.by}"
    hash_ = version.plan_hash[:12]
    return f"{version.plan_id}: version {version.version} {result} ({version.size}; {hash_})"
