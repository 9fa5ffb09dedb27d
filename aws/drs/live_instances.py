"""Which servers have a live instance of a real recovery."""

from collections.abc import Iterable

from aws.drs.models import RecoveryInstance

_NOT_LIVE = ("TERMINATED", "SHUTTING-DOWN", "NOT_FOUND")


def live_recoveries(instances: Iterable[RecoveryInstance]) -> dict[str, RecoveryInstance]:
    """By server, its live instance of a real recovery, or of an unknown type."""
    return {
        i.source_server_id: i
        for i in instances
        if i.source_server_id and not i.is_drill and i.ec2_instance_state not in _NOT_LIVE
    }
