"""What DRS and EC2 have otherwise than a plan wants it, as findings before a start."""

import asyncio
from collections.abc import Iterator

from aws.ec2.settings_reader import ReadSettings, SettingsReader
from aws.errors import AwsError
from contract.readiness import Finding
from recovery.launch_settings.in_force import differences_in, isolation_problems
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.resolve import drill_settings_of, settings_of
from recovery.plan.model import RecoveryPlan, Server, Target, Wave

# GetLaunchConfiguration takes one server a call, and somebody waits for the findings.
MOST_SERVERS = 200
_SECONDS = 20.0


async def drift_findings(reader: SettingsReader, plan: RecoveryPlan) -> list[Finding]:
    """How launch settings in force differ from the plan's, and what a drill cannot isolate.

    Servers for which the plan names nothing are not read.

    Args:
        reader: reads DRS and EC2.
        plan: the plan.
    """
    named: dict[Target, list[tuple[Wave, Server]]] = {}
    for wave in plan.waves:
        for server in wave.servers:
            if _is_named(plan, wave, server):
                named.setdefault(wave.target, []).append((wave, server))
    total, left, findings = sum(map(len, named.values())), MOST_SERVERS, []
    checks = []
    for target, servers in named.items():
        checks.append(_findings(reader, plan, target, servers[:left]))
        left = max(0, left - len(servers))
    for some in await asyncio.gather(*checks):
        findings += some
    if total > MOST_SERVERS:
        message = (
            f"the launch settings of {total - MOST_SERVERS} more servers were not compared; "
            "`drs-waves launch-settings diff` compares all"
        )
        findings.append(Finding(region=plan.waves[0].region, message=message))
    return findings


def _is_named(plan: RecoveryPlan, wave: Wave, server: Server) -> bool:
    wanted = settings_of(plan, wave, server, is_drill=False)
    return wanted != ServerLaunchSettings() or drill_settings_of(plan, wave, server) is not None


async def _findings(
    reader: SettingsReader, plan: RecoveryPlan, target: Target, servers: list[tuple[Wave, Server]]
) -> list[Finding]:
    if not servers:
        return []
    try:
        async with asyncio.timeout(_SECONDS):
            found = await reader.read(target, [server.source_server_id for _, server in servers])
    except (AwsError, TimeoutError) as error:
        reason = str(error) or f"AWS did not answer in {_SECONDS:g} s"
        return [
            Finding(region=target.region, message=f"launch settings could not be read: {reason}")
        ]
    return [
        Finding(
            wave_id=wave.wave_id,
            source_server_id=server.source_server_id,
            region=target.region,
            account_id=target.account_id,
            message=message,
        )
        for wave, server in servers
        for message in _messages(plan, wave, server, found[server.source_server_id])
    ]


def _messages(
    plan: RecoveryPlan, wave: Wave, server: Server, found: ReadSettings | AwsError
) -> Iterator[str]:
    if isinstance(found, AwsError):
        yield f"its launch settings could not be read: {found}"
        return
    differences = differences_in(settings_of(plan, wave, server, is_drill=False), found.settings)
    if differences:
        shown = ", ".join(f"{e.setting} {e.found or '(none)'}, not {e.wanted}" for e in differences)
        yield f"it would launch with {shown}: `drs-waves launch-settings apply` applies the plan's"
    drill = drill_settings_of(plan, wave, server)
    if drill is not None and (problems := isolation_problems(drill, found.settings)):
        yield f"a drill does not launch it, for it cannot isolate it: {'; '.join(problems)}"
