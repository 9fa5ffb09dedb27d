"""`run`: starts an execution of a plan, or checks its readiness."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import time as time_now
from typing import Annotated

import typer

from cli.commands.validate import Confirmation, Follow, Json, read_all
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import complete_execution
from cli.input.confirmation import raise_if_refused
from cli.input.durations import parse_declared, parse_duration
from cli.input.executions import recorded_execution_id
from cli.input.membership import AcceptFindings, look_up_servers
from cli.input.point_in_time import (
    MaxSpread,
    OrLatest,
    Time,
    choose_snapshots,
    point_in_time,
    with_points,
)
from cli.input.start import PlanStart
from cli.render.cells import wrapped
from cli.render.output import show, step, write_json
from cli.render.records import print_takeover
from cli.render.tables import finding_table, found_line, other_endpoints, target_table
from client.readiness.check import sources_text
from client.recoveries.chosen import Choice
from client.takeover import PreviousExecution
from contract.readiness import Readiness
from recovery.execution.state import ExecutionType, needs_signature
from recovery.operator.confirmation import IntendedStart, start_options_refusal
from recovery.plan.membership import unresolved_problem
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import left_out_text, points_problem
from recovery.readiness.finding import Finding
from recovery.readiness.verdict import ReadinessStatus
from recovery.text_format import count
from runtime.exit import CliError, ExitCode
from settings import get_settings

Relaunch = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SERVER_ID",
        help="Launch this server even if that destroys its live recovery instance. "
        "Repeat for more; needs a confirmation, in a drill too.",
    ),
]

Declared = Annotated[
    float | None,
    typer.Option(
        "--declared",
        metavar="TIME",
        parser=parse_declared,
        help="When the disaster or the exercise was declared, from which the report measures the "
        "RTO: ISO 8601 with its zone, or -20m for 20 minutes ago. Default: the start.",
    ),
]

ReplaceDrill = Annotated[
    bool, typer.Option("--replace-drill", help="With --recovery: first cancel a running drill.")
]


def run(
    plan: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="A plan file, YAML or JSON.")
    ] = None,
    *,
    from_execution: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="EXECUTION",
            help="Continue this execution: keep what is up, launch the rest.",
            autocompletion=complete_execution,
        ),
    ] = None,
    corrected: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="With --from: the corrected plan."),
    ] = None,
    watch: Follow = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check readiness; launch nothing.")
    ] = False,
    recovery: Annotated[
        bool, typer.Option("--recovery", help="A real recovery instead of a drill.")
    ] = False,
    confirm_id: Confirmation = None,
    replace_drill: ReplaceDrill = False,
    relaunch: Relaunch = None,
    time: Time = None,
    max_spread: MaxSpread = None,
    or_latest: OrLatest = False,
    declared: Declared = None,
    cleanup_after: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_duration,
            help="Terminate the instances of a drill this long after its end.",
        ),
    ] = None,
    accept_findings: AcceptFindings = False,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Run a plan as a drill, or as a real recovery.

    It runs on the Temporal and AWS that the environment names. Ctrl-C only
    detaches: the execution continues. A real recovery shows what it will launch,
    and where, and asks for the PlanId.

    \b
    Examples:
      drs-waves run crm.yaml --dry-run              is everything ready?
      drs-waves run crm.yaml                        a drill
      drs-waves run crm.yaml --cleanup-after 2h     terminate its instances then
      drs-waves run --from crm-0f3b52a1c7d9         keep what is up, launch the rest
      drs-waves run crm.yaml --recovery             a real recovery
      drs-waves run crm.yaml --recovery --point-in-time 2026-11-26T14:00:00Z
      drs-waves run crm.yaml --recovery --declared -20m   measure the RTO from then
      drs-waves run crm.yaml --recovery --confirm crm --no-watch --json
    \b
    Exit codes: 0 completed (or started, with --no-watch), 1 failed (or not
    ready, with --dry-run), 2 bad input or refused, 3 partial, 4 cancelled,
    5 cannot reach Temporal or AWS, 130 detached.
    """
    execution_type = ExecutionType.RECOVERY if recovery else ExecutionType.DRILL
    wanted = point_in_time(time, max_spread, or_latest=or_latest)
    # Options that contradict each other are refused before the plan is read, so it has no ID yet.
    options = IntendedStart(
        "",
        execution_type,
        relaunch=relaunch or (),
        replaces_drill=replace_drill,
        is_cleaned_up=cleanup_after is not None,
        continues=from_execution is not None,
        point_in_time=wanted,
    )
    raise_if_refused(start_options_refusal(options))
    recoveries = signed_recoveries(break_glass, key)
    follow = watch if watch is not None else sys.stdout.isatty() and not json
    requested = _requested_plan(plan, corrected, from_execution)
    get_settings()
    previous: PreviousExecution | None = None
    if from_execution is not None:
        previous = asyncio.run(
            _previous(
                recoveries, from_execution, requested, execution_type, replace_drill=replace_drill
            )
        )
        requested = previous.plan
    assert requested is not None
    requested, about_tags = look_up_servers(
        recoveries, requested, is_drill=not recovery, accept=accept_findings, dry_run=dry_run
    )
    if wanted is not None:
        requested = asyncio.run(choose_snapshots(recoveries, requested, wanted))
    intended = replace(
        options,
        plan_id=requested.plan_id,
        server_ids=[server_id for wave in requested.waves for server_id in wave.server_ids],
        plan_changes=previous.changes if previous is not None else (),
        needs_signature=needs_signature(requested, execution_type),
        members_problem=unresolved_problem(requested),
        points_problem=points_problem(requested, now=time_now()),
        left_out=left_out_text(requested),
        # The API says itself whether it signs.
        is_signed=break_glass is not None or get_settings().api_url is not None,
    )
    start = PlanStart(
        requested,
        intended,
        confirm_id,
        previous,
        cleanup_after,
        declared,
        recoveries,
        break_glass,
        accept_findings,
    )
    try:
        if dry_run:
            if previous is not None:
                print_takeover(previous)
            raise typer.Exit(
                asyncio.run(
                    _check_readiness(recoveries, requested, previous, about_tags, json=json)
                )
            )
        start.confirm()
        raise typer.Exit(asyncio.run(start.start(follow=follow, json=json)))
    except KeyboardInterrupt:
        start.print_interrupted()
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _previous(
    recoveries: Choice,
    given: str,
    requested: RecoveryPlan | None,
    execution_type: ExecutionType,
    *,
    replace_drill: bool,
) -> PreviousExecution:
    async with recoveries() as known:
        execution_id = await recorded_execution_id(known, given)
        return await known.previous(
            execution_id, requested, execution_type, replace_drill=replace_drill
        )


