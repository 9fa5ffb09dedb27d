"""The options of a recovery to a point in time, and the choice of its snapshots before a start."""

import time
from typing import Annotated

import typer

from cli.input.durations import parse_duration, parse_time
from cli.render.output import notice, progress
from cli.render.snapshots import snapshot_table
from client.recoveries.chosen import Choice
from client.recoveries.protocol import Recoveries
from client.recoveries.snapshots import snapshots_seconds
from contract.readiness import PlanSnapshots, Readiness
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import (
    left_out_text,
    points_facts,
    points_problem,
    unlaunched_reason,
)
from recovery.plan.snapshots import PointInTime
from recovery.readiness.planned_target import PlannedTarget, finding_of
from recovery.readiness.subjects.snapshots import POINT_IN_TIME_UNMET
from recovery.text_format import count, rounded_duration
from runtime.exit import CliError

_SERVERS_SHOWN = 30

Time = Annotated[
    float | None,
    typer.Option(
        "--point-in-time",
        metavar="TIME",
        parser=parse_time,
        help="Launch each server from its newest snapshot at or before this time: ISO 8601 with "
        "its zone, or -2h for two hours ago.",
    ),
]
MaxSpread = Annotated[
    float | None,
    typer.Option(
        metavar="DURATION",
        parser=parse_duration,
        help="With --point-in-time: refuse snapshots that are further apart, such as 15m or 2h. "
        "Latest data (--or-latest) counts as of now.",
    ),
]
OrLatest = Annotated[
    bool,
    typer.Option(
        "--or-latest",
        help="With --point-in-time: launch a server without such a snapshot with its latest data.",
    ),
]


def point_in_time(
    time: float | None, max_spread: float | None, *, or_latest: bool
) -> PointInTime | None:
    """The point in time that the options ask for; None if they ask for none.

    Raises:
        CliError: the other options are given without it.
    """
    if time is not None:
        return PointInTime(time=time, max_spread_seconds=max_spread, or_latest=or_latest)
    if max_spread is not None or or_latest:
        raise CliError("--max-spread and --or-latest need --point-in-time TIME")
    return None


async def read_snapshots(
    recoveries: Recoveries, plan: RecoveryPlan, around: float | None
) -> PlanSnapshots:
    """Read the snapshots of a plan's servers, and show how far that is."""
    servers = count(plan.server_count, "server")
    most = rounded_duration(snapshots_seconds(plan))
    with progress(f"Reading the snapshots of {servers} (at most {most})") as update:
        return await recoveries.snapshots(
            plan, around, on_progress=lambda done: update(f"{done} read")
        )


async def choose_snapshots(choice: Choice, plan: RecoveryPlan, wanted: PointInTime) -> RecoveryPlan:
    """Choose the snapshot of each server of a plan, once, and print the choice.

    Returns:
        The plan with the choice.
    """
    async with choice() as recoveries:
        known = await read_snapshots(recoveries, plan, wanted.time)
    chosen = plan.at_point_in_time(wanted, known.by_server)
    names = {each.source_server_id: each.server_name for each in known.servers}
    facts = points_facts(chosen, names, now=time.time()) | {
        "Read in": rounded_duration(known.seconds)
    }
    notice("", *(f"{name:<9}{text}" for name, text in facts.items()), "")
    heading, *rows = snapshot_table(chosen, known)
    notice(heading, *rows[:_SERVERS_SHOWN])
    if len(rows) > _SERVERS_SHOWN:
        notice(f"and {len(rows) - _SERVERS_SHOWN} more; drs-waves snapshots lists all")
    if left := left_out_text(chosen):
        notice("", f"It starts without {left}.")
    notice("")
    return chosen


def with_points(readiness: Readiness, plan: RecoveryPlan) -> Readiness:
    """The result of a readiness check, with what the chosen snapshots keep from launching."""
    wanted = plan.point_in_time
    if wanted is None:
        return readiness
    found = [
        PlannedTarget(plan, wave.target).finding(
            POINT_IN_TIME_UNMET,
            unlaunched_reason(server.chosen_point.kind, wanted),
            server.source_server_id,
        )
        for wave in plan.waves
        for server in wave.servers
        if server.chosen_point is not None and not server.is_launched
    ]
    if (problem := points_problem(plan, now=time.time())) is not None:
        found.append(finding_of(POINT_IN_TIME_UNMET, f"a start is refused: {problem}"))
    return readiness.with_findings([*readiness.findings, *found])
