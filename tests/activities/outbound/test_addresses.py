"""Addresses that are refused, in whatever form they come."""

import socket
from typing import Any

import pytest

from activities.outbound.addresses import (
    AddressRefusedError,
    UnknownHostError,
    checked_addresses,
    refused_kind,
)

LINK_LOCAL = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%lo",
    "febf::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]
LOOPBACK = ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
UNSPECIFIED = ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"]
ALLOWED = ["10.0.0.1", "192.168.1.1", "52.1.2.3", "2600:1f18::1", "fd12:3456::1", "::ffff:10.0.0.1"]


@pytest.fixture(params=["", "http://127.0.0.1:5000"])
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.param)
    return str(request.param)


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("address", [*LINK_LOCAL, *UNSPECIFIED])
def test_link_local_and_unspecified_addresses_are_refused(address: str) -> None:
    assert refused_kind(address) == ("link-local" if address in LINK_LOCAL else "unspecified")


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_addresses_are_for_the_sandbox_only(address: str, endpoint: str) -> None:
    assert refused_kind(address) == (None if endpoint else "loopback")


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("address", ALLOWED)
def test_other_addresses_may_be_connected_to(address: str) -> None:
    assert refused_kind(address) is None


@pytest.mark.parametrize("host", ["2852039166", "0xa9.0xfe.169.254", "169.254.43518"])
async def test_other_spellings_of_an_address_are_refused(host: str) -> None:
    with pytest.raises(AddressRefusedError, match=r"169\.254\.169\.254"):
        await checked_addresses(host, 80)


async def test_a_name_with_one_refused_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 80)) for address in ("10.0.0.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(AddressRefusedError, match="link-local"):
        await checked_addresses("mixed.example.com", 80)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example", "..", "a b"])
async def test_a_name_that_cannot_be_resolved_is_unknown(host: str) -> None:
    with pytest.raises(UnknownHostError):
        await checked_addresses(host, 80)
