"""`schedule`: when drills start by themselves, and what became of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from cli.commands.validate import Json
from cli.input.completion import complete_plan
from cli.render.output import show, step, write_json
from cli.render.schedules import schedule_lines, schedule_table
from client.schedules.chosen import Schedules, schedules
from client.schedules.view import ScheduleView
from recovery.schedule.record import DrillStatus
from runtime.exit import CliError, ExitCode

schedule = typer.Typer(
    name="schedule",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show, pause and run the schedules of drills.",
)
PlanId = Annotated[
    str, typer.Argument(metavar="PLAN_ID", help="A plan.", autocompletion=complete_plan)
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; others read it.")]


@schedule.command("list")
def list_schedules(json: Json = False) -> None:
    """List all schedules: the next times, and the last drill.

    \b
    Exit codes: 0 shown, 5 Temporal cannot be reached.
    """

    async def load() -> list[ScheduleView]:
        async with schedules() as known:
            return list(await known.list())

    found = asyncio.run(load())
    if json:
        write_json(found)
    elif found:
        show(*schedule_table(found))
    else:
        show("No plan has a schedule of drills. Give one a Schedule, and register it.")


@schedule.command("show")
def show_schedule(plan_id: PlanId, json: Json = False) -> None:
    """Show the schedule of a plan and its last drills.

    \b
    Exit codes: 0 shown, 2 the plan has none, 5 Temporal cannot be reached.
    """
    _print(asyncio.run(_do(lambda known: known.show(plan_id))), json=json)


@schedule.command()
def pause(plan_id: PlanId, reason: Reason = "", json: Json = False) -> None:
    """Start no drill of a plan until somebody resumes its schedule.

    \b
    Exit codes: 0 paused, 2 the plan has no schedule, 5 Temporal cannot be
    reached.
    """
    _print(asyncio.run(_do(lambda known: known.pause(plan_id, reason))), json=json)


@schedule.command()
def resume(plan_id: PlanId, reason: Reason = "", json: Json = False) -> None:
    """Start drills of a plan again.

    \b
    Exit codes: 0 resumed, 2 the plan has no schedule, 5 Temporal cannot be
    reached.
    """
    _print(asyncio.run(_do(lambda known: known.resume(plan_id, reason))), json=json)


@schedule.command("run-now")
def run_now(plan_id: PlanId, json: Json = False) -> None:
    """Start a drill now, as the schedule would.

    What skips a scheduled drill skips this one too: `run` starts one in any
    case.

    \b
    Exit codes: 0 it runs, 2 it was skipped or refused, 5 Temporal cannot be
    reached, or no worker has taken it up: it starts once one runs, within an
    hour.
    """

    async def run() -> None:
        async with schedules() as known:
            with step("Starting"):
                record = await known.run_now(plan_id)
        if json:
            write_json(record)
        if record.status is DrillStatus.SKIPPED:
            raise CliError(f"nothing was started: {record.reason}")
        if record.status is DrillStatus.ANNOUNCED:
            raise CliError(
                f"{record.execution_id} has not started: no worker took it up. It starts once one "
                "runs, within an hour. Start a worker, and see "
                f"`drs-waves schedule show {plan_id}`",
                ExitCode.UNREACHABLE,
            )
        if not json:
            show(record.text)

    asyncio.run(run())


@schedule.command()
def sign(plan_id: PlanId, json: Json = False) -> None:
    """Sign a schedule, through an API that signs.

    Registering a plan there signs its schedule, too. A signature holds for 400
    days.

    \b
    Exit codes: 0 signed, 2 refused, 5 Temporal cannot be reached.
    """
    _print(asyncio.run(_do(lambda known: known.sign(plan_id))), json=json)


@schedule.command()
def revoke(plan_id: PlanId, reason: Reason = "", json: Json = False) -> None:
    """Revoke the signature of a schedule for good, and pause it.

    Workers that need signed requests launch nothing more of its drills; their
    clean-ups go on.

    \b
    Exit codes: 0 revoked, 2 refused, 5 Temporal cannot be reached.
    """
    _print(asyncio.run(_do(lambda known: known.revoke(plan_id, reason))), json=json)


async def _do(what: Callable[[Schedules], Awaitable[ScheduleView]]) -> ScheduleView:
    async with schedules() as known:
        return await what(known)


def _print(view: ScheduleView, *, json: bool) -> None:
    if json:
        write_json(view)
    else:
        show(*schedule_lines(view))
