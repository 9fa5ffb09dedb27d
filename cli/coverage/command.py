"""`coverage`: what registered plans and their drills leave uncovered."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from cli.commands.validate import Json
from cli.render.cells import wrapped
from cli.render.output import show, step, write_json
from cli.render.tables import aligned
from client.recoveries.chosen import recoveries
from recovery.coverage.csv_rows import coverage_csv
from recovery.coverage.gaps import Coverage, GapCode
from recovery.text_format import count
from runtime.exit import ExitCode

_WIDTH = 80
_TITLES = {
    GapCode.UNKNOWN: "UNKNOWN: could not be read",
    GapCode.IN_NO_PLAN: "IN_NO_PLAN: source servers in no plan",
    GapCode.IN_SEVERAL_PLANS: "IN_SEVERAL_PLANS: source servers in more than one plan",
    GapCode.NEVER_DRILLED: "NEVER_DRILLED: plans that were never drilled",
    GapCode.DRILL_OVERDUE: "DRILL_OVERDUE: plans whose last drill is too old",
    GapCode.CHANGED_SINCE_DRILL: "CHANGED_SINCE_DRILL: plans that changed since their last drill",
}


def coverage(
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row a gap.")] = False,
) -> None:
    """List servers in no plan, and plans not drilled lately.

    A worker reads all source servers of the targets on its allow-list, and of
    those of the registered plans. A drill counts if it was COMPLETED or
    PARTIAL, of this version of the plan, and not longer ago than the plan's
    DrillIntervalDays.

    \b
    Examples:
      drs-waves coverage
      drs-waves coverage --csv > gaps.csv
    \b
    Exit codes: 0 no gap, 1 a gap, or something could not be read, 2 bad input,
    5 cannot reach Temporal or a worker.
    """
    if json and csv:
        raise typer.BadParameter("give --json or --csv, not both")
    with step("Reading source servers, plans and drills"):
        found = asyncio.run(_read())
    if json:
        write_json(found)
    elif csv:
        typer.echo(coverage_csv(found), nl=False)
    else:
        show(*_lines(found))
    raise typer.Exit(ExitCode.COMPLETED if found.is_complete else ExitCode.FAILED)


async def _read() -> Coverage:
    async with recoveries() as known:
        return await known.coverage()


def _lines(found: Coverage) -> Iterator[str]:
    rows = [
        (
            target.account_id or "unknown",
            target.region,
            "UNKNOWN" if target.servers is None else str(target.servers),
            target.role_arn or "",
        )
        for target in found.targets
    ]
    yield from aligned(rows, heading=("ACCOUNT", "REGION", "SERVERS", "ROLE"))
    for note in found.notes:
        yield from wrapped(note, _WIDTH, indent="  ", first="  ")
    amounts = Counter(gap.code for gap in found.gaps)
    for code, title in _TITLES.items():
        if amounts[code]:
            yield from ("", f"{title} ({amounts[code]})")
        for gap in found.gaps:
            if gap.code is code:
                yield from wrapped(gap.message, _WIDTH, indent="    ", first="  - ")
    yield ""
    if found.left_out:
        yield f"{count(found.left_out, 'more gap')} not shown."
    looked = f"{count(found.servers, 'source server')}, {count(found.plans, 'registered plan')}"
    gaps = count(len(found.gaps) + found.left_out, "gap")
    yield f"{looked}: {gaps if found.gaps else 'no gap'}."
