"""Odd items in listings, as the caller sees them over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws


def odd_account(oddity: str) -> LocalAws:
    """Return an AWS with an odd server that has an instance, and a plain server."""
    odd = f"{{SourceServerId: {DATABASE}, LiveRecoveryInstance: DRILL, Oddity: {oddity}}}"
    return LocalAws(f"SourceServers: [{odd}, {{SourceServerId: {WEB}}}]")


def items(aws: LocalAws) -> dict[str, Any]:
    """Return the odd server, its job and its instance, as listed."""
    job = next(
        each
        for each in aws.drs.describe_jobs()["items"]
        if each["participatingServers"][0]["sourceServerID"] == DATABASE
    )
    (instance,) = aws.instances(DATABASE)
    return {"server": aws.source_server(DATABASE), "job": job, "instance": instance}


def test_a_tag_can_be_null_in_every_listing() -> None:
    with odd_account("null-tag") as aws:
        for item in items(aws).values():
            assert item["tags"]["Owner"] is None


def test_statuses_can_be_unknown_in_every_listing() -> None:
    with odd_account("unknown-status") as aws:
        found = items(aws)
        assert found["job"]["status"] == "SUSPENDED"
        assert found["job"]["participatingServers"][0]["launchStatus"] == "SUSPENDED"
        assert found["instance"]["ec2InstanceState"] == "SUSPENDED"
        assert found["server"]["dataReplicationInfo"]["dataReplicationState"] == "SUSPENDED"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ("job", "creationDateTime"),
        ("server", "dataReplicationInfo"),
        ("instance", "ec2InstanceState"),
    ],
)
def test_a_field_can_be_missing_in_every_listing(item: str, field: str) -> None:
    with odd_account("missing-field") as aws:
        assert field not in items(aws)[item]


@pytest.mark.parametrize("oddity", ["null-tag", "unknown-status", "missing-field"])
def test_other_servers_and_their_jobs_stay_as_they_are(oddity: str) -> None:
    with odd_account(oddity) as aws:
        job = aws.job(aws.launch(WEB))
        assert (job["status"], job["tags"]) == ("PENDING", {})
        assert aws.source_server(WEB)["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
