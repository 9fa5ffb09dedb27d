"""Reads what DRS and EC2 have for the launches of a plan's servers."""

from activities.readiness.look import Look, failed_read
from aws.ec2.settings_reader import SettingsReader
from aws.errors import AwsError
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.launch_template import (
    LaunchTemplateEvidence,
    launch_template_findings,
    names_settings,
)


async def launch_template(look: Look) -> list[Finding]:
    """The findings about launch settings; servers for which the plan names none are not read."""
    planned = look.planned
    named = [
        server.source_server_id
        for wave in planned.waves
        for server in wave.servers
        if names_settings(planned, wave, server)
    ]
    if not named:
        return []
    try:
        found = await SettingsReader(look.clients).read(look.target, named)
    except AwsError as error:
        evidence = LaunchTemplateEvidence(failed=_unread(error))
    else:
        evidence = LaunchTemplateEvidence(
            servers={
                server_id: _unread(each) if isinstance(each, AwsError) else each.settings
                for server_id, each in found.items()
            }
        )
    return list(launch_template_findings(planned, evidence))


def _unread(error: AwsError) -> FailedRead:
    return failed_read("ec2" if "LaunchTemplate" in error.operation else "drs", error)
