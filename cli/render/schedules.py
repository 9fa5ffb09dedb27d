"""Schedules of drills in the terminal."""

from collections.abc import Sequence

from cli.render.tables import aligned
from client.schedules.view import ScheduleView
from recovery.text_format import timestamp


def schedule_table(views: Sequence[ScheduleView]) -> list[str]:
    """One line a schedule."""
    rows = [(view.plan_id, view.cron, view.next_text, last_text(view)) for view in views]
    return aligned(rows, heading=("PLAN", "CRON", "NEXT", "LAST"))


def schedule_lines(view: ScheduleView) -> list[str]:
    """A schedule, with its next times in its own zone and UTC, and its last drills."""
    rows = [("Cron", f"{view.cron} ({view.time_zone})")]
    if view.is_paused:
        rows.append(("Next", f"PAUSED: {view.note or 'no reason is given'}"))
    for number, moment in enumerate(view.next_times):
        rows.append(("" if number else "Next", view.time_text(moment)))
    if view.missed:
        rows.append(("Missed", f"{view.missed}: Temporal could not start them in time"))
    if view.signed_by is not None:
        until = timestamp(view.signed_until or 0.0)
        rows.append(("Signed", f"by {view.signed_by}, until {until}"))
    lines = aligned(rows)
    if view.drills:
        drills = [(timestamp(d.scheduled_time), d.status, d.reason) for d in view.drills]
        lines += ["", *aligned(drills, heading=("DRILL", "STATUS", "REASON"))]
    return lines


def last_text(view: ScheduleView) -> str:
    """What became of the last drill."""
    if view.last_error is not None:
        return f"not known: {view.last_error}"
    return view.last.text if view.last is not None else "none yet"
