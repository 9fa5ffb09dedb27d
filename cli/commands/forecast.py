"""`forecast`: how long plans will take, alone and all at once."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from aws.quotas import configured
from cli.commands.validate import Json, PlanFiles, compare_with_rto, read_all
from cli.render.cells import fit, list_within
from cli.render.output import show, step, warn, write_json
from cli.render.tables import aligned
from client.recoveries.chosen import refuse_through_the_api
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS, defaults_text, step_key
from recovery.forecast.fast_mode import measured_text
from recovery.forecast.report import FastMode, ForecastReport, PlanExpectation
from recovery.forecast.simulation import forecast
from recovery.launch.admission import Quotas
from recovery.plan.membership import membership_facts, unresolved, with_recorded
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count, rounded_duration
from settings import get_settings
from storage.durations import learned_durations
from storage.history import HistoryError, HistoryTable
from storage.plans import PlanTable, PlanTableError

_WIDTH = 80
# A shorter wait comes from the handover between waves, not from a quota, and a shorter saving is
# within the variation of launch durations.
_MIN_SHOWN_SECONDS = 30.0
_MEASURED_SHOWN = 5


def forecast_plans(
    plans: PlanFiles,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history",
            help="Use the durations that DynamoDB has recorded. Default: yes.",
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Show how long plans take, alone and all at once.

    The waves are simulated under the DRS quotas, with the recorded duration of
    each server in the last executions of its plan; with 9 minutes if none is
    recorded. Nothing is started.

    \b
    Examples:
      drs-waves forecast crm.yaml
      drs-waves forecast plans/*.yaml            when a whole Region is lost
      drs-waves forecast crm.yaml --no-history
    \b
    Exit codes: 0 shown, 2 a plan is wrong.
    """
    if history:
        refuse_through_the_api("forecast without --no-history")
    read = [each.plan for each in read_all(plans)]
    if history:
        read = asyncio.run(_with_recorded(read))
    learned = _learned_durations(read) if history else LearnedDurations()
    quotas = configured(get_settings())
    found = forecast(read, learned, quotas)
    if json:
        write_json(found)
    else:
        show(*_lines(read, found, learned, quotas))


async def _with_recorded(plans: Sequence[RecoveryPlan]) -> list[RecoveryPlan]:
    """The plans with the servers that were last recorded for their tags."""
    table, found = PlanTable(get_settings()), []
    for plan in plans:
        recorded = None
        if unresolved(plan):
            try:
                recorded = await table.recorded_servers(plan.plan_id)
            except PlanTableError as error:
                warn(f"{error} One server is assumed for each wave with tags.")
        found.append(with_recorded(plan, recorded))
    return found


def _learned_durations(plans: Sequence[RecoveryPlan]) -> LearnedDurations:
    """Learn durations from the history; none, with a warning, if it cannot be read."""
    with step("Reading the history"):
        try:
            return asyncio.run(learned_durations(HistoryTable(get_settings()), plans))
        except HistoryError as error:
            warn(f"{error} The forecast uses {rounded_duration(DEFAULT_SERVER_SECONDS)} a server.")
            return LearnedDurations()


def _lines(
    plans: Sequence[RecoveryPlan],
    found: ForecastReport,
    learned: LearnedDurations,
    quotas: Quotas,
) -> list[str]:
    expected = list(zip(plans, found.plans, strict=True))
    rows = [
        (
            fit(plan.plan_name, 28),
            str(len(plan.waves)),
            str(plan.server_count),
            rounded_duration(each.seconds_alone),
            rounded_duration(each.seconds_at_once),
            compare_with_rto(plan, each.seconds_at_once),
        )
        for plan, each in expected
    ]
    heading = ("PLAN", "WAVES", "SERVERS", "ALONE", "AT ONCE", "")
    lines = aligned(rows, heading=heading)
    for plan, each in expected:
        lines += ["", *_plan_lines(plan, each)]
        lines += [f"  {name}: {text}" for name, text in membership_facts(plan).items()]
    together = (
        f"All at once: {rounded_duration(found.seconds)}, {count(found.jobs, 'job')}; the quotas "
        f"are {count(quotas.jobs, 'job')} and {count(quotas.servers, 'server')} in progress, in "
        "each account and Region."
    )
    return [*lines, "", *([together] if len(found.plans) > 1 else []), _assumptions(plans, learned)]


def _assumptions(plans: Sequence[RecoveryPlan], learned: LearnedDurations) -> str:
    """Say where the durations of the servers and steps come from."""
    servers = {s for plan in plans for w in plan.waves for s in w.server_ids}
    unlearned = servers - learned.servers.keys()
    by_system = sum(server in learned.operating_systems for server in unlearned)
    learned_count = len(servers) - len(unlearned)
    parts = [f"{learned_count} of {count(len(servers), 'server')} from the history"]
    if by_system:
        parts.append(f"{by_system} from servers with the same operating system")
    if rest := len(unlearned) - by_system:
        parts.append(f"{rest} assumed to take {rounded_duration(DEFAULT_SERVER_SECONDS)}")
    steps = [
        step_key(wave.wave_id, step.step_id) in learned.steps.get(plan.plan_id, {})
        for plan in plans
        for wave in plan.waves
        for _, step in wave.all_steps
    ]
    if known := sum(steps):
        parts.append(f"{known} of {count(len(steps), 'step')} from the history")
    if unknown := len(steps) - known:
        parts.append(defaults_text(unknown))
    return f"Durations: {', '.join(parts)}."


def _plan_lines(plan: RecoveryPlan, each: PlanExpectation) -> list[str]:
    """Say what determines how long one plan takes, and what would shorten it."""
    waves = {wave.wave_id: wave for wave in each.waves}
    chain = [
        f"{plan.wave(w).wave_name} {rounded_duration(waves[w].expected_seconds)}"
        for w in each.critical_path
    ]
    lines = [fit(plan.plan_name, _WIDTH), list_within(chain, _WIDTH, start="  Critical path: ")]
    waiting = [
        f"{plan.wave(wave.wave_id).wave_name} {rounded_duration(wave.waiting_seconds)}"
        for wave in each.waves
        if wave.waiting_seconds >= _MIN_SHOWN_SECONDS
    ]
    if waiting:
        lines.append(list_within(waiting, _WIDTH, start="  Waits for quota: "))
    if each.split is not None and each.split.saves_seconds >= _MIN_SHOWN_SECONDS:
        name = fit(plan.wave(each.split.wave_id).wave_name, 24)
        less = f"{rounded_duration(each.split.saves_seconds)} less"
        lines.append(
            f"  Split {name}: {less} if nothing waits for " + list_within(each.split.server_ids, 45)
        )
    return [*lines, *_fast_mode_lines(each.fast)]


def _fast_mode_lines(fast: FastMode | None) -> list[str]:
    """Say what the recovery mode FAST saves, and what it has saved."""
    if fast is None:
        return []
    lines = []
    if fast.saves_seconds >= _MIN_SHOWN_SECONDS:
        less = f"{rounded_duration(fast.saves_seconds)} less on the critical path"
        lines.append(f"  RecoveryMode FAST: {less}, for")
        lines.append(list_within(fast.server_ids, _WIDTH, start="    "))
    for each in fast.measured[:_MEASURED_SHOWN]:
        text = measured_text(each.fast_seconds, each.optimal_seconds)
        lines.append(f"  Measured: {each.source_server_id} {text}")
    if more := len(fast.measured) - _MEASURED_SHOWN:
        lines += [f"  Measured: {more} more, in --json"] if more > 0 else []
    return lines
