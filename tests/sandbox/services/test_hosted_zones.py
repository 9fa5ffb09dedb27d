"""Route 53's changes, and what DNS answers of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.sandbox.local_aws import LocalAws, error_of

ZONE = "Z0123456789"
LONG = json.dumps([f'"{letter * 250}"' for letter in "abcdefg"])
SCENARIO = f"""
HostedZones:
  - ZoneId: {ZONE}
    Name: example.com
    ChangeSeconds: 30
    Records:
      - {{Name: shop.example.com, Type: CNAME, Values: [east.example.com]}}
      - {{Name: east.example.com, Values: [10.0.0.1]}}
      - {{Name: west.example.com, Values: [10.0.0.2]}}
      - {{Name: long.example.com, Type: TXT, Values: {LONG}}}
"""


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """A zone, and a DNS server."""
    with with_dns() as running:
        yield running


def with_dns(more: str = "") -> LocalAws:
    """Return a sandbox with a DNS server that is not started."""
    aws = LocalAws(SCENARIO + more)
    aws.server._dns_port = 0
    return aws


def change(aws: LocalAws, *values: str, action: str = "UPSERT", **record: Any) -> Any:
    """Change the record of the shop."""
    record_set = {
        "Name": "shop.example.com",
        "Type": "CNAME",
        "TTL": 60,
        "ResourceRecords": [{"Value": value} for value in values],
        **record,
    }
    batch = {"Comment": "step", "Changes": [{"Action": action, "ResourceRecordSet": record_set}]}
    client = aws.client("route53")
    return client.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=batch)["ChangeInfo"]


def look_up(aws: LocalAws, name: str, kind: str = "A") -> tuple[str, list[str]]:
    """Return the response code and the values."""
    query = dns.message.make_query(name, kind)
    answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", timeout=5, port=aws.server.dns_port)
    values = [each.to_text() for rrset in answer.answer for each in rrset]
    return dns.rcode.to_text(answer.rcode()), values


def test_a_change_is_seen_in_dns_once_it_is_in_sync(aws: LocalAws) -> None:
    assert look_up(aws, "shop.example.com") == ("NOERROR", ["east.example.com.", "10.0.0.1"])
    info = change(aws, "west.example.com")
    route53 = aws.client("route53")
    listed = route53.list_resource_record_sets(HostedZoneId=ZONE)["ResourceRecordSets"]
    values = {each["Name"]: each["ResourceRecords"][0]["Value"] for each in listed}
    assert values["shop.example.com."] == "west.example.com"
    assert info["Status"] == "PENDING"
    aws.pass_time(29)
    assert route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "PENDING"
    assert look_up(aws, "shop.example.com")[1] == ["east.example.com.", "10.0.0.1"]
    aws.pass_time(2)
    assert route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert look_up(aws, "shop.example.com")[1] == ["west.example.com.", "10.0.0.2"]


def test_dns_says_what_does_not_exist(aws: LocalAws) -> None:
    assert look_up(aws, "shop.example.com", "CNAME") == ("NOERROR", ["east.example.com."])
    assert look_up(aws, "east.example.com", "AAAA") == ("NOERROR", [])
    assert look_up(aws, "nothing.example.com") == ("NXDOMAIN", [])
    assert look_up(aws, "example.org") == ("REFUSED", [])


def test_a_long_answer_comes_by_tcp(aws: LocalAws) -> None:
    assert len(look_up(aws, "long.example.com", "TXT")[1]) == 7


def test_dns_fails_by_faults() -> None:
    faults = """
Faults:
  - {Service: dns, Operation: Query, Error: SERVFAIL, Times: 1, Mentions: [shop.example.com]}
  - {Service: dns, Operation: Query, Effect: drop, Times: 1, Mentions: [shop.example.com]}
"""
    with with_dns(faults) as aws:
        assert look_up(aws, "east.example.com")[0] == "NOERROR"
        assert look_up(aws, "shop.example.com")[0] == "SERVFAIL"
        query = dns.message.make_query("shop.example.com", "A")
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(query, "127.0.0.1", timeout=0.3, port=aws.server.dns_port)
        assert look_up(aws, "shop.example.com")[0] == "NOERROR"
        assert aws.control("GET", "calls")[1]["Calls"]["dns.Query"] == {
            "OK": 2, "SERVFAIL": 1, "drop": 1,
        }  # fmt: skip


def test_each_accepted_change_is_an_effect_even_if_its_answer_is_lost() -> None:
    fault = "Service: route53, Operation: ChangeResourceRecordSets, Effect: answer-lost, Times: 1"
    with LocalAws(f"{SCENARIO}Faults: [{{{fault}, Mentions: [{ZONE}]}}]") as aws:
        with pytest.raises(ConnectionClosedError):
            change(aws, "west.example.com")
        (effect,) = aws.control("GET", "effects")[1]["Effects"]
        assert (effect["Kind"], effect["Key"]) == ("route53.ChangeResourceRecordSets", "step")
        changed = effect["Details"]["Changes"][0]["ResourceRecordSet"]
        assert changed["ResourceRecords"] == [{"Value": "west.example.com"}]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"action": "CREATE"}, "already exists"),
        ({"action": "DELETE"}, "do not match the current values"),
        ({"action": "DELETE", "Name": "new.example.com"}, "was not found"),
        ({"Name": "new.example.com", "Type": "A"}, "Invalid Resource Record"),
    ],
)
def test_a_change_that_does_not_fit_the_records_is_refused_and_no_effect(
    aws: LocalAws, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ClientError, match=text) as refusal:
        change(aws, "west.example.com", **changes)
    assert error_of(refusal.value)["error"] == "InvalidChangeBatch"
    assert aws.control("GET", "effects")[1]["Effects"] == []


def test_a_batch_is_accepted_as_a_whole_or_not_at_all(aws: LocalAws) -> None:
    records = [
        {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.9"}]}
        for name in ("east.example.com", "shop.example.org")
    ]
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": each} for each in records]}
    with pytest.raises(ClientError):
        aws.client("route53").change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=batch)
    assert look_up(aws, "east.example.com")[1] == ["10.0.0.1"]


def test_a_change_that_route_53_never_had_is_not_found(aws: LocalAws) -> None:
    with pytest.raises(ClientError) as refusal:
        aws.client("route53").get_change(Id="C0000000000000000000")
    assert error_of(refusal.value)["error"] == "NoSuchChange"
