"""What workers measure beside Temporal's SDK, through its meter; without an exporter it is nothing.

docs/monitoring.md lists the names.
"""

from collections.abc import Iterable
from datetime import timedelta

from temporalio import activity

from recovery.access.grants import AccessCode
from recovery.execution.server import LaunchStatus, ServerResult

LAUNCH = "drs_waves_server_launch"
# Seconds: a Linux server takes minutes, the first boot of a Windows server up to 45 minutes.
LAUNCH_BUCKETS = (60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0)


def measure_launches(servers: Iterable[ServerResult], region: str) -> None:
    """Measure the servers of a watch whose launches have ended."""
    meter = activity.metric_meter()
    ended = meter.create_counter("drs_waves_server_launches", "Launches that ended, by status.")
    seconds = meter.create_histogram_timedelta(
        LAUNCH, "From when DRS launched a server until it was up.", "duration"
    )
    for each in servers:
        if each.end_time is None:
            continue
        where = {"region": region, "status": each.launch_status.value}
        ended.add(1, where)
        if each.launch_status is LaunchStatus.LAUNCHED and each.launch_time is not None:
            took = max(0.0, each.end_time - each.launch_time)
            seconds.record(timedelta(seconds=took), {"region": region})


def count_look(region: str) -> None:
    """Count a look at a plan's target."""
    meter = activity.metric_meter()
    looks = meter.create_counter("drs_waves_readiness_looks", "Looks at targets of plans.")
    looks.add(1, {"region": region})


def count_refusal(act: str, code: AccessCode) -> None:
    """Count an act that the worker refused."""
    if not activity.in_activity():
        return
    meter = activity.metric_meter()
    refusals = meter.create_counter("drs_waves_refusals", "Acts that workers refused.")
    refusals.add(1, {"act": act, "code": code.value})
