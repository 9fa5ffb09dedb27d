"""`forecast`: how long plans will take, alone and all at once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from aws.quotas import configured
from cli.commands.validate import Json, PlanFiles, against_rto, read_all
from cli.render.cells import fit, list_within
from cli.render.output import show, step, warn, write_model
from cli.render.tables import aligned
from recovery.forecast.durations import LearnedDurations
from recovery.forecast.estimates import DEFAULT_SERVER_SECONDS, wave_seconds
from recovery.forecast.report import ForecastReport
from recovery.forecast.simulation import Forecast, PlanForecast, forecast
from recovery.launch.admission import Quotas
from recovery.plan.model import RecoveryPlan
from recovery.text_format import about, count, visible
from settings import get_settings
from storage.durations import learned_durations
from storage.history import HistoryError, HistoryTable

_WIDTH = 80
# Less is the handover from wave to wave, not a quota; and no server takes the same time twice.
_WORTH_TELLING_SECONDS = 30.0


def forecast_plans(
    plans: PlanFiles,
    history: Annotated[
        bool,
        typer.Option(
            "--history/--no-history", help="Learn from the executions in DynamoDB. Default: yes."
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Say how long plans take, each alone and all started at once.

    The wave graph is played through under DRS's quotas, with what each server took
    in the latest recorded executions of its plan; 9 minutes where none is recorded.
    Nothing is started.

    \b
    Examples:
      drs-waves forecast crm.yaml
      drs-waves forecast plans/*.yaml            when a whole Region is lost
      drs-waves forecast crm.yaml --no-history
    \b
    Exit codes: 0 told, 2 a plan is wrong.
    """
    read = [each.plan for each in read_all(plans)]
    known = _learned(read) if history else LearnedDurations()
    quotas = configured(get_settings())
    found = forecast(read, known.durations, quotas)
    if json:
        write_model(ForecastReport.of(found, known))
        return
    for line in _lines(found, known, quotas):
        show(visible(line))


def _learned(plans: Sequence[RecoveryPlan]) -> LearnedDurations:
    """What servers took; nothing, with a warning, where the history cannot be read."""
    with step("Reading the history"):
        try:
            return asyncio.run(learned_durations(HistoryTable(get_settings()), plans))
        except HistoryError as error:
            warn(f"{error} The forecast uses {about(DEFAULT_SERVER_SECONDS)} a server.")
            return LearnedDurations()


def _lines(found: Forecast, known: LearnedDurations, quotas: Quotas) -> list[str]:
    rows = [
        (
            fit(each.plan.plan_name, 28),
            str(len(each.plan.waves)),
            str(each.plan.server_count),
            about(each.alone.seconds),
            about(each.seconds),
            against_rto(each.plan, each.seconds),
        )
        for each in found.plans
    ]
    heading = ("PLAN", "WAVES", "SERVERS", "ALONE", "AT ONCE", "")
    lines = aligned(rows, heading=heading)
    for each in found.plans:
        lines += ["", *_plan_lines(each, known.durations)]
    together = (
        f"All at once: {about(found.seconds)}, {count(found.jobs, 'job')}, under "
        f"{count(quotas.jobs, 'job')} and {count(quotas.servers, 'server')} at a time in each "
        "account and Region."
    )
    return [*lines, "", *([together] if len(found.plans) > 1 else []), _basis(found, known)]


def _basis(found: Forecast, known: LearnedDurations) -> str:
    """What the forecast supposes of how long servers take."""
    asked = {s for each in found.plans for w in each.plan.waves for s in w.server_ids}
    learned = sum(server in known.servers for server in asked)
    by_system = sum(server in known.system_of for server in asked if server not in known.servers)
    told = f"Durations of {learned} of {count(len(asked), 'server')} are from the history, "
    if by_system:
        told += f"of {by_system} from others of the same operating system, "
    return f"{told}the others {about(DEFAULT_SERVER_SECONDS)}."


def _plan_lines(each: PlanForecast, durations: Mapping[str, float]) -> list[str]:
    """What decides how long one plan takes, and what would shorten it."""
    plan = each.plan
    chain = [
        f"{plan.wave(w).wave_name} {about(wave_seconds(plan.wave(w), durations))}"
        for w in each.alone.waves
    ]
    lines = [fit(plan.plan_name, _WIDTH), list_within(chain, _WIDTH, start="  Critical path: ")]
    held = [
        f"{plan.wave(wave_id).wave_name} {about(wave.waits)}"
        for wave_id, wave in each.waves.items()
        if wave.waits >= _WORTH_TELLING_SECONDS
    ]
    if held:
        lines.append(list_within(held, _WIDTH, start="  Waits for quota: "))
    if each.split is not None and each.split.saves >= _WORTH_TELLING_SECONDS:
        name = fit(plan.wave(each.split.wave_id).wave_name, 24)
        lines.append(
            f"  Split {name}: {about(each.split.saves)} less if nothing waits for "
            + list_within(each.split.servers, 45)
        )
    return lines
