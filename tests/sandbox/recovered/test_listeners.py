"""The applications on recovered servers, as a check sees them."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

import pytest

from tests.sandbox.local_aws import DATABASE, LocalAws

PORT = 15432


def with_application(keys: str = "") -> str:
    """Return a scenario whose database server has an application."""
    application = f"{{Port: {PORT}, {keys}}}"
    keys = f"SourceServerId: {DATABASE}, LaunchSeconds: 10, Applications: [{application}]"
    return f"SourceServers: [{{{keys}}}]"


def launched(aws: LocalAws) -> str:
    """Launch the server, and return its address 3 s later."""
    aws.launch(DATABASE)
    aws.pass_time(13)
    properties = aws.instances(DATABASE)[0]["recoveryInstanceProperties"]
    return str(properties["networkInterfaces"][0]["ips"][0])


def connection(address: str) -> str:
    """Connect, and return what becomes of the connection: open, closed, refused or hanging."""
    with socket.socket() as client:
        client.settimeout(0.3)
        try:
            client.connect((address, PORT))
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "hanging"
        try:
            return "open" if client.recv(1) else "closed"
        except TimeoutError:
            return "open"


def response(address: str) -> tuple[int, str]:
    """Send a request; 0 and the kind of error if there is no response."""
    client = http.client.HTTPConnection(address, PORT, timeout=0.5)
    try:
        client.request("GET", "/health")
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__
    finally:
        client.close()


def assert_soon(expected: object, look: Callable[[], object]) -> None:
    """Look until it is as expected, for at most a minute."""
    deadline = time.monotonic() + 60
    while (seen := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen == expected


def test_an_application_listens_from_its_time_after_the_launch_until_the_termination() -> None:
    with LocalAws(with_application("UpAfterSeconds: 600"), speed=10.0) as aws:
        address = launched(aws)
        time.sleep(0.2)
        assert connection(address) == "refused"
        aws.pass_time(60)
        assert_soon("open", lambda: connection(address))
        instance_id = aws.instances(DATABASE)[0]["recoveryInstanceID"]
        with socket.create_connection((address, PORT)) as client:
            aws.drs.terminate_recovery_instances(recoveryInstanceIDs=[instance_id])
            aws.pass_time(1)
            assert_soon("refused", lambda: connection(address))
            client.settimeout(2)
            assert client.recv(1) == b""
    assert connection(address) == "refused"


def test_an_application_of_a_stopped_instance_does_not_listen() -> None:
    with LocalAws(with_application("UpAfterSeconds: 60")) as aws:
        address = launched(aws)
        ec2, instance_ids = aws.client("ec2"), [aws.instances(DATABASE)[0]["ec2InstanceID"]]
        aws.pass_time(60)
        assert_soon("open", lambda: connection(address))
        ec2.stop_instances(InstanceIds=instance_ids)
        assert_soon("refused", lambda: connection(address))
        ec2.start_instances(InstanceIds=instance_ids)
        time.sleep(0.2)
        assert connection(address) == "refused"
        aws.pass_time(60)
        assert_soon("open", lambda: connection(address))


def test_an_application_that_never_comes_up_refuses() -> None:
    with LocalAws(with_application("UpAfterSeconds: never")) as aws:
        address = launched(aws)
        aws.pass_time(86_400)
        time.sleep(0.2)
        assert connection(address) == "refused"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [("", "open"), ("Answer: fails", "closed"), ("Answer: hangs", "hanging")],
)
def test_a_tcp_application_answers_fails_or_hangs(keys: str, expected: str) -> None:
    with LocalAws(with_application(keys)) as aws:
        address = launched(aws)
        assert_soon(expected, lambda: connection(address))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("Body: fine", (200, "fine")),
        ("Status: 503, Body: starting", (503, "starting")),
        ("Answer: fails", (0, "RemoteDisconnected")),
        ("Answer: hangs", (0, "TimeoutError")),
    ],
)
def test_an_http_application_answers_fails_or_hangs(keys: str, expected: tuple[int, str]) -> None:
    with LocalAws(with_application(f"Protocol: http, {keys}")) as aws:
        address = launched(aws)
        assert_soon(expected, lambda: response(address))


def test_the_scenario_can_change_an_application_while_it_is_up() -> None:
    with LocalAws(with_application("Protocol: http, Status: 500")) as aws:
        address = launched(aws)
        assert_soon(500, lambda: response(address)[0])
        redirect = "Protocol: http, Status: 302, Headers: {Location: 'http://127.0.0.1/x'}"
        aws.control("POST", "scenario", with_application(redirect))
        assert_soon(302, lambda: response(address)[0])


def test_a_place_in_use_is_reported_and_tried_again(capfd: pytest.CaptureFixture[str]) -> None:
    with LocalAws(with_application("UpAfterSeconds: 60")) as aws:
        address = launched(aws)
        with socket.create_server((address, PORT)):
            aws.pass_time(60)
            assert_soon(True, lambda: "cannot listen" in capfd.readouterr().err)
        assert_soon("open", lambda: connection(address))
        assert "cannot listen" not in capfd.readouterr().err
