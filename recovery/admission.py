"""Which servers may be launched now, and in how many jobs, under DRS's quotas.

Plain numbers in, plain numbers out: what is wanted, what runs already, what the quotas leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quotas:
    """DRS's quotas of one account and Region.

    Source: AWS's documentation of DRS quotas.

    Attributes:
        jobs: jobs in progress.
        servers: source servers in all jobs.
        servers_a_job: source servers in one job.
    """

    jobs: int = 20
    servers: int = 500
    servers_a_job: int = 100


@dataclass(frozen=True)
class Wish:
    """Servers that one wave wants launched.

    Attributes:
        key: whose they are.
        servers: how many are still to be launched.
        group: what may share a job with it: the same kind of execution, in the same place.
        priority: its plan's, 1 the first.
        remaining: seconds that its plan still takes from here on, along the longest chain.
        since: when it was first wanted (epoch seconds).
    """

    key: str
    servers: int
    group: str = ""
    priority: int = 3
    remaining: float = 0.0
    since: float = 0.0


@dataclass
class Pack:
    """One job to ask for.

    Attributes:
        shares: how many servers of which wish, by key.
    """

    group: str
    shares: dict[str, int] = field(default_factory=dict)

    @property
    def servers(self) -> int:
        """How many servers it launches."""
        return sum(self.shares.values())


def admit(wishes: Iterable[Wish], quotas: Quotas, *, jobs: int, servers: int) -> list[Pack]:
    """Say what to launch now, in as few jobs as possible.

    The plan's priority goes first, then what the longest chain waits for. Nobody is overtaken by
    a wish that comes after it and happens to fit; a wish that does not fit whole is begun.

    Args:
        wishes: what is wanted.
        quotas: what DRS allows.
        jobs: how many jobs are in progress, whoever asked for them.
        servers: how many source servers those hold.
    """
    packs: list[Pack] = []
    room = quotas.servers - servers
    open_packs: dict[str, Pack] = {}
    for wish in sorted(wishes, key=lambda w: (w.priority, -w.remaining, w.since, w.key)):
        left = wish.servers
        while left > 0 and room > 0:
            pack = open_packs.get(wish.group)
            if pack is None or pack.servers >= quotas.servers_a_job:
                if jobs + len(packs) >= quotas.jobs:
                    break
                pack = open_packs[wish.group] = Pack(wish.group)
                packs.append(pack)
            taken = min(left, room, quotas.servers_a_job - pack.servers)
            pack.shares[wish.key] = pack.shares.get(wish.key, 0) + taken
            left -= taken
            room -= taken
        if left > 0:
            break
    return packs
