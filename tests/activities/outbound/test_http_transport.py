"""HTTP goes to the address that was checked, again after each redirect."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from activities.outbound.addresses import AddressRefusedError
from activities.outbound.http_transport import CheckedTransport
from tests.activities.notify.receiver import Receiver, receiver

HOST = "shop.example.com"


class Names:
    """What a name resolves to, look-up by look-up; the last answer repeats."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        some = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(0, 0, 0, "", (address, port)) for address in some.split()]


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with receiver() as state:
        yield state


def names(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Names:
    """Have names resolve so in the worker, and nowhere else."""
    made, real = Names(*answers), socket.getaddrinfo
    monkeypatch.setattr(
        "activities.outbound.addresses.socket.getaddrinfo",
        lambda host, *a, **k: made.look_up(host, *a, **k) if host == HOST else real(host, *a, **k),
    )
    return made


async def post(http: Receiver, **client: Any) -> httpx.Response:
    port = httpx.URL(http.url).port
    async with httpx.AsyncClient(transport=CheckedTransport(**client), follow_redirects=True) as c:
        return await c.post(f"http://{HOST}:{port}/a?b=c", content=b"{}")


async def test_the_checked_address_is_used_and_the_name_is_resolved_once(
    http: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second look-up would lead to the metadata service.
    made = names(monkeypatch, "127.0.0.1", "169.254.169.254")
    assert (await post(http)).status_code == 200
    ((path, headers, _),) = http.requests
    assert (path, headers["Host"].partition(":")[0]) == ("/a?b=c", HOST)
    assert made.asked == [HOST]


async def test_the_next_address_is_tried(http: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.77 127.0.0.1")
    assert (await post(http)).status_code == 200


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "/same"]
)
async def test_a_redirect_is_checked_again(
    http: Receiver, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    names(monkeypatch, "127.0.0.1", "169.254.169.254")
    http.statuses, http.headers = [307], {"Location": location}
    with pytest.raises(AddressRefusedError, match="link-local"):
        await post(http)
    assert len(http.requests) == 1


async def test_a_proxy_gets_the_name_and_never_a_refused_address(
    http: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", http.url)
    monkeypatch.setenv("no_proxy", "")
    async with httpx.AsyncClient(transport=CheckedTransport(uses_proxy=True)) as client:
        await client.post("http://only-the-proxy-knows.invalid/a", content=b"{}")
        with pytest.raises(AddressRefusedError):
            await client.post("http://169.254.169.254/a", content=b"{}")
    ((path, _, _),) = http.requests
    assert path == "http://only-the-proxy-knows.invalid/a"
