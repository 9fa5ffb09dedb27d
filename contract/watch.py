"""What a watch of a wave's servers is asked, signals and remembers."""

from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.plan.model import Target


class WatchedServer(Model):
    """One server under watch; what the heartbeat carries from attempt to attempt.

    Attributes:
        launched_seen_time: when it was first seen LAUNCHED; the lookup's two minutes begin.
        ended_without_launch: its job was seen COMPLETED while the server was neither up nor failed.
        contradiction: what speaks against it, until the look-up is over.
    """

    result: ServerResult
    launched_seen_time: float | None = None
    ended_without_launch: bool = False
    contradiction: str | None = None


class WatchRequest(Model):
    """The servers of one wave to watch, each with its job.

    Attributes:
        until: epoch seconds after which watching ends whatever is still open.
        slow_poll_until: epoch seconds; none is expected to be up before, so polls are rarer.
    """

    target: Target
    servers: list[ServerResult]
    until: float
    slow_poll_until: float = 0.0


class ServersChanged(Model):
    """Signal to a wave, from its watch: the servers that changed.

    Attributes:
        error: why DRS cannot be asked at present; empty if it can.
    """

    servers: list[ServerResult] = []
    error: str = ""


class WatchHeartbeat(Model):
    """The watched servers, in the heartbeat, for the next attempt to go on from."""

    servers: list[WatchedServer]
    error: str = ""
