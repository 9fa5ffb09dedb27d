"""`snapshots`: the points in time that the servers of a plan can be recovered to."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.validate import Json, read_all
from cli.input.durations import parse_time
from cli.input.membership import look_up_servers
from cli.input.point_in_time import read_snapshots
from cli.render.output import show, write_json
from cli.render.snapshots import snapshot_table
from client.recoveries.chosen import recoveries
from contract.readiness import PlanSnapshots
from recovery.plan.membership import unresolved
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count, rounded_duration
from runtime.exit import CliError, ExitCode


def snapshots(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file, YAML or JSON.")],
    around: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_time,
            help="Show which snapshot --point-in-time TIME would choose: ISO 8601 with its zone, "
            "or -2h for two hours ago.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the snapshots of a plan's servers.

    DRS takes one server a call, so a large plan takes a while.

    \b
    Examples:
      drs-waves snapshots crm.yaml
      drs-waves snapshots crm.yaml --around 2026-11-26T14:00:00Z
      drs-waves snapshots crm.yaml --around -2h --json
    \b
    Exit codes: 0 each server has one (with --around: at or before that time),
    1 not each, or not known of each, 2 bad input, 5 cannot reach Temporal or
    AWS.
    """
    requested, _ = look_up_servers(
        recoveries, read_all([plan])[0].plan, is_drill=True, accept=False, dry_run=True
    )
    if unresolved(requested):
        raise CliError("no snapshot was read: the tags match no servers; see `drs-waves readiness`")
    known = asyncio.run(_read(requested, around))
    without = [s for s in known.servers if not (s.chosen if around is not None else s.count)]
    if json:
        write_json(known)
    else:
        show(*snapshot_table(requested, known), "")
        servers = count(len(known.servers), "server")
        has = "a snapshot at or before that time" if around is not None else "a snapshot"
        show(
            f"{len(known.servers) - len(without)} of {servers} have {has}; read in "
            f"{rounded_duration(known.seconds)}."
        )
    raise typer.Exit(ExitCode.FAILED if without else ExitCode.COMPLETED)


async def _read(plan: RecoveryPlan, around: float | None) -> PlanSnapshots:
    async with recoveries() as known:
        return await read_snapshots(known, plan, around)
