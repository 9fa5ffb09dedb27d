"""`run-all`: runs many plans with one confirmation."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from aws.quotas import configured
from cli.commands.portfolio.portfolio import follow_portfolio
from cli.commands.run import Declared, ReplaceDrill
from cli.commands.validate import Follow, Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.confirmation import RECOVERY_BANNER, raise_if_refused, require_confirmation
from cli.input.membership import AcceptFindings
from cli.input.point_in_time import MaxSpread, OrLatest, Time, point_in_time, read_snapshots
from cli.input.portfolio import SelectedPlans, selected_plans
from cli.render.output import notice, progress, stderr_console, step, warn, write_json
from cli.render.portfolio import plan_lines, readiness_text, target_lines
from client.portfolios.order import OrderedPlan, PortfolioOrder, StartedPortfolio
from client.portfolios.start import require_valid, with_findings, with_servers
from client.recoveries.chosen import Choice
from client.recoveries.protocol import Recoveries
from contract.readiness import Readiness
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.report import ForecastReport
from recovery.forecast.simulation import forecast
from recovery.operator.confirmation import (
    IntendedStart,
    portfolio_refusal,
    start_options_refusal,
)
from recovery.plan.membership import unresolved
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import points_facts
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.model import portfolio_problems
from recovery.readiness.verdict import ReadinessStatus
from recovery.text_format import count, listed, rounded_duration, utc_timestamp
from runtime.exit import CliError, ExitCode
from settings import get_settings
from storage.durations import learned_durations
from storage.history import HistoryError, HistoryTable

_CHECKS_AT_ONCE = 8
_HISTORY_SECONDS = 10.0


class MemberReadiness(Model):
    """The readiness of a plan of a portfolio; None if it could not be read."""

    plan_id: str
    summary: str
    readiness: Readiness | None = None


class PortfolioReadiness(Model):
    """What `run-all --dry-run` finds.

    Attributes:
        left_out: PlanIds that are not run, because their sources are elsewhere.
        unknown: PlanIds of which the Region of the sources is not known.
        other_files: files of the folder that are no plans.
    """

    portfolio_id: str
    plans: list[MemberReadiness]
    forecast: ForecastReport
    left_out: list[str] = []
    unknown: list[str] = []
    other_files: list[str] = []


@dataclass(frozen=True)
class _Checked:
    """An order, and what is shown of it before it is confirmed."""

    order: PortfolioOrder
    readiness: dict[str, Readiness | None]
    expected: ForecastReport
    place: str
    left_out: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()


def run_all(
    plans: Annotated[
        Path | None,
        typer.Argument(metavar="DIR|PORTFOLIO", help="A folder of plans, or a portfolio's file."),
    ] = None,
    *,
    registered: Annotated[bool, typer.Option("--registered", help="All registered plans.")] = False,
    lost_region: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="Only plans whose source servers are in this Region."),
    ] = None,
    include_unknown: Annotated[
        bool,
        typer.Option(
            "--include-unknown",
            help="With --lost-region: also plans whose source Region DRS does not say.",
        ),
    ] = False,
    from_execution: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="EXECUTION",
            help="Continue this execution of a portfolio: run what did not complete.",
        ),
    ] = None,
    watch: Follow = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check readiness and forecast; start nothing.")
    ] = False,
    recovery: Annotated[
        bool, typer.Option("--recovery", help="Real recoveries instead of drills.")
    ] = False,
    confirm_id: Annotated[
        str | None,
        typer.Option(
            "--confirm", metavar="ID", help="Confirm without a prompt: the portfolio's ID."
        ),
    ] = None,
    time: Time = None,
    max_spread: MaxSpread = None,
    or_latest: OrLatest = False,
    declared: Declared = None,
    replace_drill: ReplaceDrill = False,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    accept_findings: AcceptFindings = False,
    json: Json = False,
) -> None:
    """Run many plans, in their order, with one confirmation.

    Each plan has an execution of its own, with all its commands. The portfolio
    starts it once what it depends on is up, and never cancels one because
    another failed. The confirmation is the portfolio's ID: of a folder its
    name, of all registered plans `registered`.

    \b
    Examples:
      drs-waves run-all plans/ --dry-run
      drs-waves run-all portfolio.yaml                      drills
      drs-waves run-all --registered --lost-region eu-central-1 --recovery
      drs-waves run-all plans/ --recovery --replace-drill --declared -20m
      drs-waves run-all --from portfolio-0f3b52a1c7d9       what did not complete
    \b
    Exit codes: 0 completed (or started, with --no-watch), 1 failed (or not
    ready, with --dry-run), 2 bad input or refused, 3 partial, 4 cancelled,
    5 cannot reach Temporal or AWS, 130 detached.
    """
    execution_type = ExecutionType.RECOVERY if recovery else ExecutionType.DRILL
    wanted = point_in_time(time, max_spread, or_latest=or_latest)
    if include_unknown and lost_region is None:
        raise CliError("--include-unknown needs --lost-region REGION")
    if from_execution is not None and (plans is not None or registered or lost_region or wanted):
        raise CliError(
            "--from takes the plans, and their point in time, of the earlier execution; omit the "
            "others"
        )
    options = IntendedStart("", execution_type, replaces_drill=replace_drill)
    raise_if_refused(start_options_refusal(options))
    choice = signed_recoveries(break_glass, key)
    is_signed = break_glass is not None or get_settings().api_url is not None
    follow = watch if watch is not None else sys.stdout.isatty() and not json
    try:
        if from_execution is not None:
            checked = asyncio.run(_continued(choice, from_execution, execution_type))
        else:
            asked = _Asked(plans, registered, lost_region, include_unknown, wanted, replace_drill)
            checked = asyncio.run(_checked(choice, asked, execution_type))
        order = replace(checked.order, declared=declared, replace_drills=replace_drill)
        checked = replace(checked, order=order)
        if dry_run:
            raise typer.Exit(_show_readiness(checked, json=json))
        require_valid(order, is_signed=is_signed, is_confirmed=False)
        order = _confirmed(checked, confirm_id, break_glass, accepts=accept_findings)
        raise typer.Exit(asyncio.run(_start(choice, order, follow=follow, json=json)))
    except KeyboardInterrupt:
        notice("", "Interrupted. `drs-waves portfolio list` shows whether it was started.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


@dataclass(frozen=True)
class _Asked:
    path: Path | None
    registered: bool
    lost_region: str | None
    include_unknown: bool
    point_in_time: PointInTime | None
    replace_drill: bool = False


async def _checked(choice: Choice, asked: _Asked, execution_type: ExecutionType) -> _Checked:
    async with choice() as recoveries:
        selected = await selected_plans(recoveries, asked.path, registered=asked.registered)
        if problems := portfolio_problems(selected.members):
            raise CliError("\n  ".join([f"{selected.portfolio_id} cannot be run:", *problems]))
        await recoveries.portfolios.require_startable(
            selected.portfolio_id, replace_drills=asked.replace_drill
        )
        is_drill = execution_type is ExecutionType.DRILL
        selected = await _with_servers(recoveries, selected, is_drill=is_drill)
        readiness = await _readiness(recoveries, selected.plans)
        if asked.lost_region is not None:
            selected = _of_region(selected, readiness, asked)
        wanted = asked.point_in_time
        if wanted is None and selected.point_in_time is not None:
            wanted = PointInTime(time=selected.point_in_time)
        if wanted is not None:
            selected = await _at_point(recoveries, selected, wanted)
        expected = await _forecast(selected)
        order = PortfolioOrder(
            portfolio_id=selected.portfolio_id,
            portfolio_name=selected.name,
            execution_type=execution_type,
            plans=[OrderedPlan(each) for each in selected.members],
            deadline_seconds=selected.deadline_seconds,
            point_in_time=wanted,
            expected=expected,
        )
        return _Checked(
            order,
            readiness,
            expected,
            recoveries.place,
            tuple(selected.left_out),
            tuple(selected.unknown),
            tuple(selected.other_files),
        )


async def _with_servers(
    recoveries: Recoveries, selected: SelectedPlans, *, is_drill: bool
) -> SelectedPlans:
    """Look up the servers of plans that name tags, once."""
    members = []
    for each in selected.members:
        plan = each.plan
        if unresolved(plan):
            known = await recoveries.membership(plan)
            plan = with_servers(plan, known, is_drill=is_drill)
        members.append(replace(each, plan=plan))
    if problems := portfolio_problems(members):
        raise CliError("\n  ".join([f"{selected.portfolio_id} cannot be run:", *problems]))
    return replace(selected, members=members)


async def _continued(choice: Choice, execution_id: str, execution_type: ExecutionType) -> _Checked:
    async with choice() as recoveries:
        with step(f"Reading portfolio {execution_id}"):
            order = await recoveries.portfolios.continuation(execution_id, execution_type)
        readiness = await _readiness(recoveries, order.to_start)
        members = [each.member for each in order.plans]
        going = [each.member.plan.plan_id for each in order.plans if each.report is not None]
        # What is up takes no time; for what runs, the portfolio's screen has a forecast.
        # A plan that waits for one of these waits for nothing more.
        expected = await _forecast(
            SelectedPlans(
                order.portfolio_id,
                "",
                [
                    replace(m, depends_on=tuple(d for d in m.depends_on if d.plan_id not in going))
                    for m in members
                    if m.plan.plan_id not in going
                ],
            )
        )
        return _Checked(replace(order, expected=expected), readiness, expected, recoveries.place)


async def _readiness(
    recoveries: Recoveries, plans: list[RecoveryPlan]
) -> dict[str, Readiness | None]:
    """The readiness of each plan; None of one that cannot be read: it blocks nothing."""
    slots, done = asyncio.Semaphore(_CHECKS_AT_ONCE), 0

    with progress(f"Checking {count(len(plans), 'plan')} with the worker") as update:

        async def check(plan: RecoveryPlan) -> Readiness | None:
            nonlocal done
            async with slots:
                try:
                    return await recoveries.check_readiness(plan)
                except Exception as error:
                    warn(f"readiness of {plan.plan_id} could not be read: {error}")
                    return None
                finally:
                    done += 1
                    update(f"{done} checked")

        found = await asyncio.gather(*map(check, plans))
    return {plan.plan_id: each for plan, each in zip(plans, found, strict=True)}


def _of_region(
    selected: SelectedPlans, readiness: Mapping[str, Readiness | None], asked: _Asked
) -> SelectedPlans:
    origins = {i: each.origins if each else [] for i, each in readiness.items()}
    unknown = [plan.plan_id for plan in selected.plans if not origins[plan.plan_id]]
    elsewhere = [
        plan.plan_id
        for plan in selected.plans
        if origins[plan.plan_id] and asked.lost_region not in origins[plan.plan_id]
    ]
    left_out = elsewhere if asked.include_unknown else [*elsewhere, *unknown]
    found = selected.without(left_out, unknown)
    if not found.members:
        hint = f"; of {listed(unknown)} it is not known (--include-unknown)" if unknown else ""
        raise CliError(
            f"no plan has source servers in {asked.lost_region}, as far as DRS says{hint}"
        )
    return found


async def _at_point(
    recoveries: Recoveries, selected: SelectedPlans, wanted: PointInTime
) -> SelectedPlans:
    """Choose the snapshots of each plan, once."""
    members = []
    for each in selected.members:
        known = await read_snapshots(recoveries, each.plan, wanted.time)
        plan = each.plan.at_point_in_time(wanted, known.by_server)
        notice(f"{plan.plan_name}: " + "; ".join(points_facts(plan).values()))
        members.append(replace(each, plan=plan))
    return replace(selected, members=members)


async def _forecast(selected: SelectedPlans) -> ForecastReport:
    learned = LearnedDurations()
    if get_settings().api_url is None:
        try:
            async with asyncio.timeout(_HISTORY_SECONDS):
                learned = await learned_durations(HistoryTable(get_settings()), selected.plans)
        except (HistoryError, TimeoutError) as error:
            warn(f"the forecast uses default durations: {error or 'the history is slow'}")
    after = {
        m.plan.plan_id: [(d.plan_id, d.wave_id) for d in m.depends_on] for m in selected.members
    }
    return forecast(selected.plans, learned, configured(get_settings()), after)


def _confirmed(
    checked: _Checked, given: str | None, break_glass: str | None, *, accepts: bool
) -> PortfolioOrder:
    """The order with its confirmation, which is typed after everything is shown.

    What is typed on a terminal also accepts what was found; a script says so.
    """
    _print_details(checked)
    found = {plan: each.findings for plan, each in checked.readiness.items() if each}
    order = with_findings(checked.order, found, is_accepted=accepts or given is None)
    if break_glass is not None:
        notice(f"By break-glass ({break_glass}); it passes approvals.", style="bold")
    rule = partial(portfolio_refusal, order.portfolio_id, order.execution_type)
    typed = require_confirmation(
        rule, order.portfolio_id, given, name="the portfolio's ID", what="start them all"
    )
    return replace(order, confirmation=typed)


def _print_details(checked: _Checked) -> None:
    order, console = checked.order, stderr_console()
    plans = order.to_start
    is_recovery = order.execution_type is ExecutionType.RECOVERY
    console.print()
    console.print(RECOVERY_BANNER if is_recovery else "  DRILL  ", style="bold reverse")
    targets = [t for each in checked.readiness.values() if each for t in each.context.targets]
    if targets and all(target.is_sandbox for target in targets):
        console.print(" SANDBOX: the AWS endpoint is on this machine ", style="bold")
    servers = sum(plan.server_count for plan in plans)
    notice(
        "", f"Portfolio {order.portfolio_name} ({order.portfolio_id})", f"On        {checked.place}"
    )
    notice(f"Starts    {count(len(plans), 'plan')}, {count(servers, 'server')}")
    if kept := [each for each in order.plans if each.report is not None]:
        up = [e.member.plan.plan_name for e in kept if e.report and e.report.end_time is not None]
        runs = [e.member.plan.plan_name for e in kept if e.report and e.report.end_time is None]
        notice(*([f"Up        {listed(up)}"] if up else []))
        notice(*([f"Follows   {listed(runs)}, which runs"] if runs else []))
    notice(
        f"Forecast  all up after {rounded_duration(checked.expected.seconds)}, "
        f"{count(checked.expected.jobs, 'job')}, under the quotas of each account and Region"
    )
    if order.declared is not None:
        notice(f"Declared  {utc_timestamp(order.declared)}; the RTOs count from then")
    if order.replace_drills:
        notice("Cancels   running drills of these plans, and their clean-ups", style="bold")
    _print_left_out(checked)
    notice("", *target_lines(plans, checked.readiness), "")
    depends_on = {e.member.plan.plan_id: list(map(str, e.member.depends_on)) for e in order.plans}
    notice(*plan_lines(plans, depends_on, checked.expected, checked.readiness), "")


def _print_left_out(checked: _Checked) -> None:
    if checked.other_files:
        notice(f"No plans  {listed(checked.other_files)}: without the keys PlanId and Waves")
    if checked.left_out:
        notice(f"Leaves    {listed(checked.left_out)}: their sources are not in the lost Region")
    if checked.unknown:
        notice(
            f"Unknown   {listed(checked.unknown)}: DRS does not say where their sources are "
            "(--include-unknown)",
            style="yellow",
        )


def _show_readiness(checked: _Checked, *, json: bool) -> ExitCode:
    found = [
        MemberReadiness(plan_id=plan_id, summary=readiness_text(each), readiness=each)
        for plan_id, each in checked.readiness.items()
        if plan_id in {plan.plan_id for plan in checked.order.to_start}
    ]
    if json:
        write_json(
            PortfolioReadiness(
                portfolio_id=checked.order.portfolio_id,
                plans=found,
                forecast=checked.expected,
                left_out=list(checked.left_out),
                unknown=list(checked.unknown),
                other_files=list(checked.other_files),
            )
        )
    else:
        _print_details(checked)
        notice("Nothing was started.")
    ready = all(
        each.readiness is not None and each.readiness.status is ReadinessStatus.READY
        for each in found
    )
    return ExitCode.COMPLETED if ready else ExitCode.FAILED


async def _start(choice: Choice, order: PortfolioOrder, *, follow: bool, json: bool) -> ExitCode:
    async with choice() as recoveries:
        started: StartedPortfolio = await recoveries.portfolios.start(order)
        result = "Queued" if started.is_queued else "Started"
        notice(f"{result} {order.execution_type} {started.execution_id} on {started.temporal}")
        for each in started.warnings:
            warn(each)
        if follow:
            return await follow_portfolio(recoveries, started.execution_id, json=json)
    if json:
        write_json(started)
    else:
        notice(f"Watch it: drs-waves portfolio watch {order.portfolio_id}")
    return ExitCode.COMPLETED
