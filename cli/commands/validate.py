"""`validate`: prints a plan's problems, or its wave graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.cells import cell_len

from aws.regions import known_regions
from cli.render.cells import fit
from cli.render.graph import graph_lines
from cli.render.output import notice, show, stdout_console, write_json
from recovery.base_model import Model
from recovery.forecast.checked_plan import CheckedPlan, PlanProblem
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS, defaults_text, expected_durations
from recovery.launch_settings.resolve import isolation_of
from recovery.plan.file.reader import PlanError, Problem, ReadPlan, read_plan
from recovery.plan.membership import membership_facts
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count, rounded_duration, visible
from runtime.exit import ExitCode

PLAN_ENDINGS = (".yaml", ".yml", ".json")
"""What the names of plan files end with."""
_WIDTH = 80

PlanFiles = Annotated[list[Path], typer.Argument(metavar="PLAN", help="Plan files, YAML or JSON.")]
Confirmation = Annotated[
    str | None,
    typer.Option("--confirm", metavar="PLAN_ID", help="Confirm without a prompt: the PlanId."),
]
Follow = Annotated[
    bool | None,
    typer.Option("--watch/--no-watch", help="Follow it to its end. Default: yes on a terminal."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


class ValidFile(CheckedPlan):
    """A plan file that can run, with its plan."""

    file: str
    valid: Literal[True] = True


class RefusedFile(Model):
    """A plan file that cannot run, with its problems."""

    file: str
    valid: Literal[False] = False
    problems: list[PlanProblem]


CheckedFile = ValidFile | RefusedFile


def validate(plans: PlanFiles, json: Json = False) -> None:
    """Check plan files and draw their waves.

    \b
    Examples:
      drs-waves validate crm.yaml
      drs-waves validate plans/*.yaml --json
    \b
    Exit codes: 0 all plans are valid, 2 a plan is not.
    """
    refused = False
    output: list[CheckedFile] = []
    for number, path in enumerate(plans):
        try:
            read = read_plan(path, regions=known_regions())
        except PlanError as error:
            refused = True
            problems = PlanProblem.of(error.problems)
            output.append(RefusedFile(file=str(path), problems=problems))
            _print_problems(error)
            continue
        checked = CheckedPlan.of(read).model_dump()
        output.append(ValidFile(file=read.file, **checked))
        if not json:
            if number:
                show()
            _show_plan(read)
    if json:
        write_json(output)
    if refused:
        raise typer.Exit(ExitCode.BAD_INPUT)


def print_warnings(read: ReadPlan) -> None:
    """Print the warnings about a plan."""
    for warning in read.warnings:
        notice(f"warning: {warning}", style="yellow")


def read_all(paths: Sequence[Path]) -> list[ReadPlan]:
    """Read several plans and print their warnings.

    Raises:
        PlanError: a plan is wrong; the error has the problems of all files.
    """
    read: list[ReadPlan] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            read.append(read_plan(path, regions=known_regions()))
        except PlanError as error:
            problems += error.problems
    if problems:
        raise PlanError(tuple(problems))
    for each in read:
        print_warnings(each)
    return read


def _print_problems(error: PlanError) -> None:
    for problem in error.problems:
        first, *excerpt = problem.lines
        notice(f"error: {first}", *excerpt, style="red")
    if len(error.problems) > 1:
        notice(f"{count(len(error.problems), 'problem')}.")


def _show_plan(read: ReadPlan) -> None:
    plan = read.plan
    durations = expected_durations(plan, {})
    path = plan.graph.critical_path(durations)
    title = f"{plan.plan_name} ({plan.plan_id})" if plan.plan_name != plan.plan_id else plan.plan_id
    size = plan.size
    assumed = [f"({rounded_duration(DEFAULT_SERVER_SECONDS)} for each launch; times are h:mm)"]
    if steps := plan.step_count:
        size += f", {count(steps, 'step')}"
        assumed.append(f"({defaults_text(steps)})")
    show(f"{title}: {size}", "")
    show(*graph_lines(plan, durations, width=min(_WIDTH, stdout_console().width)), "")
    names = [plan.wave(wave_id).wave_name for wave_id in path.waves]
    expected = [rounded_duration(path.seconds), compare_with_rto(plan, path.seconds)]
    isolation = isolation_of(plan)
    show(
        *([f"Drills        {isolation}"] if isolation else []),
        *(f"{name:<14}{text}" for name, text in membership_facts(plan).items()),
        f"Expected      {', '.join(filter(None, expected))}",
        *(f"              {each}" for each in assumed),
        f"Longest chain {_chain_text(names)}",
        f"Plan hash     {plan.plan_hash[:12]}",
    )
    print_warnings(read)


def compare_with_rto(plan: RecoveryPlan, seconds: float) -> str:
    """Compare a plan's expected time with its RTO; empty if it has none."""
    if plan.rto is None:
        return ""
    allowed = plan.rto * 60.0
    if seconds > allowed:
        return f"{rounded_duration(seconds - allowed)} over the RTO of {rounded_duration(allowed)}"
    return f"within the RTO of {rounded_duration(allowed)}"


def _chain_text(names: Sequence[str]) -> str:
    text = visible(" → ".join(names))
    if cell_len(text) <= _WIDTH - 14:
        return text
    first, last = (fit(name, 24) for name in (names[0], names[-1]))
    return f"{first} → … → {last} ({len(names)} waves)"
