"""The request, signal and heartbeat details of a watch of a wave's servers."""

from recovery.access.session_identity import SessionIdentity
from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaveReport
from recovery.plan.model import Target


class WatchedServer(Model):
    """A watched server, as stored in the heartbeat details.

    Attributes:
        launched_seen_time: when it was first seen LAUNCHED; the lookup's two minutes start.
        job_ended_seen_time: when its job was first seen COMPLETED while the server was neither up
            nor failed.
        contradiction: what contradicts LAUNCHED, until the lookup is over.
        lookup_reason: why its instance is not verified.
        actions_reason: which post-launch action failed or runs.
        actions_open: a post-launch action, also an optional one, may still end.
    """

    result: ServerResult
    launched_seen_time: float | None = None
    job_ended_seen_time: float | None = None
    contradiction: str | None = None
    lookup_reason: str = ""
    actions_reason: str = ""
    actions_open: bool = False


class WatchRequest(Model):
    """The servers of one wave to watch, each with its job.

    Attributes:
        until: when the watch ends, even if servers are open (epoch seconds).
        slow_poll_until: epoch seconds; none is expected to be up before, so polls are rarer.
        acting_for: the execution and actor that sessions in AWS are named after.
        execution_id: at its end, the watch signals `plan_closed` if this execution is not open any
            more; empty: it does not look.
        plan_workflow_id: the plan's workflow.
        report: that the launch was accepted, for the plan; the wave's own signal would be five
            events of its history. The wave's next report repeats it.
    """

    target: Target
    servers: list[ServerResult]
    until: float
    slow_poll_until: float = 0.0
    acting_for: SessionIdentity | None = None
    execution_id: str = ""
    plan_workflow_id: str = ""
    report: WaveReport | None = None


class ServersChanged(Model):
    """Signal to a wave, from its watch: the servers that changed.

    Attributes:
        error: why DRS cannot be polled now; empty if it can.
    """

    servers: list[ServerResult] = []
    error: str = ""


class WatchHeartbeat(Model):
    """The heartbeat details of a watch, from which the next attempt continues.

    Attributes:
        logs_to_read: how often the log of a job, by ID, may still be tried; until it is read, its
            servers' launch times are those of polls, and their failures have no reasons.
        has_reported: the plan has the request's report.
    """

    servers: list[WatchedServer]
    logs_to_read: dict[str, int] = {}
    error: str = ""
    has_reported: bool = False
