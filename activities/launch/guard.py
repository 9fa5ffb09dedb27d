"""The guard before every launch: a server with a live real recovery is not launched."""

import time
from collections.abc import Sequence

from temporalio.exceptions import ApplicationError

from aws.drs.client import DrsClient
from aws.drs.live_recovery import live_recoveries, may_be_live_recovery
from aws.drs.models import Job
from aws.errors import AwsError, AwsErrorKind
from contract.launch import LaunchHeartbeat

GUARD_SECONDS = 120.0


async def refused_servers(
    api: DrsClient,
    server_ids: Sequence[str],
    jobs: Sequence[Job],
    heartbeat: LaunchHeartbeat,
    *,
    is_drill: bool,
) -> dict[str, str]:
    """Return the servers that must not be launched, each with the reason.

    Args:
        api: DRS in the launch's target.
        server_ids: the servers to launch.
        jobs: DRS's jobs, as read for this launch.
        heartbeat: stores since when live instances cannot be read.
        is_drill: if live instances cannot be read, a drill fails and a recovery waits.

    Raises:
        AwsError: live instances cannot be read now, or the account has no DRS.
        ApplicationError: not retryable; they cannot be read, and a drill must not take the risk.
    """
    if not server_ids:
        return {}
    try:
        instances = await api.recovery_instances(server_ids)
        if any(not i.source_server_id and may_be_live_recovery(i) for i in instances):
            raise AwsError(AwsErrorKind.UNCLEAR, "DRS lists an instance without its server")
    except AwsError as error:
        if error.kind is AwsErrorKind.UNINITIALIZED:
            # An account without DRS has no instance; the launch fails for this.
            raise
        now = time.time()
        heartbeat.guard_unread_since = heartbeat.guard_unread_since or now
        unread_seconds = now - heartbeat.guard_unread_since
        if is_drill and (unread_seconds >= GUARD_SECONDS or not error.kind.is_retryable):
            raise ApplicationError(
                "Nothing was launched: whether these servers have a live instance of a real "
                f"recovery could not be read ({error})",
                type=error.kind,
                non_retryable=True,
            ) from error
        # A recovery does not fail for this: it waits for an operator, who can restore the access,
        # or start again with --relaunch, which names the servers and skips this check.
        raise AwsError(
            AwsErrorKind.THROTTLED,
            "an operator's decision: nothing is launched before it is known whether these "
            f"servers have a live instance of a real recovery ({error})",
        ) from error
    heartbeat.guard_unread_since = None
    live = live_recoveries(server_ids, instances, jobs)
    return {
        server_id: f"not launched: it {each}, which a launch would destroy; a start from the "
        "execution that launched it keeps it, and only a relaunch that names it destroys it"
        for server_id, each in live.items()
    }