def _requested_plan(
    plan: Path | None, corrected: Path | None, from_execution: str | None
) -> RecoveryPlan | None:
    """Read the plan file; None to use the plan of the previous execution.

    Raises:
        CliError: the options do not say which plan to run.
    """
    if plan is not None and corrected is not None:
        raise CliError(f"two plans are given, {plan} and {corrected}; omit one")
    path = plan or corrected
    if from_execution is None:
        if corrected is not None:
            raise CliError(f"--plan needs --from; to run a plan: drs-waves run {corrected}")
        if path is None:
            raise CliError(
                "no plan is given; drs-waves run PLAN, or drs-waves run --from EXECUTION"
            )
    return None if path is None else read_all([path])[0].plan


async def _check_readiness(
    recoveries: Choice,
    plan: RecoveryPlan,
    previous: PreviousExecution | None,
    about_tags: Sequence[Finding],
    *,
    json: bool,
) -> ExitCode:
    async with recoveries() as known:
        with step(f"Checking {plan.size}"):
            readiness = await known.check_readiness(plan)
    if previous is not None:
        readiness = previous.without_own(readiness)
    # The API looks the tags up too.
    more = [each for each in about_tags if each not in readiness.findings]
    readiness = with_points(readiness.with_findings([*more, *readiness.findings]), plan)
    if json:
        write_json(readiness)
    else:
        _show_readiness(plan, readiness)
    is_ready = readiness.status is ReadinessStatus.READY
    return ExitCode.COMPLETED if is_ready else ExitCode.FAILED


def _show_readiness(plan: RecoveryPlan, readiness: Readiness) -> None:
    context = readiness.context
    show(*target_table(plan, context.targets), *other_endpoints(context))
    show(*wrapped(f"Sources: {sources_text(readiness)}", 80), "")
    if readiness.findings:
        show(found_line(readiness), *finding_table(plan, readiness.findings), "")
    servers = count(plan.server_count, "server")
    if readiness.status is ReadinessStatus.NOT_READY:
        show(f"{plan.plan_name} is not ready; nothing was launched.")
    elif readiness.status is ReadinessStatus.UNKNOWN:
        show(
            f"Whether {plan.plan_name} is ready is not known, and unknown is not ready; nothing "
            "was launched."
        )
    elif readiness.findings:
        warnings = count(len(readiness.findings), "warning")
        show(f"{plan.plan_name} is ready with {warnings}: {servers}; nothing was launched.")
    else:
        show(f"{plan.plan_name} is ready: {servers}; nothing was launched.")
