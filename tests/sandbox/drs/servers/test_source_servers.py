"""DescribeSourceServers."""

from __future__ import annotations

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, many_servers


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
