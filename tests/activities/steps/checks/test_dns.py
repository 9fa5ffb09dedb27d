"""Whether names resolve to the expected values."""

from collections.abc import Iterator
from typing import Any

import pytest

from recovery.steps.state import CheckResult
from sandbox.services.name_server import NameServer
from tests.activities.steps.checks.probes import Prober, check
from tests.aws_in_process import LocalAws

RECORDS = [
    {"Name": "a.example.com", "Type": "A", "Values": ["10.0.0.1", "10.0.0.2"]},
    {"Name": "six.example.com", "Type": "AAAA", "Values": ["2600:1f18::1"]},
    {"Name": "shop.example.com", "Type": "CNAME", "Values": ["A.example.com"]},
    {"Name": "text.example.com", "Type": "TXT", "Values": ['"one " "two"']},
]


@pytest.fixture
def server(aws: LocalAws) -> Iterator[NameServer]:
    zone = {"ZoneId": "Z1", "Name": "example.com", "Records": RECORDS}
    aws.apply(HostedZones=[zone])
    made = NameServer(aws.server.control, 0)
    made.start()
    yield made
    made.stop()


def dns(server: NameServer, name: str, kind: str = "A", **keys: Any) -> Any:
    spec = {"Name": name, "Type": kind, "Resolver": f"127.0.0.1:{server.port}"} | keys
    return check([], Dns=spec, When="BOTH")


@pytest.mark.parametrize(
    ("name", "kind_and_values", "result"),
    [
        ("a.example.com", ("A", ["10.0.0.2", "10.0.0.1"]), CheckResult.PASSED),
        ("a.example.com", ("A", []), CheckResult.PASSED),
        ("a.example.com", ("A", ["10.0.0.1"]), CheckResult.FAILED),
        ("a.example.com", ("A", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]), CheckResult.FAILED),
        ("six.example.com", ("AAAA", ["2600:1F18:0::1"]), CheckResult.PASSED),
        ("shop.example.com", ("CNAME", ["a.EXAMPLE.com."]), CheckResult.PASSED),
        ("shop.example.com", ("A", ["10.0.0.1", "10.0.0.2"]), CheckResult.PASSED),
        ("text.example.com", ("TXT", ["one two"]), CheckResult.PASSED),
        ("text.example.com", ("TXT", ["one"]), CheckResult.FAILED),
        ("missing.example.com", ("A", []), CheckResult.FAILED),
        ("six.example.com", ("A", []), CheckResult.FAILED),
    ],
)
async def test_values_are_compared_as_sets(
    server: NameServer,
    probe: Prober,
    name: str,
    kind_and_values: tuple[str, list[str]],
    result: CheckResult,
) -> None:
    kind, values = kind_and_values
    found = await probe(dns(server, name, kind, Values=values))
    assert found.result is result
    assert name in found.evidence
    if result is CheckResult.FAILED and values:
        assert "expected is" in found.evidence


@pytest.mark.parametrize("error", ["SERVFAIL", "REFUSED"])
async def test_an_answer_that_says_nothing_is_inconclusive(
    aws: LocalAws, server: NameServer, probe: Prober, error: str
) -> None:
    aws.fault("Query", Service="dns", Error=error)
    found = await probe(dns(server, "a.example.com"))
    assert found.result is CheckResult.INCONCLUSIVE
    assert "was not answered" in found.evidence


async def test_no_answer_is_inconclusive(
    aws: LocalAws, server: NameServer, probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.steps.checks.dns.PROBE_SECONDS", 0.3)
    aws.fault("Query", Service="dns", Effect="drop")
    assert (await probe(dns(server, "a.example.com"))).result is CheckResult.INCONCLUSIVE


@pytest.mark.parametrize("resolver", ["169.254.169.253", "[fd00:ec2::253]:53", "a:b", "x:99999"])
async def test_a_server_that_is_refused_is_not_asked(
    server: NameServer, probe: Prober, resolver: str
) -> None:
    found = await probe(dns(server, "a.example.com", Resolver=resolver))
    assert found.result is CheckResult.INCONCLUSIVE
