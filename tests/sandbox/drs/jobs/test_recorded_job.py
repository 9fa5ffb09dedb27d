"""The recorded drill of small Linux servers, replayed to the millisecond or spread."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.sandbox.local_aws import (
    DATABASE,
    RECORDED_DURATIONS,
    TWO_SERVERS,
    WEB,
    LocalAws,
    offsets,
)

# A drill of December 2022 in us-west-2: event, seconds after the call, source server.
RECORDED = [
    ("JOB_START", 0.357363, None),
    ("SNAPSHOT_START", 0.761221, DATABASE),
    ("SNAPSHOT_START", 0.786741, WEB),
    ("SNAPSHOT_END", 0.951705, DATABASE),
    ("SNAPSHOT_END", 0.977707, WEB),
    ("CONVERSION_START", 52.920144, DATABASE),
    ("CONVERSION_START", 52.946416, WEB),
    ("CONVERSION_END", 250.434163, DATABASE),
    ("CONVERSION_END", 250.495777, WEB),
    ("LAUNCH_START", 251.007593, DATABASE),
    ("LAUNCH_START", 251.197202, WEB),
    ("LAUNCH_END", 529.126341, WEB),
    ("LAUNCH_END", 530.527781, DATABASE),
    ("JOB_END", 533.335104, None),
]
RECORDED_END = 533.308786
# From the shortest to the longest of the two recorded jobs, in seconds.
CONVERSION = (175.0, 198.0)
LAUNCH = (278.0, 310.0)


@pytest.mark.parametrize("speed", [1.0, 30.0])
def test_a_job_logs_the_recorded_events_in_order_within_five_percent(speed: float) -> None:
    with LocalAws(RECORDED_DURATIONS, speed=speed) as aws:
        start = aws.now
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(600 / speed)
        log = offsets(aws.log(job_id), start)
        assert [(event, server) for event, _, server in log] == [
            (event, server) for event, _, server in RECORDED
        ]
        for (_, offset, _), (_, recorded, _) in zip(log, RECORDED, strict=True):
            assert offset * speed == pytest.approx(recorded, rel=0.05)


def test_the_log_names_conversion_servers_and_recovery_instances_where_recorded() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(600)
        keys = {
            line["event"]: set(line["eventData"]) - {"sourceServerID"} for line in aws.log(job_id)
        }
        assert keys.pop("CONVERSION_END") == {"conversionServerID"}
        assert keys.pop("LAUNCH_END") == {"targetInstanceID"}
        assert not any(keys.values())


def test_the_log_grows_as_time_passes() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE, WEB)
        assert aws.events(job_id) == []
        aws.pass_time(1.0)
        assert len(aws.events(job_id)) == 5
        aws.pass_time(60)
        assert aws.events(job_id)[-1] == "CONVERSION_START"


def test_a_job_is_pending_then_started_then_completed() -> None:
    with LocalAws(RECORDED_DURATIONS) as aws:
        job_id = aws.launch(DATABASE, WEB)
        seen = {}
        for moment in (0.0, 1.0, 300.0, 529.5, 531.0, 534.0):
            aws.now = 1_700_000_000.0 + moment
            seen[moment] = (aws.job(job_id)["status"], *aws.statuses(job_id))
        assert seen == {
            0.0: ("PENDING", "PENDING", "PENDING"),
            1.0: ("STARTED", "PENDING", "PENDING"),
            300.0: ("STARTED", "IN_PROGRESS", "IN_PROGRESS"),
            529.5: ("STARTED", "IN_PROGRESS", "LAUNCHED"),
            531.0: ("STARTED", "LAUNCHED", "LAUNCHED"),
            534.0: ("COMPLETED", "LAUNCHED", "LAUNCHED"),
        }
        end = datetime.fromisoformat(aws.job(job_id)["endDateTime"]).timestamp()
        assert end - 1_700_000_000.0 == pytest.approx(RECORDED_END)


def test_every_server_of_a_large_job_has_an_ordered_log() -> None:
    servers = [f"s-{number:017x}" for number in range(100)]
    scenario = f"SourceServers: [{', '.join(f'{{SourceServerId: {each}}}' for each in servers)}]"
    with LocalAws(scenario) as aws:
        job_id = aws.launch(*servers)
        aws.pass_time(700)
        assert aws.job(job_id)["status"] == "COMPLETED"
        log = [
            line
            for page in aws.drs.get_paginator("describe_job_log_items").paginate(jobID=job_id)
            for line in page["items"]
        ]
        times = [line["logDateTime"] for line in log]
        assert times == sorted(times)
        for server in servers:
            own = [
                each["event"] for each in log if each["eventData"].get("sourceServerID") == server
            ]
            assert own == [
                "SNAPSHOT_START",
                "SNAPSHOT_END",
                "CONVERSION_START",
                "CONVERSION_END",
                "LAUNCH_START",
                "LAUNCH_END",
            ]


@pytest.mark.parametrize(("form", "ending"), [("offset", "+00:00"), ("z", "Z")])
def test_times_are_written_in_the_form_of_the_scenario(form: str, ending: str) -> None:
    scenario = f"{{TimestampForm: {form}, SourceServers: [{{SourceServerId: {DATABASE}}}]}}"
    with LocalAws(scenario) as aws:
        created = aws.job(aws.launch(DATABASE))["creationDateTime"]
        assert created == f"2023-11-14T22:13:20.000000{ending}"


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


def test_jobs_do_not_name_the_instances_they_launched_as_in_the_recorded_ones() -> None:
    with LocalAws() as aws:
        job_id = aws.launch(DATABASE, WEB)
        aws.pass_time(900)
        assert aws.statuses(job_id) == ["LAUNCHED", "LAUNCHED"]
        servers = aws.job(job_id)["participatingServers"]
        assert not any("recoveryInstanceID" in each for each in servers)
        ends = [each for each in aws.log(job_id) if each["event"] == "LAUNCH_END"]
        assert all(each["eventData"]["targetInstanceID"] for each in ends)


def test_jobs_spread_over_what_both_recorded_jobs_took() -> None:
    servers = [each for job in many_jobs(f"Seed: 1\n{TWO_SERVERS}") for each in job.values()]
    conversions = [each["CONVERSION_END"] - each["CONVERSION_START"] for each in servers]
    launches = [each["LAUNCH_END"] - each["LAUNCH_START"] for each in servers]
    for measured, (least, most) in ((conversions, CONVERSION), (launches, LAUNCH)):
        assert least - 1 <= min(measured) <= max(measured) <= most + 1
        assert max(measured) - min(measured) > (most - least) / 2


def test_either_server_of_a_job_may_be_up_first() -> None:
    jobs = many_jobs(f"Seed: 1\n{TWO_SERVERS}")
    first = {min(job, key=lambda server: job[server]["LAUNCH_END"]) for job in jobs}
    assert first == {DATABASE, WEB}


def test_the_spread_follows_the_seed() -> None:
    def durations(seed: int) -> list[float]:
        jobs = many_jobs(f"Seed: {seed}\n{TWO_SERVERS}", count=3)
        return [round(each["LAUNCH_END"], 3) for job in jobs for each in job.values()]

    assert durations(7) == durations(7)
    assert durations(7) != durations(8)
