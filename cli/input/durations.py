"""Parses the values of options that are durations or times."""

import re
import time

import typer

from recovery.plan.point_in_time import time_problem
from recovery.report.declaration import declaration_problem
from recovery.time_text import read_duration, read_time


def parse_duration(text: str) -> float:
    """Parse the value of an option that is a duration; returns seconds.

    Raises:
        typer.BadParameter: it is not a duration above 0, or it is longer than 30 days.
    """
    try:
        return read_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_time(text: str) -> float:
    """Parse the value of an option that is a time in the past; returns epoch seconds.

    Raises:
        typer.BadParameter: it is no such time, or it has no zone.
    """
    now = time.time()
    try:
        moment = read_time(text, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if (problem := time_problem(moment, now=now)) is not None:
        raise typer.BadParameter(problem)
    return moment


def parse_declared(text: str) -> float:
    """Parse the time of a declaration, of at most 30 days ago; returns epoch seconds.

    Raises:
        typer.BadParameter: it is no such time, or it has no zone.
    """
    moment = parse_time(text)
    if (problem := declaration_problem(moment, start=time.time())) is not None:
        raise typer.BadParameter(problem)
    return moment


def parse_since(text: str) -> float:
    """Parse a date, whose day begins in UTC, or a time in the past; returns epoch seconds.

    Raises:
        typer.BadParameter: it is neither.
    """
    is_date = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip())
    return parse_time(f"{text.strip()}T00:00Z" if is_date else text)
