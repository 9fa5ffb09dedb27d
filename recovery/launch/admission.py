"""Which servers may be launched now, and in how many jobs, under DRS's quotas.

Plain numbers in, plain numbers out: what is wanted, what runs already, what the quotas leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ConfigDict

from recovery.base_model import Model

DEFAULT_PRIORITY = 3
# So many launch IDs tag a job, of the 50 tags that AWS allows a resource.
WISHES_A_JOB = 45
# A wave is wanted in parts of so many servers, so that it can begin where a quota is short.
SERVERS_A_WISH = 10


class Quotas(Model):
    """DRS's quotas of one account and Region.

    Source: AWS's documentation of DRS quotas.

    Attributes:
        jobs: jobs in progress.
        servers: source servers in all jobs.
        servers_a_job: source servers in one job.
    """

    model_config = ConfigDict(frozen=True)

    jobs: int = 20
    servers: int = 500
    servers_a_job: int = 100


@dataclass(frozen=True)
class Wish:
    """Servers that are launched together or not at all.

    Attributes:
        key: whose they are.
        servers: how many.
        group: what may share a job with it: the same kind of execution, in the same place.
        priority: its plan's, 1 the first.
        remaining: seconds that its plan still takes from here on, along the longest chain.
        since: when it was first wanted (epoch seconds).
        wave: the wave it is of; wishes of one wave are launched in one job where they fit.
    """

    key: str
    servers: int
    group: str = ""
    priority: int = DEFAULT_PRIORITY
    remaining: float = 0.0
    since: float = 0.0
    wave: str = ""

    @property
    def order(self) -> tuple[int, float, float, str, int, str]:
        """Which goes first: the plan's priority, then what the longest chain waits for."""
        # Keys of one wave end with numbers, of which 10 comes after 9.
        return self.priority, -self.remaining, self.since, self.wave, len(self.key), self.key


@dataclass
class Pack:
    """One job to ask for."""

    group: str
    wave: str
    wishes: list[Wish] = field(default_factory=list)

    @property
    def servers(self) -> int:
        """How many servers it launches."""
        return sum(wish.servers for wish in self.wishes)

    @property
    def keys(self) -> list[str]:
        """The keys of its wishes."""
        return [wish.key for wish in self.wishes]


def admit(wishes: Iterable[Wish], quotas: Quotas, *, jobs: int, servers: int) -> list[Pack]:
    """Say what to launch now, in which jobs.

    Waves have jobs of their own as long as those leave half of the job quota free; beyond it they
    share jobs, as few as possible, so that a slot is left for what becomes ready next. Nobody is
    overtaken by a wish that comes after it and happens to fit.

    Args:
        wishes: what is wanted; each fits into a job, or is launched when nothing else runs.
        quotas: what DRS allows.
        jobs: how many jobs are in progress, whoever asked for them.
        servers: how many source servers those hold.
    """
    packs: list[Pack] = []
    for wish in sorted(wishes, key=lambda w: w.order):
        in_jobs = servers + sum(pack.servers for pack in packs)
        in_use = jobs + len(packs)
        is_idle = not in_use and not in_jobs
        if in_jobs + wish.servers > quotas.servers and not is_idle:
            break
        pack = _with_room(packs, wish, quotas, is_scarce=in_use >= quotas.jobs // 2)
        if pack is None:
            if in_use >= quotas.jobs:
                break
            pack = Pack(wish.group, wish.wave)
            packs.append(pack)
        pack.wishes.append(wish)
    return packs


def _with_room(
    packs: Iterable[Pack], wish: Wish, quotas: Quotas, *, is_scarce: bool
) -> Pack | None:
    """A job that a wish can join: its own wave's, or any if jobs are scarce."""
    for pack in packs:
        if (
            pack.group == wish.group
            and (is_scarce or pack.wave == wish.wave)
            and pack.servers + wish.servers <= quotas.servers_a_job
            and len(pack.wishes) < WISHES_A_JOB
        ):
            return pack
    return None
