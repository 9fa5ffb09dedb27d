"""Which snapshots a source server has over time."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws, error_of

HOUR = 3600.0


def with_keys(keys: str) -> str:
    """Return the scenario of one server with these keys."""
    return f"SourceServers: [{{SourceServerId: {DATABASE}, {keys}}}]"


def listed(aws: LocalAws, **asked: Any) -> list[Any]:
    """Return one page of the server's snapshots."""
    return list(aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE, **asked)["items"])


def ages(aws: LocalAws, **asked: Any) -> list[float]:
    """Return the ages of the server's snapshots in seconds, newest first unless asked otherwise."""
    return [
        aws.now - datetime.fromisoformat(each["timestamp"]).timestamp()
        for each in listed(aws, **asked)
    ]


def start(aws: LocalAws, snapshot_id: str) -> str:
    """Launch the server from a snapshot and return its job's ID."""
    servers = [{"sourceServerID": DATABASE, "recoverySnapshotID": snapshot_id}]
    return aws.drs.start_recovery(sourceServers=servers)["job"]["jobID"]  # type: ignore[arg-type]  # a plain dict


def test_by_default_it_has_those_of_an_hour_a_day_and_a_week() -> None:
    with LocalAws() as aws:
        found = ages(aws)
        assert found == sorted(found)
        assert len([age for age in found if age < HOUR]) == 6
        assert len([age for age in found if HOUR <= age < 24 * HOUR]) == pytest.approx(23, abs=1)
        assert len([age for age in found if age >= 24 * HOUR]) == pytest.approx(6, abs=1)
        assert ages(aws, order="ASC") == found[::-1]


def test_a_ten_minute_snapshot_expires_after_an_hour() -> None:
    with LocalAws() as aws:
        youngest = listed(aws)[0]["snapshotID"]
        aws.pass_time(2 * HOUR)
        assert youngest not in {each["snapshotID"] for each in listed(aws)}
        with pytest.raises(ClientError) as refused:
            start(aws, youngest)
        refusal = error_of(refused.value)
        assert refusal["error"] == "ValidationException"
        assert youngest in refusal["text"]


def test_pages_and_filters_lose_none() -> None:
    with LocalAws() as aws:
        pages = list(
            aws.drs.get_paginator("describe_recovery_snapshots").paginate(
                sourceServerID=DATABASE, order="ASC", PaginationConfig={"PageSize": 7}
            )
        )
        paged = [each for page in pages for each in page["items"]]
        assert [each["snapshotID"] for each in paged] == [
            each["snapshotID"] for each in listed(aws, order="ASC")
        ]
        between = {
            "fromDateTime": paged[3]["expectedTimestamp"].replace("+00:00", "Z"),
            "toDateTime": paged[9]["expectedTimestamp"].replace("+00:00", "Z"),
        }
        chosen = listed(aws, filters=between, order="ASC")
        assert [each["snapshotID"] for each in chosen] == [
            each["snapshotID"] for each in paged[3:10]
        ]


def test_the_scenario_says_how_long_snapshots_are_kept() -> None:
    keys = "SnapshotRetention: [{EverySeconds: 300, KeptSeconds: 1200}]"
    with LocalAws(with_keys(keys)) as aws:
        found = ages(aws)
        assert len(found) == 4
        assert {later - earlier for earlier, later in itertools.pairwise(found)} == {300}


def test_it_has_none_before_its_first_and_none_in_a_gap() -> None:
    keys = "SnapshotsSince: PT20H, SnapshotGaps: [{FromAgo: PT5H, ToAgo: PT2H}]"
    with LocalAws(with_keys(keys)) as aws:
        found = ages(aws)
        assert max(found) <= 20 * HOUR
        assert not [age for age in found if 2 * HOUR <= age <= 5 * HOUR]
        assert [age for age in found if age > 5 * HOUR]
        assert [age for age in found if age < 2 * HOUR]


def test_a_server_can_have_none() -> None:
    with LocalAws(with_keys("SnapshotRetention: []")) as aws:
        assert listed(aws) == []
        assert aws.statuses(aws.launch(DATABASE)) == ["PENDING"]


def test_snapshots_disappear_between_the_choice_and_the_launch() -> None:
    keys = "DeadSnapshot: not-found, SnapshotGaps: [{FromAgo: PT5H, ToAgo: PT2H, AfterSeconds: 60}]"
    with LocalAws(with_keys(keys), speed=2.0) as aws:
        chosen = next(
            each["snapshotID"]
            for each, age in zip(listed(aws), ages(aws), strict=True)
            if age > 2 * HOUR
        )
        aws.pass_time(29)
        assert chosen in {each["snapshotID"] for each in listed(aws)}
        aws.pass_time(2)
        assert chosen not in {each["snapshotID"] for each in listed(aws)}
        with pytest.raises(ClientError) as refused:
            start(aws, chosen)
        refusal = error_of(refused.value)
        assert (refusal["error"], refusal["resourceId"]) == ("ResourceNotFoundException", chosen)
        assert aws.statuses(aws.launch(DATABASE)) == ["PENDING"]


def test_the_scenario_takes_snapshots_away_while_it_runs() -> None:
    with LocalAws() as aws:
        chosen = listed(aws)[0]["snapshotID"]
        aws.control("POST", "scenario", with_keys("SnapshotGaps: [{FromAgo: PT9M, ToAgo: PT0S}]"))
        assert chosen not in {each["snapshotID"] for each in listed(aws)}
        assert aws.drs.describe_recovery_snapshots(sourceServerID=WEB)["items"]


def test_an_instance_has_the_point_in_time_of_its_snapshot() -> None:
    with LocalAws() as aws:
        chosen = listed(aws)[4]
        start(aws, chosen["snapshotID"])
        aws.pass_time(900)
        (instance,) = aws.instances(DATABASE)
        assert instance["pointInTimeSnapshotDateTime"] == chosen["timestamp"]
