"""The settings: a speed for sandboxes only, and errors that name the variable."""

import os

import boto3
import pytest
from pydantic import ValidationError

from settings import Settings, is_loopback
from worker import run_worker

LOCAL = "http://127.0.0.1:4566"
ELSEWHERE = "https://drs.us-west-2.amazonaws.com"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DRS_WAVES_")):
            monkeypatch.delenv(name)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({}, "AWS itself"),
        ({"AWS_ENDPOINT_URL": ""}, "AWS itself"),
        ({"AWS_ENDPOINT_URL": ELSEWHERE}, ELSEWHERE),
        ({"AWS_ENDPOINT_URL": "http://10.0.0.7:4566"}, "10.0.0.7"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1@example.com"}, "example.com"),
        ({"AWS_ENDPOINT_URL": LOCAL, "AWS_ENDPOINT_URL_DRS": ELSEWHERE}, ELSEWHERE),
        ({"AWS_ENDPOINT_URL": LOCAL, "AWS_ENDPOINT_URL_STS": ELSEWHERE}, ELSEWHERE),
        ({"AWS_ENDPOINT_URL_DRS": LOCAL}, "AWS itself"),
    ],
)
def test_a_faster_clock_is_refused_unless_all_of_aws_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], where: str
) -> None:
    set_all(monkeypatch, variables | {"DRS_WAVES_SPEED": "30"})
    with pytest.raises(ValidationError, match="DRS_WAVES_SPEED=30 is refused") as caught:
        Settings()
    assert where in str(caught.value)
    assert "Unset DRS_WAVES_SPEED" in str(caught.value)


def test_a_faster_clock_is_refused_where_boto3_ignores_the_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ignoring = {"AWS_ENDPOINT_URL": LOCAL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    set_all(monkeypatch, ignoring | {"DRS_WAVES_SPEED": "10"})
    assert boto3.client("drs", region_name="us-west-2").meta.endpoint_url == ELSEWHERE
    with pytest.raises(ValidationError, match="DRS_WAVES_SPEED=10 is refused"):
        Settings()


@pytest.mark.parametrize("url", [LOCAL, "http://localhost:4566", "http://[::1]:4566"])
def test_a_sandbox_on_this_machine_may_run_faster(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    set_all(monkeypatch, {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_DRS": url})
    monkeypatch.setenv("DRS_WAVES_SPEED", "30")
    assert Settings().scaled_poll_seconds == 0.5


def test_real_time_is_allowed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
    monkeypatch.setenv("DRS_WAVES_SPEED", "1")
    assert Settings().scaled_poll_seconds == Settings().poll_seconds == 15.0


@pytest.mark.parametrize(
    "url", [None, "", "drs", "localhost", "http://localhost.example.com", "http://128.0.0.1"]
)
def test_what_is_not_plainly_on_this_machine_is_elsewhere(url: str | None) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRS_WAVES_POLL_SECONDS", "0"),
        ("DRS_WAVES_POLL_SECONDS", "often"),
        ("DRS_WAVES_ABSENT_AFTER_SECONDS", "1"),
        ("DRS_WAVES_HISTORY_TABLE", "a b"),
        ("DRS_WAVES_JOBS_QUOTA", "0"),
        ("DRS_WAVES_SPEED", "0.5"),
    ],
)
async def test_the_worker_names_the_variable_that_is_wrong_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    from settings import get_settings

    monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        assert await run_worker() == 2
    finally:
        get_settings.cache_clear()
    assert name in capsys.readouterr().err
