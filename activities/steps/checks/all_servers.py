"""One verdict about all servers of a check."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from activities.steps.interface import Probe, ResolvedServer
from recovery.steps.state import CheckResult

PROBE_SECONDS = 10.0
_AT_ONCE = 50

NO_SERVER = Probe(CheckResult.INCONCLUSIVE, "no server of it is up")


async def probe_all(
    servers: Sequence[ResolvedServer], probe: Callable[[ResolvedServer], Awaitable[Probe]]
) -> Probe:
    """Probe servers, 50 at once."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(server: ResolvedServer) -> Probe:
        async with free:
            return await probe(server)

    return verdict(servers, await asyncio.gather(*map(one, servers)))


def verdict(servers: Sequence[ResolvedServer], probes: Sequence[Probe]) -> Probe:
    """The verdict about all; its evidence names the first server that does not pass."""
    for result in (CheckResult.FAILED, CheckResult.INCONCLUSIVE):
        for server, probe in zip(servers, probes, strict=True):
            if probe.result is result:
                return Probe(result, f"{server.name}: {probe.evidence}{_others(probes)}")
    if not probes:
        return NO_SERVER
    more = f" (all {len(probes)} servers pass)" if len(probes) > 1 else ""
    return Probe(CheckResult.PASSED, f"{servers[0].name}: {probes[0].evidence}{more}")


def _others(probes: Sequence[Probe]) -> str:
    passed = sum(each.result is CheckResult.PASSED for each in probes)
    return f" ({passed} of {len(probes)} servers pass)" if len(probes) > 1 else ""
