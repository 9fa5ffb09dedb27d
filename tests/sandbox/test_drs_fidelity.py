"""Differences between the local DRS and the real one: points 17 to 21 of issue 14."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.local_aws import (
    DATABASE,
    WEB,
    LocalAws,
    error_of,
    many_servers,
    offsets,
    server_id,
)

HOUR = 3600.0
STALLED = (
    f"SourceServers: [{{SourceServerId: {DATABASE}, ReplicationState: STALLED, LagDuration: PT4H}}]"
)
TWO = f"SourceServers: [{{SourceServerId: {DATABASE}}}, {{SourceServerId: {WEB}}}]"
# The two recorded jobs (reference/recorded-drs-execution.json), in seconds.
CONVERSION = (175.0, 198.0)
LAUNCH = (278.0, 310.0)
NOT_RETRIED = range(400, 500)
# Codes that botocore's standard mode retries with any status.
RETRIED_CODES = ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """Return the error of a rejected call."""
    with pytest.raises(ClientError) as error:
        call()
    return error_of(error.value)


def source_server(aws: LocalAws) -> Any:
    """Return the database's source server as DRS describes it."""
    (item,) = aws.drs.describe_source_servers(filters={"sourceServerIDs": [DATABASE]})["items"]
    return item


def epoch(text: str) -> float:
    """Return the epoch seconds of a timestamp."""
    return datetime.fromisoformat(text).timestamp()


