"""A portfolio's file, and the plans that a portfolio consists of once they are read."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from recovery.base_model import Model, StrictModel, matching
from recovery.model_file import read_model
from recovery.operator.messages import nearest
from recovery.plan.fields import ID_PATTERN, MAX_SECONDS, Name, PlanOrWaveId, Text
from recovery.plan.graph import WaveGraph
from recovery.plan.model import RecoveryPlan
from recovery.time_text import read_time

MAX_PLANS = 500
DEADLINE_SECONDS = 86_400.0
_DEPENDENCY = "a PlanId, or PlanId/WaveId"


def _time(text: str) -> str:
    read_time(text, now=0.0)
    if text.strip().startswith("-"):
        raise ValueError("write a time with its zone, as 2026-11-26T14:00:00Z")
    return text


Dependency = Annotated[str, matching(f"{ID_PATTERN}(/{ID_PATTERN})?", _DEPENDENCY)]
# Not strict: the reader of such files takes each scalar as text.
PortfolioPriority = Annotated[int, Field(ge=1, le=5, description="a whole number from 1 to 5")]


class PortfolioEntry(StrictModel):
    """A plan of a portfolio.

    Attributes:
        plan: the PlanId of a registered plan, of which the newest version runs.
        file: a plan file instead, relative to the portfolio's.
        depends_on: plans, or waves as `PlanId/WaveId`, that come first.
        priority: instead of the plan's own; 1 is the highest.
    """

    plan: PlanOrWaveId | None = None
    file: Text | None = None
    depends_on: list[Dependency] = []
    priority: PortfolioPriority | None = None

    @model_validator(mode="after")
    def _require_one(self) -> "PortfolioEntry":
        if (self.plan is None) == (self.file is None):
            raise ValueError("write either Plan, a registered plan, or File, a plan file")
        return self


class Portfolio(StrictModel):
    """A portfolio, as its file has it.

    Attributes:
        point_in_time: what all its plans are recovered to.
        deadline_seconds: seconds from its start after which no plan is started.
    """

    portfolio_id: PlanOrWaveId
    name: Name = ""
    description: Text = ""
    point_in_time: Annotated[str, AfterValidator(_time)] | None = None
    deadline_seconds: Annotated[
        float, Field(gt=0, le=MAX_SECONDS, description="a number of seconds above 0")
    ] = DEADLINE_SECONDS
    plans: Annotated[list[PortfolioEntry], Field(min_length=1, max_length=MAX_PLANS)]


def read_portfolio(path: Path) -> Portfolio:
    """Read a portfolio's file.

    Raises:
        ModelFileError: it cannot be read, or is not valid; with all problems.
    """
    return read_model(path, Portfolio, what="the portfolio")


class PlanDependency(Model):
    """What a plan of a portfolio waits for: a plan, or one of its waves."""

    plan_id: str
    wave_id: str | None = None

    @classmethod
    def of(cls, text: str) -> "PlanDependency":
        """Read `PlanId` or `PlanId/WaveId`."""
        plan_id, _, wave_id = text.partition("/")
        return cls(plan_id=plan_id, wave_id=wave_id or None)

    def __str__(self) -> str:
        return f"{self.plan_id}/{self.wave_id}" if self.wave_id else self.plan_id


@dataclass(frozen=True, config=Model.model_config)
class PortfolioMember:
    """A plan of a portfolio, read.

    Attributes:
        priority: instead of the plan's own.
    """

    plan: RecoveryPlan
    depends_on: tuple[PlanDependency, ...] = ()
    priority: int | None = None


def without_plans(
    members: Sequence[PortfolioMember], left_out: Collection[str]
) -> list[PortfolioMember]:
    """The other plans; what waits for one that is left out waits for what that one waits for."""
    needed = {each.plan.plan_id: each.depends_on for each in members}

    def inherited(member: PortfolioMember) -> tuple[PlanDependency, ...]:
        found: dict[str, PlanDependency] = {}
        passed: set[str] = set()
        waiting = list(member.depends_on)
        while waiting:
            each = waiting.pop(0)
            if each.plan_id not in left_out:
                found[str(each)] = each
            elif each.plan_id not in passed:
                passed.add(each.plan_id)
                waiting[:0] = needed[each.plan_id]
        return tuple(found.values())

    kept = [each for each in members if each.plan.plan_id not in left_out]
    return [replace(each, depends_on=inherited(each)) for each in kept]


def portfolio_problems(members: Sequence[PortfolioMember]) -> list[str]:
    """Everything that keeps these plans from being run together, a line each."""
    plans = {each.plan.plan_id: each.plan for each in members}
    problems = [] if members else ["it has no plans"]
    if len(members) > MAX_PLANS:
        problems.append(f"it has {len(members)} plans; at most {MAX_PLANS} run together")
    known = list(plans)
    ids = [each.plan.plan_id for each in members]
    problems += [f"plan {i} is listed twice; remove one" for i in known if ids.count(i) > 1]
    for each in members:
        for needed in each.depends_on:
            problems += _dependency_problems(each.plan.plan_id, needed, plans)
    if not problems:
        problems += [
            f"plans wait for each other: {' -> '.join((*cycle, cycle[0]))}"
            for cycle in graph_of(members).cycles()
        ]
    return problems + _shared_servers(members)


def graph_of(members: Sequence[PortfolioMember]) -> WaveGraph:
    """The graph of the plans; a dependency on a wave counts as one on its plan."""
    return WaveGraph({m.plan.plan_id: [d.plan_id for d in m.depends_on] for m in members})


def _dependency_problems(
    plan_id: str, needed: PlanDependency, plans: dict[str, RecoveryPlan]
) -> list[str]:
    what = f"plan {plan_id} depends on {needed}"
    if needed.plan_id == plan_id:
        return [f"{what}, which is itself"]
    other = plans.get(needed.plan_id)
    if other is None:
        hint = nearest(needed.plan_id, [i for i in plans if i != plan_id]) if len(plans) > 1 else ""
        return [f"{what}, which is no plan of this portfolio; {hint}".rstrip("; ")]
    waves = [wave.wave_id for wave in other.waves]
    if needed.wave_id is not None and needed.wave_id not in waves:
        hint = nearest(needed.wave_id, waves)
        return [f"{what}, but {other.plan_id} has no wave {needed.wave_id}; {hint}"]
    return []


def _shared_servers(members: Sequence[PortfolioMember]) -> list[str]:
    """Servers in several plans: the second launch would destroy what the first made."""
    found: dict[str, list[str]] = {}
    for each in members:
        for wave in each.plan.waves:
            for server_id in wave.server_ids:
                found.setdefault(server_id, []).append(each.plan.plan_id)
    return [
        f"server {server_id} is in the plans {' and '.join(in_plans)}; it would be launched twice"
        for server_id, in_plans in found.items()
        if len(set(in_plans)) > 1
    ]
