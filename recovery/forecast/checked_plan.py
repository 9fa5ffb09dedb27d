"""What a check says of a plan file: its problems, or the plan with its expected times."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from recovery.base_model import Model
from recovery.forecast.estimates import expected_durations
from recovery.plan.file.problems import Problem
from recovery.plan.file.reader import ReadPlan
from recovery.steps.model import StepKind, StepPhase, When


class PlanProblem(Model):
    """A problem or a warning of a plan file.

    Attributes:
        line: counted from 1; None for the whole file.
        wave: the WaveId as written; None for the whole plan.
        step: the StepId as written; None if it concerns no step.
        value: the offending value as written.
        excerpt: lines of the file that show it, each with its number.
    """

    message: str
    line: int | None = None
    wave: str | None = None
    step: str | None = None
    value: str | None = None
    excerpt: list[str] = []

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> list["PlanProblem"]:
        """The problems of a file."""
        return [cls.model_validate(each, from_attributes=True) for each in problems]


class CheckedStep(Model):
    """A step of a valid plan."""

    step_id: str
    kind: StepKind
    phase: StepPhase
    when: When


class CheckedWave(Model):
    """A wave of a valid plan.

    Attributes:
        depth: the length of the longest chain of waves that ends with it.
        servers_by_tag: its servers are those with these tags in DRS, looked up at a start.
        expected_start_seconds: after the plan's start, with default durations.
    """

    wave_id: str
    wave_name: str
    depth: int
    depends_on: list[str]
    server_ids: list[str]
    servers_by_tag: dict[str, str] | None = None
    steps: list[CheckedStep]
    expected_start_seconds: float
    expected_end_seconds: float


class CheckedPlan(Model):
    """A valid plan.

    Attributes:
        critical_path: the chain of waves that determines the duration.
    """

    plan_id: str
    plan_name: str
    plan_hash: str
    server_count: int
    expected_seconds: float
    critical_path: list[str]
    waves: list[CheckedWave]
    warnings: list[PlanProblem]
    rto_seconds: Annotated[int | None, Field(alias="RTOSeconds")] = None
    within_rto: Annotated[bool | None, Field(alias="WithinRTO")] = None

    @classmethod
    def of(cls, read: ReadPlan) -> "CheckedPlan":
        """Describe a plan that was read."""
        plan, graph = read.plan, read.plan.graph
        durations = expected_durations(plan, {})
        path, times = graph.critical_path(durations), graph.schedule(durations)
        depth = {wave: n for n, level in enumerate(graph.levels(), start=1) for wave in level}
        allowed = None if plan.rto is None else plan.rto * 60
        return cls(
            plan_id=plan.plan_id,
            plan_name=plan.plan_name,
            plan_hash=plan.plan_hash,
            server_count=plan.server_count,
            expected_seconds=path.seconds,
            critical_path=list(path.waves),
            waves=[
                CheckedWave(
                    wave_id=wave.wave_id,
                    wave_name=wave.wave_name,
                    depth=depth[wave.wave_id],
                    depends_on=list(wave.depends_on),
                    server_ids=list(wave.server_ids),
                    servers_by_tag=wave.servers_by_tag,
                    steps=[
                        CheckedStep(
                            step_id=step.step_id,
                            kind=step.kind,
                            phase=phase,
                            when=step.effective_when,
                        )
                        for phase, step in wave.all_steps
                    ],
                    expected_start_seconds=times[wave.wave_id][0],
                    expected_end_seconds=times[wave.wave_id][1],
                )
                for wave in plan.waves
            ],
            warnings=PlanProblem.of(read.warnings),
            rto_seconds=allowed,
            within_rto=None if allowed is None else path.seconds <= allowed,
        )
