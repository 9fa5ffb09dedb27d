"""The audit log in CloudWatch Logs, over HTTP."""

import json
import os
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from aws.cloudwatch_logs import LogGroup, configured_audit_log
from aws.sessions import checked_session
from recovery.access.audit import AuditAct, AuditEvent, AuditPlace
from sandbox.aws import SandboxAws
from sandbox.stack import free_port
from security.audit_log import AuditLine, AuditLogError
from settings import Settings

REGION = "eu-west-1"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """The port that AWS is expected on; nothing listens there yet."""
    free = free_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": os.devnull,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return free


def client() -> Any:
    """Another client of CloudWatch Logs."""
    return boto3.session.Session().client("logs", region_name=REGION)


def messages() -> list[tuple[str, dict[str, Any]]]:
    """The streams and events of the log group."""
    logs = client()
    return [
        (stream["logStreamName"], json.loads(each["message"]))
        for stream in logs.describe_log_streams(logGroupName="drs-waves")["logStreams"]
        for each in logs.get_log_events(
            logGroupName="drs-waves", logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]


def test_events_arrive_once_cloudwatch_answers_again(port: int) -> None:
    settings = Settings(audit_log="cloudwatch:drs-waves", history_region=REGION)
    log = configured_audit_log(settings, AuditPlace.WORKER)
    log.write(AuditEvent(time=time.time(), act=AuditAct.LAUNCH, accepted=True, actor="ops"))
    with SandboxAws(port=port):
        client().create_log_group(logGroupName="drs-waves")
        log.close(20)
        found = messages()
    assert [each["Act"] for _, each in found] == ["LOG_OPENED", "LAUNCH", "LOG_CLOSED"]
    (stream,) = {name for name, _ in found}
    assert stream.startswith(f"worker/{found[0][1]['Writer']['Host']}/{os.getpid()}-")


def test_a_missing_group_is_said_and_a_stream_that_was_removed_is_made_again(port: int) -> None:
    with SandboxAws(port=port):
        # CreateLogStream succeeds without content, which needs no second try.
        checked = checked_session(region_name=REGION).client("logs")
        group = LogGroup(checked, "drs-waves", AuditPlace.API)
        line = AuditLine(time.time(), '{"Act": "START"}')
        with pytest.raises(AuditLogError, match=r"drs-waves.*does not exist"):
            group.write([line])
        client().create_log_group(logGroupName="drs-waves")
        assert group.write([line, line]).done == 2
        ((stream, _), _) = messages()
        client().delete_log_stream(logGroupName="drs-waves", logStreamName=stream)
        with pytest.raises(AuditLogError):
            group.write([line])
        assert group.write([line]).done == 1
        assert len(messages()) == 1


def test_a_call_takes_a_megabyte_and_the_rest_goes_into_the_next(port: int) -> None:
    with SandboxAws(port=port):
        client().create_log_group(logGroupName="drs-waves")
        group = LogGroup(client(), "drs-waves", AuditPlace.API)
        many = [AuditLine(time.time(), json.dumps("x" * 200_000)) for _ in range(7)]
        done = group.write(many).done
        assert 0 < done < 7
        assert group.write(many[done:]).done == 7 - done


def test_what_the_setting_names_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    configured_audit_log(Settings(audit_log=str(path)), AuditPlace.API).close()
    assert path.exists()
    with pytest.raises(AuditLogError, match="DRS_WAVES_AUDIT_LOG"):
        configured_audit_log(Settings(audit_log=str(tmp_path)), AuditPlace.API)
    with pytest.raises(ValidationError, match="name of a log group"):
        Settings(audit_log="cloudwatch:two words")
