"""`doctor`: says what is wrong with an installation, and what to do."""

import asyncio
from collections.abc import Iterator, Sequence

import typer

from cli.commands.validate import Json
from cli.render.output import show, step, write_json
from client.connection import configured_place
from client.doctor.doctor import examine
from client.recoveries.chosen import refuse_through_the_api
from recovery.doctor.check import Check, CheckStatus, DoctorReport, Part
from recovery.text_format import count
from runtime.exit import ExitCode
from settings import Settings, get_settings

_WIDTH = max(len(each) for each in CheckStatus)


def doctor(json: Json = False) -> None:
    """Check the installation, and say what to do.

    Temporal, workers, launchers, tables, targets, permissions, clocks, channels,
    keys and schedules are checked at the same time; nothing is changed, launched
    or sent. What only workers can see, such as the targets, a worker checks with
    its own credentials. Each check is OK, WARN, FAIL or SKIPPED.

    \b
    Examples:
      drs-waves doctor
      drs-waves doctor --json
    \b
    Exit codes: 0 no check failed, 1 a check failed, 2 a wrong setting.
    """
    refuse_through_the_api("doctor")
    settings = get_settings()
    place = configured_place()
    with step(f"Examining the installation ({place})"):
        report = asyncio.run(examine(settings, _key_checks))
    if json:
        write_json(report)
    else:
        show(*_lines(report))
    is_broken = report.status is CheckStatus.FAIL
    raise typer.Exit(ExitCode.FAILED if is_broken else ExitCode.COMPLETED)


async def _key_checks(settings: Settings, trusted: Sequence[str] | None) -> list[Check]:
    try:
        # Workers do not have its packages.
        from api.auth.key_checks import serve_key_checks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        why = f"the packages of `drs-waves serve` are not installed ({error.name})"
        return [Check.skipped(Part.KEYS, "keys of serve", why)]
    return await serve_key_checks(settings, trusted)


def _lines(report: DoctorReport) -> Iterator[str]:
    part = None
    for check in report.checks:
        if check.part is not part:
            part = check.part
            yield part
        yield f"  {check.status:<{_WIDTH}}  {check.subject}: {check.message}"
        if check.action:
            yield f"  {'':<{_WIDTH}}  → {check.action}"
    counts = [
        f"{sum(each.status is status for each in report.checks)} {status}"
        for status in (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIPPED, CheckStatus.OK)
    ]
    checks = count(len(report.checks), "check")
    yield f"{report.status}: {checks} in {report.seconds:.0f} s ({', '.join(counts)})"
