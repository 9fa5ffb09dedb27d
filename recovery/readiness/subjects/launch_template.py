"""Launch templates: whether the next launch of a server is the one that the plan means."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.launch_settings.in_force import (
    SettingsInForce,
    differences_in,
    isolation_problems,
)
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.resolve import drill_settings_of, settings_of
from recovery.plan.model import Server, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget

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
KINDS = (LAUNCH_SETTINGS_DRIFT, ISOLATION_IMPOSSIBLE)


class LaunchTemplateEvidence(Model):
    """What DRS and EC2 have for the servers of a target.

    Attributes:
        servers: by ID, or why it could not be read.
        failed: why nothing could be read.
    """

    servers: dict[str, SettingsInForce | FailedRead] = {}
    failed: FailedRead | None = None


def names_settings(planned: PlannedTarget, wave: Wave, server: Server) -> bool:
    """Whether the plan says how the server is launched."""
    wanted = settings_of(planned.plan, wave, server, is_drill=False)
    has_own = wanted != ServerLaunchSettings()
    return has_own or drill_settings_of(planned.plan, wave, server) is not None


def launch_template_findings(
    planned: PlannedTarget, evidence: LaunchTemplateEvidence
) -> Iterator[Finding]:
    """Judge the launch settings of a plan's servers in one target."""
    if evidence.failed is not None:
        yield evidence.failed.finding("launch settings", planned)
    for server_id, found in evidence.servers.items():
        wave, server = planned.wave_of[server_id], planned.servers[server_id]
        if isinstance(found, FailedRead):
            yield found.finding("its launch settings", planned, server_id)
            continue
        wanted = settings_of(planned.plan, wave, server, is_drill=False)
        if differences := differences_in(wanted, found):
            shown = ", ".join(
                f"{e.setting} {e.found or '(none)'}, not {e.wanted}" for e in differences
            )
            apply = "`drs-waves launch-settings apply` applies the plan's"
            message = f"it would launch with {shown}: {apply}"
            seen = {e.setting: e.found for e in differences}
            yield planned.finding(LAUNCH_SETTINGS_DRIFT, message, server_id, evidence=seen)
        drill = drill_settings_of(planned.plan, wave, server)
        if drill is not None and (problems := isolation_problems(drill, found)):
            reasons = "; ".join(problems)
            message = f"a drill does not launch it, for it cannot isolate it: {reasons}"
            yield planned.finding(
                ISOLATION_IMPOSSIBLE, message, server_id, evidence={"Problem": reasons}
            )
