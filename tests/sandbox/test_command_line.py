"""The server as a process, with the AWS command line as its client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.local_aws import DATABASE, WEB, LocalAws

AWS = Path(sys.executable).with_name("aws")


def run_aws(endpoint: str, *arguments: str) -> Any:
    """Run the AWS command line and return what it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = subprocess.run(
        [AWS, "drs", *arguments, "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_aws_command_line_drills_and_terminates() -> None:
    with LocalAws() as aws:
        endpoint = aws.server.endpoint_url
        servers = run_aws(endpoint, "describe-source-servers")["items"]
        assert [each["sourceServerID"] for each in servers] == [DATABASE, WEB]
        started = run_aws(
            endpoint,
            "start-recovery",
            "--is-drill",
            "--source-servers",
            f"sourceServerID={DATABASE}",
            "--tags",
            "Plan=crm",
        )
        job_id = started["job"]["jobID"]
        aws.pass_time(600)
        (job,) = run_aws(endpoint, "describe-jobs", "--filters", f"jobIDs={job_id}")["items"]
        assert (job["status"], job["tags"]) == ("COMPLETED", {"Plan": "crm"})
        log = run_aws(endpoint, "describe-job-log-items", "--job-id", job_id)["items"]
        assert log[-1]["event"] == "JOB_END"
        instance = log[-2]["eventData"]["targetInstanceID"]
        ended = run_aws(
            endpoint, "terminate-recovery-instances", "--recovery-instance-ids", instance
        )
        assert ended["job"]["type"] == "TERMINATE"
        aws.pass_time(60)
        assert aws.instances(DATABASE) == []


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server process with two source servers at speed 30, and its output."""
    seed, scenario = tmp_path / "seed.json", tmp_path / "scenario.yaml"
    servers = [{"SourceServerId": DATABASE}, {"SourceServerId": WEB}]
    seed.write_text(json.dumps({"SourceServers": servers}))
    scenario.write_text(f"SourceServers: [{{SourceServerId: {DATABASE}, Outcome: failed-early}}]")
    options = ["--speed", "30", "--scenario", str(seed), "--scenario", str(scenario)]
    started = subprocess.Popen(
        [sys.executable, "-m", "sandbox.aws", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield started, json.loads(started.stdout.readline())
    finally:
        started.kill()
        started.communicate()


def test_the_server_process_prints_its_endpoint_serves_and_ends_on_sigterm(
    process: tuple[subprocess.Popen[str], dict[str, Any]],
) -> None:
    server, ready = process
    assert ready["Endpoint"] == f"http://127.0.0.1:{ready['Port']}"
    started = run_aws(
        ready["Endpoint"], "start-recovery", "--source-servers", f"sourceServerID={DATABASE}"
    )
    time.sleep(0.2)
    (job,) = run_aws(ready["Endpoint"], "describe-jobs")["items"]
    assert job["jobID"] == started["job"]["jobID"]
    assert job["participatingServers"][0]["launchStatus"] == "FAILED"
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, "", "")


def test_an_invalid_scenario_file_is_rejected_with_the_location(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("Quotas: {JobsInProgres: 5}")
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.aws", "--scenario", str(scenario)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Quotas.JobsInProgres: unknown key, did you mean JobsInProgress?" in done.stderr
