"""Whether names resolve to the expected values."""

import re
import time
from ipaddress import ip_address
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.resolver

from activities.outbound.addresses import AddressRefusedError, UnknownHostError, checked_addresses
from activities.steps.checks.all_servers import PROBE_SECONDS
from activities.steps.checks.remote import RemoteChecks
from activities.steps.checks.verdicts import dns_value, of_dns
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.steps.model import Dns
from recovery.steps.state import CheckResult
from recovery.text_format import visible

_PLACE = re.compile(r"(\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+))(:(?P<port>[0-9]{1,5}))?")


class DnsCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._remote = RemoteChecks(clients)

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        spec = cast(Dns, step.spec)
        try:
            server = resolver_place(spec.resolver) if spec.resolver is not None else None
        except ValueError as error:
            return Probe(CheckResult.INCONCLUSIVE, str(error))
        if spec.from_ is not None:
            return await self._remote.dns(step, spec, spec.from_, server)
        begin = time.monotonic()
        try:
            resolver = dns.asyncresolver.Resolver(configure=server is None)
            if server is not None:
                resolver.nameservers = list(await checked_addresses(*server))
                resolver.port = server[1]
            answer = await resolver.resolve(
                spec.name, spec.type, lifetime=PROBE_SECONDS, search=False
            )
        except (AddressRefusedError, UnknownHostError) as error:
            return Probe(CheckResult.INCONCLUSIVE, str(error))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return of_dns(spec, set(), (time.monotonic() - begin) * 1000)
        except (dns.exception.DNSException, OSError) as error:
            asked = f" by {spec.resolver}" if spec.resolver else ""
            reason = f"{visible(spec.name)} {spec.type} was not answered{asked}: {error}"
            return Probe(CheckResult.INCONCLUSIVE, reason)
        values = {dns_value(each) for each in answer}
        return of_dns(spec, values, (time.monotonic() - begin) * 1000)


def resolver_place(text: str) -> tuple[str, int]:
    """The host and port of a DNS server.

    Raises:
        ValueError: the text is neither an address nor a host, with a port or without.
    """
    try:
        return str(ip_address(text)), 53
    except ValueError:
        found = _PLACE.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 53) < 65_536:
        raise ValueError(
            f"{visible(text)} is no DNS server; write an address such as 10.0.0.2 or 10.0.0.2:5353"
        )
    return found["six"] or found["four"], int(found["port"] or 53)
