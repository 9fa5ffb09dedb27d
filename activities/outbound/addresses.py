"""Which addresses may be connected to: a name is resolved once, and what is checked is used.

On a worker's own addresses there are its metadata service, with its credentials, and services that
ask for no password.
"""

import asyncio
import socket
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aws.sessions import CallThreads
from settings import aws_elsewhere

_LOOPBACK = "loopback"
_REFUSED = {
    # Source: the user guides of EC2, ECS and EKS, with the IPv6 addresses of their services.
    "link-local": ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"),
    _LOOPBACK: ("127.0.0.0/8", "::1/128"),
    "unspecified": ("0.0.0.0/8", "::/128"),
}
_NETWORKS = [(kind, ip_network(each)) for kind, some in _REFUSED.items() for each in some]
# Source: RFC 4291, RFC 6052. Their last 32 bits are an IPv4 address.
_EMBEDDING = [ip_network("::/96"), ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/96")]
_threads = CallThreads()


class AddressRefusedError(Exception):
    """A host has an address that must not be connected to. The message says which."""


class UnknownHostError(Exception):
    """A name has no address, as far as this machine can say."""


def loopback_is_allowed() -> bool:
    """Whether loopback addresses may be used: the sandbox's recovered servers have such."""
    return aws_elsewhere() is None


def refused_kind(address: str) -> str | None:
    """What an address is that must not be connected to, such as `link-local`; None if it may."""
    for each in _readings(ip_address(address)):
        for kind, network in _NETWORKS:
            if each in network:
                return None if kind == _LOOPBACK and loopback_is_allowed() else kind
    return None


def _readings(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """An address, and the IPv4 address that it stands for."""
    yield ip
    if isinstance(ip, IPv6Address):
        if embedded := ip.ipv4_mapped or ip.sixtofour:
            yield embedded
        elif int(ip) > 1 and any(ip in network for network in _EMBEDDING):
            yield IPv4Address(int(ip) & 0xFFFFFFFF)


async def checked_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, all of which may be connected to.

    Args:
        host: a name or an address.
        port: to connect to.

    Raises:
        AddressRefusedError: one of them must not be connected to.
        UnknownHostError: it has none.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_threads, look_up)
    except (OSError, UnicodeError) as error:
        raise UnknownHostError(f"{host} cannot be resolved here: {error}") from None
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    for address in addresses:
        if kind := refused_kind(address):
            raise AddressRefusedError(
                f"{host} has the address {address}, which is refused because it is {kind}"
            )
    return addresses
