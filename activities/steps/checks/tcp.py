"""Whether TCP connections are accepted."""

import asyncio
import errno
import os
import time
from typing import cast

from activities.outbound.addresses import AddressRefusedError, UnknownHostError, checked_addresses
from activities.steps.checks.all_servers import PROBE_SECONDS, probe_all
from activities.steps.checks.remote import RemoteChecks
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.steps.model import Tcp
from recovery.steps.state import CheckResult

# There is no way to it from here, so nothing is known of it.
_NO_ROUTE = (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EMFILE)


class TcpCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._remote = RemoteChecks(clients)

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        spec = cast(Tcp, step.spec)
        if spec.from_ is not None:
            return await self._remote.tcp(step, spec, spec.from_)
        if spec.host is not None:
            return await probe_tcp(spec.host, spec.port)
        return await probe_all(step.servers, lambda each: probe_tcp(each.private_ip, spec.port))


async def probe_tcp(host: str, port: int) -> Probe:
    """Connect once, and close the connection."""
    if not host:
        return Probe(CheckResult.INCONCLUSIVE, "EC2 has no private address of it")
    place = f"port {port} of {host}"
    begin = time.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            addresses = await checked_addresses(host, port)
            await _connect(addresses, port)
    except (AddressRefusedError, UnknownHostError) as error:
        return Probe(CheckResult.INCONCLUSIVE, str(error))
    except TimeoutError:
        return Probe(CheckResult.FAILED, f"{place}: no connection within {PROBE_SECONDS:g} s")
    except OSError as error:
        failed = CheckResult.INCONCLUSIVE if error.errno in _NO_ROUTE else CheckResult.FAILED
        # asyncio's own text has the address again, and not the reason.
        return Probe(failed, f"{place}: {os.strerror(error.errno) if error.errno else error}")
    milliseconds = round((time.monotonic() - begin) * 1000)
    return Probe(CheckResult.PASSED, f"{place} accepts connections, after {milliseconds} ms")


async def _connect(addresses: list[str], port: int) -> None:
    """Connect to the first address that answers.

    Raises:
        OSError: none does.
    """
    for number, address in enumerate(addresses, start=1):
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError:
            if number == len(addresses):
                raise
        else:
            writer.close()
            return
