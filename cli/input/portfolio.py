"""Which plans `run-all` runs: those of a portfolio's file, of a folder, or all that are registered.

Tested in tests/cli/commands/portfolio/.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli.commands.validate import read_all
from client.recoveries.protocol import Recoveries
from recovery.plan.fields import ID_PATTERN
from recovery.plan.file.reader import is_plan_file
from recovery.plan.model import RecoveryPlan
from recovery.portfolio.model import (
    DEADLINE_SECONDS,
    PlanDependency,
    Portfolio,
    PortfolioMember,
    read_portfolio,
    without_plans,
)
from recovery.time_text import read_time
from runtime.exit import CliError

REGISTERED = "registered"
_SUFFIXES = (".yaml", ".yml", ".json")
_READS_AT_ONCE = 8


@dataclass(frozen=True)
class SelectedPlans:
    """The plans to run.

    Attributes:
        point_in_time: of the portfolio's file (epoch seconds).
        left_out: PlanIds that --lost-region leaves out.
        unknown: PlanIds of which the Region of the source servers is not known.
        other_files: files of the folder that are no plans.
    """

    portfolio_id: str
    name: str
    members: Sequence[PortfolioMember]
    deadline_seconds: float = DEADLINE_SECONDS
    point_in_time: float | None = None
    left_out: Sequence[str] = ()
    unknown: Sequence[str] = ()
    other_files: Sequence[str] = ()

    @property
    def plans(self) -> list[RecoveryPlan]:
        """The plans."""
        return [each.plan for each in self.members]

    def without(self, left_out: Sequence[str], unknown: Sequence[str]) -> "SelectedPlans":
        """Without plans; what waits for one of them waits for what that one waits for."""
        kept = without_plans(self.members, set(left_out))
        return replace(self, members=kept, left_out=list(left_out), unknown=list(unknown))


async def selected_plans(
    recoveries: Recoveries, path: Path | None, *, registered: bool
) -> SelectedPlans:
    """Read the plans that the arguments name.

    Raises:
        CliError: they name none, or contradict each other.
        ModelFileError: the portfolio's file is not valid.
        PlanError: plan files are not valid.
        RefusedError: a registered plan is not known.
    """
    if (path is None) is not registered:
        raise CliError("name a folder of plans, a portfolio's file, or --registered")
    if path is None:
        ids = [each.plan_id for each in await recoveries.registered()]
        if not ids:
            raise CliError("no plan is registered; `drs-waves register PLAN` registers one")
        plans = await _registered(recoveries, ids)
        members = [PortfolioMember(plans[each]) for each in ids]
        return SelectedPlans(REGISTERED, "All registered plans", members)
    if await asyncio.to_thread(path.is_dir):
        return _of_folder(path)
    return await _of_file(recoveries, path)


def _of_folder(path: Path) -> SelectedPlans:
    found = sorted(f for f in path.iterdir() if f.suffix in _SUFFIXES and f.is_file())
    files = [each for each in found if is_plan_file(each)]
    if not files:
        raise CliError(f"{path} has no plan files ({', '.join(_SUFFIXES)})")
    name = path.resolve().name
    if not re.fullmatch(ID_PATTERN, name):
        raise CliError(
            f"the folder's name {name!r} is the portfolio's ID and must be 1 to 64 letters, "
            'digits, ".", "_" or "-"; rename it, or write a portfolio file'
        )
    members = [PortfolioMember(each.plan) for each in read_all(files)]
    others = [each.name for each in found if each not in files]
    return SelectedPlans(name, name, members, other_files=others)


async def _of_file(recoveries: Recoveries, path: Path) -> SelectedPlans:
    portfolio = read_portfolio(path)
    by_file = _read_files(portfolio, path.parent)
    ids = [each.plan for each in portfolio.plans if each.plan is not None]
    by_id = await _registered(recoveries, list(dict.fromkeys(ids)))
    members = [
        PortfolioMember(
            by_id[entry.plan] if entry.plan is not None else by_file[str(entry.file)],
            tuple(PlanDependency.of(each) for each in entry.depends_on),
            entry.priority,
        )
        for entry in portfolio.plans
    ]
    time = portfolio.point_in_time
    return SelectedPlans(
        portfolio.portfolio_id,
        portfolio.name or portfolio.portfolio_id,
        members,
        deadline_seconds=portfolio.deadline_seconds,
        point_in_time=None if time is None else read_time(time, now=0.0),
    )


def _read_files(portfolio: Portfolio, folder: Path) -> dict[str, RecoveryPlan]:
    names = list(dict.fromkeys(e.file for e in portfolio.plans if e.file is not None))
    read = read_all([folder / name for name in names])
    return {name: each.plan for name, each in zip(names, read, strict=True)}


async def _registered(recoveries: Recoveries, ids: Sequence[str]) -> dict[str, RecoveryPlan]:
    slots = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(plan_id: str) -> RecoveryPlan:
        async with slots:
            return await recoveries.portfolios.registered_plan(plan_id)

    return dict(zip(ids, await asyncio.gather(*map(read, ids)), strict=True))
