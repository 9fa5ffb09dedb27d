"""`register --sync`: registers the changed plans of a directory, for a pipeline."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cli.commands.validate import PLAN_ENDINGS, read_all
from cli.input.origin import directory_name, origin_of
from cli.render.output import notice, show, step, write_json
from client.recoveries.chosen import recoveries
from client.registration import PendingRegistration, Registrar
from recovery.base_model import Model
from recovery.plan.file.reader import PlanError, Problem, ReadPlan
from recovery.plan.registration import PlanOrigin, PlanRegistration, RegistrationChange
from recovery.text_format import count
from runtime.exit import CliError

_SIGNS = {
    RegistrationChange.ADDED: "+",
    RegistrationChange.CHANGED: "~",
    RegistrationChange.UNCHANGED: "=",
    RegistrationChange.REMOVED: "-",
}


@dataclass(frozen=True)
class SyncOptions:
    """What to register, and what to say of it.

    Attributes:
        source: the directory's name; None for that of its repository.
        author: of the commit; None for what git or the pipeline says.
        commit: None for what the pipeline or git says.
    """

    directory: Path
    source: str | None
    author: str | None
    commit: str | None
    prune: bool
    dry_run: bool


class SyncReport(Model):
    """What `register --sync` did, or would do.

    Attributes:
        source: the directory's name.
        is_dry_run: nothing was written.
    """

    source: str
    commit: str | None = None
    commit_author: str | None = None
    is_dry_run: bool
    added: int
    changed: int
    unchanged: int
    removed: int
    plans: list[PlanRegistration]

    @classmethod
    def of(
        cls, origin: PlanOrigin, entries: Sequence[PlanRegistration], *, is_dry_run: bool
    ) -> "SyncReport":
        """Count and list the entries."""
        counts = {
            each.lower(): sum(entry.change is each for entry in entries)
            for each in RegistrationChange
        }
        return cls.model_validate(
            {**dict(origin), **counts, "is_dry_run": is_dry_run, "plans": list(entries)}
        )

    @property
    def has_changes(self) -> bool:
        """Whether anything changes."""
        return bool(self.added or self.changed or self.removed)


def sync(options: SyncOptions, *, json: bool) -> bool:
    """Register the changed plans of a directory; returns whether anything changes.

    Raises:
        PlanError: a file is wrong, or two have the same PlanId; nothing was registered.
        CliError: the directory has no plans.
    """
    read = read_all(_files_in(options.directory))
    _refuse_repeated(read)
    source = options.source or directory_name(options.directory)
    origin = origin_of(options.directory, options.author, options.commit)
    origin = origin.model_copy(update={"source": source})
    with step(f"Comparing {count(len(read), 'plan')} with the registered ones"):
        pending = asyncio.run(_compare(read, origin, prune=options.prune))
    entries = [each.entry for each in pending]
    report = SyncReport.of(origin, entries, is_dry_run=options.dry_run)
    for each in entries:
        _print_entry(each)
    if not options.dry_run and report.has_changes:
        with step("Registering"):
            asyncio.run(_carry_out(pending, origin))
    if json:
        write_json(report)
    else:
        show(_summary(report, options))
    return report.has_changes


def _files_in(directory: Path) -> list[Path]:
    """The plan files of a directory and those below it, without hidden ones.

    Raises:
        CliError: there is none, or something may hide one, which `--prune` would then remove.
    """
    if not directory.is_dir():
        raise CliError(f"{directory} is no directory; --sync takes a directory of plan files")
    files = []
    for folder, below, names in os.walk(directory, onerror=_refuse_unread):
        below[:] = [name for name in below if not name.startswith(".")]
        for link in (each for name in below if (each := Path(folder, name)).is_symlink()):
            raise CliError(
                f"{link} is a link to a directory, which --sync does not follow; nothing was "
                "registered or removed. Put a directory, or links to files, in its place"
            )
        plans = [name for name in names if not name.startswith(".")]
        files += [path for n in plans if (path := Path(folder, n)).suffix in PLAN_ENDINGS]
    files.sort()
    if not files:
        raise CliError(
            f"{directory} has no plan file ({', '.join(PLAN_ENDINGS)}); nothing was registered or "
            "removed"
        )
    return files


def _refuse_unread(error: OSError) -> NoReturn:
    reason = f"{error.filename} cannot be read: {error.strerror}"
    raise CliError(f"{reason}; nothing was registered or removed") from error


def _refuse_repeated(read: Sequence[ReadPlan]) -> None:
    first: dict[str, ReadPlan] = {}
    problems = [
        Problem(f"the PlanId {each.plan.plan_id} is already that of {earlier.file}", each.file)
        for each in read
        if (earlier := first.setdefault(each.plan.plan_id, each)) is not each
    ]
    if problems:
        raise PlanError(tuple(problems))


async def _compare(
    read: Sequence[ReadPlan], origin: PlanOrigin, *, prune: bool
) -> list[PendingRegistration]:
    async with recoveries() as known:
        registrar = Registrar(known, origin)
        pending = await registrar.compare(read)
        return [*pending, *(await registrar.removals(read) if prune else [])]


async def _carry_out(pending: Sequence[PendingRegistration], origin: PlanOrigin) -> None:
    changed = [each for each in pending if each.entry.is_change]
    async with recoveries() as known:
        await Registrar(known, origin).carry_out(changed)


def _print_entry(entry: PlanRegistration) -> None:
    if not entry.is_change:
        return
    file = f" ({entry.file})" if entry.file else ""
    notice(f"{_SIGNS[entry.change]} {entry.plan_id}{file}: {entry.change}")
    if entry.differences:
        notice(*(f"    {line}" for line in entry.differences))
    if entry.weakens:
        what = f"    needs less approval: {'; '.join(entry.weakens)}"
        notice(f"{what}. Through the API, only an approver may register it", style="yellow")


def _summary(report: SyncReport, options: SyncOptions) -> str:
    origin = PlanOrigin(commit=report.commit, commit_author=report.commit_author)
    where = f"{report.source}, {origin.text}" if origin.text else report.source
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    counts += f", {report.removed} removed"
    done = "Nothing was written; these would be" if options.dry_run else "Plans"
    return f"{done}: {counts} (from {where})."