def seconds_of(duration: str) -> float:
    """Return the seconds of an ISO 8601 duration of days and smaller units."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", duration)
    assert found is not None, duration
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return days * 86_400 + hours * HOUR + minutes * 60 + seconds


def launched(aws: LocalAws) -> Any:
    """Launch the database server and return its recovery instance."""
    aws.launch(DATABASE)
    aws.pass_time(900)
    (instance,) = aws.instances(DATABASE)
    return instance


def phases(aws: LocalAws, job_id: str, start: float) -> dict[str, dict[str, float]]:
    """Return the time of each event of each server, in seconds after the call."""
    found: dict[str, dict[str, float]] = {}
    for event, offset, server in offsets(aws.log(job_id), start):
        if server is not None:
            found.setdefault(server, {})[event] = offset
    return found


def many_jobs(scenario: str, count: int = 20) -> list[dict[str, dict[str, float]]]:
    """Launch both servers `count` times. Return the phases of each job."""
    found = []
    with LocalAws(scenario) as aws:
        for _ in range(count):
            start = aws.now
            job_id = aws.launch(DATABASE, WEB)
            aws.pass_time(900)
            found.append(phases(aws, job_id, start))
    return found


# 17: replication lag


@pytest.mark.xfail(strict=True, reason="issue 14, point 17: the lag does not change")
def test_the_lag_of_a_stalled_server_grows_as_time_passes() -> None:
    with LocalAws(STALLED) as aws:
        before = seconds_of(source_server(aws)["dataReplicationInfo"]["lagDuration"])
        assert before == pytest.approx(4 * HOUR, abs=1)
        aws.pass_time(HOUR)
        later = seconds_of(source_server(aws)["dataReplicationInfo"]["lagDuration"])
        assert later == pytest.approx(5 * HOUR, abs=1)


@pytest.mark.xfail(strict=True, reason="issue 14, point 17: the point in time is that of the call")
def test_a_server_that_lags_four_hours_is_recovered_to_a_point_four_hours_ago() -> None:
    with LocalAws(STALLED) as aws:
        called = aws.now
        instance = launched(aws)
        recovered_to = epoch(instance["pointInTimeSnapshotDateTime"])
        assert recovered_to == pytest.approx(called - 4 * HOUR, abs=600)


@pytest.mark.xfail(strict=True, reason="issue 14, point 17: snapshots continue without replication")
def test_a_server_that_lags_four_hours_has_no_snapshot_younger_than_that() -> None:
    with LocalAws(STALLED) as aws:
        snapshots = aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE)["items"]
        assert snapshots
        newest = max(epoch(each["timestamp"]) for each in snapshots)
        assert newest <= aws.now - 4 * HOUR


@pytest.mark.xfail(strict=True, reason="issue 14, point 17: every agent was seen 24 s ago")
def test_the_agent_of_a_stalled_server_was_last_seen_when_it_stalled() -> None:
    with LocalAws(STALLED) as aws:
        server = source_server(aws)
        assert server["dataReplicationInfo"]["dataReplicationError"]["error"] == "AGENT_NOT_SEEN"
        seen = epoch(server["lifeCycle"]["lastSeenByServiceDateTime"])
        assert seen <= aws.now - 4 * HOUR + 60


# 18: differences from the model and the recorded jobs


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: it says STOPPED")
def test_a_disconnected_instance_is_disconnected_and_not_stopped() -> None:
    with LocalAws() as aws:
        instance = launched(aws)
        aws.drs.disconnect_recovery_instance(recoveryInstanceID=instance["recoveryInstanceID"])
        (after,) = aws.instances(DATABASE)
        assert after["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: more than 200 are rejected")
def test_recovery_instances_are_asked_for_by_any_number_of_source_servers() -> None:
    with LocalAws(many_servers(301)) as aws:
        aws.launch(server_id(300))
        aws.pass_time(900)
        (instance,) = aws.instances(*(server_id(number) for number in range(301)))
        assert instance["sourceServerID"] == server_id(300)


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: any ISO 8601 date is accepted")
@pytest.mark.parametrize("date", ["2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20"])
@pytest.mark.parametrize("name", ["fromDate", "toDate"])
def test_jobs_are_not_filtered_by_a_date_without_z(name: str, date: str) -> None:
    with LocalAws() as aws:
        error = refusal(lambda: aws.drs.describe_jobs(filters={name: date}))  # type: ignore[misc]  # the name varies
        assert (error["status"], error["error"]) == (400, "ValidationException")


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: any ISO 8601 date is accepted")
@pytest.mark.parametrize("name", ["fromDateTime", "toDateTime"])
def test_snapshots_are_not_filtered_by_a_date_without_z(name: str) -> None:
    with LocalAws() as aws:
        filters: Any = {name: "2023-11-14T22:13:20+00:00"}
        error = refusal(
            lambda: aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE, filters=filters)
        )
        assert (error["status"], error["error"]) == (400, "ValidationException")


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: it is a ResourceNotFoundException")
def test_terminating_an_instance_that_is_gone_is_a_conflict() -> None:
    with LocalAws() as aws:
        instance = launched(aws)["recoveryInstanceID"]
        aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        aws.pass_time(120)
        assert aws.instances(DATABASE) == []
        error = refusal(
            lambda: aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance])
        )
        assert (error["status"], error["error"]) == (409, "ConflictException")


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: it logs that a snapshot is taken")
def test_a_launch_of_an_explicit_snapshot_says_that_it_uses_that_one() -> None:
    with LocalAws() as aws:
        (chosen, *_) = aws.drs.describe_recovery_snapshots(sourceServerID=DATABASE)["items"]
        response = aws.drs.start_recovery(
            sourceServers=[{"sourceServerID": DATABASE, "recoverySnapshotID": chosen["snapshotID"]}]
        )
        aws.pass_time(900)
        events = aws.events(response["job"]["jobID"])
        assert "USING_PREVIOUS_SNAPSHOT" in events
        assert "SNAPSHOT_START" not in events


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: it is a number of seconds")
def test_durations_are_written_in_days_hours_minutes_and_seconds_as_recorded() -> None:
    with LocalAws() as aws:
        aws.pass_time(5_532.13)
        measured = source_server(aws)["lifeCycle"]["elapsedReplicationDuration"]
        assert re.fullmatch(r"P2DT1H\d{1,2}M\d{1,2}(\.\d+)?S", measured)


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: it always has the source's")
def test_an_instance_has_an_address_of_its_own_and_the_sources_only_where_that_is_copied() -> None:
    with LocalAws() as aws:
        (source,) = source_server(aws)["sourceProperties"]["networkInterfaces"]
        (own,) = launched(aws)["recoveryInstanceProperties"]["networkInterfaces"]
        assert own["ips"] != source["ips"]
        assert own["macAddress"] != source["macAddress"]
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, copyPrivateIp=True)
        (copied,) = launched(aws)["recoveryInstanceProperties"]["networkInterfaces"]
        assert copied["ips"] == source["ips"]


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: every job names them")
def test_jobs_do_not_name_the_instances_they_launched_as_in_the_recorded_ones() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(900)
        assert aws.statuses(job_id) == ["LAUNCHED", "LAUNCHED"]
        servers = aws.job(job_id)["participatingServers"]
        assert not any("recoveryInstanceID" in each for each in servers)
        ends = [each for each in aws.log(job_id) if each["event"] == "LAUNCH_END"]
        assert all(each["eventData"]["targetInstanceID"] for each in ends)


@pytest.mark.xfail(strict=True, reason="issue 14, point 18: the conversion still runs")
def test_a_fast_launch_skips_the_conversion_and_is_up_that_much_sooner() -> None:
    with LocalAws() as aws:
        aws.drs.update_launch_configuration(sourceServerID=DATABASE, recoveryMode="FAST")
        job_id = aws.launch(DATABASE)
        # The fastest recorded launch with a conversion takes 506 s.
        aws.pass_time(400)
        assert aws.statuses(job_id) == ["LAUNCHED"]
        assert not any(event.startswith("CONVERSION") for event in aws.events(job_id))


# 20: jobs have different durations


@pytest.mark.xfail(strict=True, reason="issue 14, point 20: one recorded job, to the millisecond")
def test_jobs_spread_over_what_both_recorded_jobs_took() -> None:
    servers = [each for job in many_jobs("{Seed: 1, " + TWO + "}") for each in job.values()]
    conversions = [each["CONVERSION_END"] - each["CONVERSION_START"] for each in servers]
    launches = [each["LAUNCH_END"] - each["LAUNCH_START"] for each in servers]
    for measured, (least, most) in ((conversions, CONVERSION), (launches, LAUNCH)):
        assert least - 1 <= min(measured) <= max(measured) <= most + 1
        assert max(measured) - min(measured) > (most - least) / 2


@pytest.mark.xfail(strict=True, reason="issue 14, point 20: the second server is always first")
def test_either_server_of_a_job_may_be_up_first() -> None:
    jobs = many_jobs("{Seed: 1, " + TWO + "}")
    first = {min(job, key=lambda server: job[server]["LAUNCH_END"]) for job in jobs}
    assert first == {DATABASE, WEB}


@pytest.mark.xfail(strict=True, reason="issue 14, point 20: durations have no seed")
def test_the_spread_follows_the_seed() -> None:
    def durations(seed: int) -> list[float]:
        jobs = many_jobs(f"{{Seed: {seed}, {TWO}}}", count=3)
        return [round(each["LAUNCH_END"], 3) for job in jobs for each in job.values()]

    assert durations(7) == durations(7)
    assert durations(7) != durations(8)


# 21: unsupported operations


@pytest.mark.xfail(strict=True, reason="issue 14, point 21: HTTP 500, which clients retry")
@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("ListStagingAccounts", {}),
        ("StopReplication", {"sourceServerID": DATABASE}),
        ("CreateSourceNetwork", {"vpcID": "vpc-0123456789abcdef0", "originAccountID": "1" * 12,
                                 "originRegion": "us-east-1"}),
    ],
)  # fmt: skip
def test_an_unsupported_operation_is_named_and_not_retried(
    operation: str, asked: dict[str, Any]
) -> None:
    with LocalAws() as aws:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        error = refusal(lambda: getattr(aws.drs, name)(**asked))
        assert error["status"] in NOT_RETRIED
        assert error["status"] != 429
        assert error["error"] not in RETRIED_CODES
        assert operation in error["text"]


@pytest.mark.xfail(strict=True, reason="issue 14, point 21: three of the quotas are listed")
def test_all_quotas_of_drs_are_listed_with_their_codes() -> None:
    with LocalAws() as aws:
        quotas = aws.client("service-quotas").list_service_quotas(ServiceCode="drs")["Quotas"]
        values = {each["QuotaCode"]: each["Value"] for each in quotas}
        assert values["L-C1D14A2B"] == 300
        assert values["L-E28BE5E0"] == 4000
        others = {"L-D88FAC3A", "L-B827C881", "L-05AFA8C6"}
        seldom = {"L-DD6D028C", "L-0588D03B", "L-1F3FAE4D", "L-4B0323BD"}
        assert others | seldom <= set(values)
