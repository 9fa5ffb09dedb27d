"""What a wave requests from the launcher, itself or by its plan."""

from collections.abc import Collection

from contract.identifiers import launch_prefix, launcher_workflow_id
from contract.launch import LaunchRequest, WaveLaunches
from contract.wave import WaveInput
from recovery.launch.admission import SERVERS_PER_LAUNCH
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.resolve import drill_settings_in
from recovery.steps.model import StepPhase


def launches_at_once(start: WaveInput) -> bool:
    """Whether the wave's first act is to launch all its servers."""
    is_first = not (start.earlier or start.launch_prefixes or start.launch_accepted)
    points = [server.chosen_point for server in start.wave.servers]
    return (
        is_first
        and bool(start.wave.servers)
        and not start.paused
        and all(point is None or point.kind.is_launched for point in points)
        and all(phase is not StepPhase.PRE_LAUNCH for phase, _ in start.wave.all_steps)
    )


def launcher_of(start: WaveInput) -> str | None:
    """The workflow ID of the wave's launcher, if its account is known."""
    region = start.wave.target.region
    return launcher_workflow_id(start.account_id, region) if start.account_id else None


def isolated_servers(start: WaveInput) -> dict[str, ServerLaunchSettings]:
    """By server that a drill isolates, what it changes for it."""
    return drill_settings_in(start.drill_settings, start.wave) if start.is_drill else {}


def wave_launches(
    start: WaveInput,
    server_ids: Collection[str],
    *,
    workflow_id: str,
    started_time: float,
    possibly_sent: bool = False,
    by_plan: bool = False,
) -> WaveLaunches:
    """The launches of some of a wave's servers.

    Args:
        start: the wave.
        server_ids: the source servers.
        workflow_id: of the wave.
        started_time: when the wave's workflow started (epoch seconds).
        possibly_sent: DRS may have their jobs.
        by_plan: the plan requests them.
    """
    servers = [s for s in start.wave.servers if s.source_server_id in server_ids]
    target = start.wave.target
    if start.account_id is not None:
        target = target.model_copy(update={"account_id": start.account_id})
    prefix = launch_prefix(start.execution_id, start.wave.wave_id)
    isolated = isolated_servers(start)
    return WaveLaunches(
        requests=[
            LaunchRequest(
                launch_id=f"{prefix}{start.attempt}/{number}",
                target=target,
                servers=servers[first : first + SERVERS_PER_LAUNCH],
                is_drill=start.is_drill,
                since=start.since,
                requested_time=start.launches_requested or started_time,
                relaunch=start.relaunch,
                possibly_sent=possibly_sent,
                by_plan=by_plan,
                wave_workflow_id=workflow_id,
                acting_for=start.acting_for,
                drill_settings={
                    each.source_server_id: isolated[each.source_server_id]
                    for each in servers[first : first + SERVERS_PER_LAUNCH]
                    if each.source_server_id in isolated
                },
                drill_subnets=start.drill_subnets,
            )
            for number, first in enumerate(range(0, len(servers), SERVERS_PER_LAUNCH))
        ],
        priority=start.priority,
        remaining_seconds=start.remaining_seconds,
        rto_launch_time=start.rto_launch_time,
        launch_before=start.launch_before,
    )
