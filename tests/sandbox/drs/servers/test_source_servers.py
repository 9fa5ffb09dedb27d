"""DescribeSourceServers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from pydantic import TypeAdapter

from tests.sandbox.local_aws import DATABASE, STALLED, WEB, LocalAws, many_servers

HOUR = 3600.0


def test_a_page_has_a_hundred_items_unless_asked_otherwise() -> None:
    with LocalAws(many_servers(150)) as aws:
        first = aws.drs.describe_source_servers()
        assert len(first["items"]) == 100
        second = aws.drs.describe_source_servers(nextToken=first["nextToken"])
        assert len(second["items"]) == 50
        assert "nextToken" not in second


def test_source_servers_are_described_as_fully_as_recorded_ones() -> None:
    scenario = f"""
SourceServers:
  - {{SourceServerId: {DATABASE}, Name: crm-db, Tags: {{Role: DBServer}}}}
  - {{SourceServerId: {WEB}, Os: windows}}
"""
    with LocalAws(scenario) as aws:
        database, web = aws.drs.describe_source_servers()["items"]
        assert database["tags"] == {"Name": "crm-db", "Role": "DBServer"}
        assert database["sourceProperties"]["os"]["fullString"].startswith("Linux version")
        assert "Windows" in web["sourceProperties"]["os"]["fullString"]
        assert set(database["sourceProperties"]) >= {
            "lastUpdatedDateTime",
            "recommendedInstanceType",
            "identificationHints",
            "networkInterfaces",
            "disks",
            "cpus",
            "ramBytes",
            "os",
        }
        assert database["dataReplicationInfo"]["lagDuration"] == "P0D"


def seconds_of(duration: str) -> float:
    """Return the seconds of an ISO 8601 duration."""
    return TypeAdapter(timedelta).validate_python(duration).total_seconds()


def epoch(text: str) -> float:
    """Return the epoch seconds of a timestamp."""
    return datetime.fromisoformat(text).timestamp()


def test_the_lag_of_a_stalled_server_grows_as_time_passes() -> None:
    with LocalAws(STALLED) as aws:
        before = seconds_of(aws.source_server(DATABASE)["dataReplicationInfo"]["lagDuration"])
        assert before == pytest.approx(4 * HOUR, abs=1)
        aws.pass_time(HOUR)
        later = seconds_of(aws.source_server(DATABASE)["dataReplicationInfo"]["lagDuration"])
        assert later == pytest.approx(5 * HOUR, abs=1)


def test_the_agent_of_a_stalled_server_was_last_seen_when_it_stalled() -> None:
    with LocalAws(STALLED) as aws:
        server = aws.source_server(DATABASE)
        assert server["dataReplicationInfo"]["dataReplicationError"]["error"] == "AGENT_NOT_SEEN"
        seen = epoch(server["lifeCycle"]["lastSeenByServiceDateTime"])
        assert seen <= aws.now - 4 * HOUR + 60


def test_durations_are_written_in_days_hours_minutes_and_seconds_as_recorded() -> None:
    with LocalAws() as aws:
        aws.pass_time(5_532.13)
        measured = aws.source_server(DATABASE)["lifeCycle"]["elapsedReplicationDuration"]
        assert re.fullmatch(r"P2DT1H\d{1,2}M\d{1,2}(\.\d+)?S", measured)


def test_a_server_that_lags_four_hours_has_no_snapshot_younger_than_that() -> None:
    with LocalAws(STALLED) as aws:
        snapshots = aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE)["items"]
        assert snapshots
        newest = max(epoch(each["timestamp"]) for each in snapshots)
        assert newest <= aws.now - 4 * HOUR
