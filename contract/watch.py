"""What a watch of a wave's servers is asked, signals and remembers."""

from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.plan.model import Target


class WatchedServer(Model):
    """One server under watch; what the heartbeat carries from attempt to attempt.

    Attributes:
        launched_seen: when it was first seen LAUNCHED; the look-up's two minutes count from then.
        ended_without_it: its job was seen COMPLETED while the server was neither up nor failed.
        contradiction: what speaks against it, until the look-up is over.
    """

    result: ServerResult
    launched_seen: float | None = None
    ended_without_it: bool = False
    contradiction: str | None = None


class WatchRequest(Model):
    """The servers of one wave to watch, each with its job.

    Attributes:
        until: epoch seconds after which watching ends whatever is still open.
        quiet_until: epoch seconds before which none is expected to be up; DRS is asked less often
            until then.
    """

    target: Target
    servers: list[ServerResult]
    until: float
    quiet_until: float = 0.0


class ServersChanged(Model):
    """Signal to a wave, from its watch: the servers that changed.

    Attributes:
        error: why DRS cannot be asked at present; empty if it can.
    """

    servers: list[ServerResult] = []
    error: str = ""


class WatchMemory(Model):
    """The watched servers, in the heartbeat, for the next attempt to go on from."""

    servers: list[WatchedServer]
    error: str = ""
