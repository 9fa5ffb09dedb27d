"""Launch templates: whether the next launch of a server is the one that the plan means."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.launch_settings.in_force import (
    SettingsInForce,
    differences_in,
    isolation_problems,
)
from recovery.launch_settings.resolve import drill_settings_of, settings_of
from recovery.readiness.affected import unread
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget

TEMPLATE_MISSING = FindingKind(
    code=FindingCode.TEMPLATE_MISSING,
    severity=Severity.BLOCKS,
    title="The server has no launch template",
    meaning="DRS names none, or EC2 does not have it: DRS cannot launch the server.",
    action="Save the server's launch settings in the DRS console; DRS makes its template again.",
)
LAUNCH_SETTINGS_DRIFT = FindingKind(
    code=FindingCode.LAUNCH_SETTINGS_DRIFT,
    severity=Severity.WARNS,
    title="The launch settings in force are not the plan's",
    meaning="The server would launch with other settings than the plan has.",
    action="`drs-waves launch-settings apply PLAN` applies the plan's.",
)
ISOLATION_IMPOSSIBLE = FindingKind(
    code=FindingCode.ISOLATION_IMPOSSIBLE,
    severity=Severity.BLOCKS,
    title="A drill cannot isolate the server",
    meaning="A drill would launch it where it meets production, so it does not launch it.",
    action="Correct DrillLaunchSettings or the launch template, as the finding says.",
    refuses_drill=True,
)
KINDS = (TEMPLATE_MISSING, LAUNCH_SETTINGS_DRIFT, ISOLATION_IMPOSSIBLE)


class LaunchTemplateEvidence(Model):
    """What DRS and EC2 have for the servers of a target.

    Attributes:
        servers: by ID, or why it could not be read.
        read_time: when DRS's part was read (epoch seconds), if that is not the time of the look.
        failed: why launch templates could not be read.
    """

    servers: dict[str, SettingsInForce | FailedRead] = {}
    read_time: dict[str, float] = {}
    failed: FailedRead | None = None


def launch_template_findings(
    planned: PlannedTarget, evidence: LaunchTemplateEvidence
) -> Iterator[Finding]:
    """Judge the launch settings of a plan's servers in one target."""
    if evidence.failed is not None:
        yield evidence.failed.finding("the launch templates", planned)
    unreadable = {i: e for i, e in evidence.servers.items() if isinstance(e, FailedRead)}
    yield from unread(planned, "its launch settings", unreadable)
    for server_id, found in evidence.servers.items():
        if not isinstance(found, FailedRead):
            yield from _of_server(planned, server_id, found, evidence.read_time.get(server_id))


def _of_server(
    planned: PlannedTarget, server_id: str, found: SettingsInForce, read_time: float | None
) -> Iterator[Finding]:
    wave, server = planned.wave_of[server_id], planned.servers[server_id]
    if found.template_version is None:
        template = found.template_id or "none"
        message = (
            f"EC2 has no launch template {template}, which DRS names for it"
            if found.template_id
            else "DRS names no launch template for it"
        )
        seen = {"LaunchTemplate": template}
        yield planned.finding(
            TEMPLATE_MISSING, message, server_id, evidence=seen, read_time=read_time
        )
    wanted = settings_of(planned.plan, wave, server, is_drill=False)
    differences = differences_in(wanted, found) if found.template_version is not None else []
    if differences:
        shown = ", ".join(f"{e.setting} {e.found or '(none)'}, not {e.wanted}" for e in differences)
        yield planned.finding(
            LAUNCH_SETTINGS_DRIFT,
            f"it would launch with {shown}: `drs-waves launch-settings apply` applies the plan's",
            server_id,
            evidence={each.setting: each.found or "(none)" for each in differences},
            read_time=read_time,
        )
    drill = drill_settings_of(planned.plan, wave, server)
    if drill is not None and (problems := isolation_problems(drill, found)):
        reasons = "; ".join(problems)
        message = f"a drill does not launch it, for it cannot isolate it: {reasons}"
        yield planned.finding(
            ISOLATION_IMPOSSIBLE,
            message,
            server_id,
            evidence={"Problem": reasons},
            read_time=read_time,
        )
