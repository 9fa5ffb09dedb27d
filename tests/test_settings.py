"""The settings: a speed for sandboxes only, and errors that name the variable."""

import os
from pathlib import Path

import boto3
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from activities import fence
from aws.sessions import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from aws.targets import NO_ALLOW_LIST
from cli.app import app
from runtime.deployment import deployment_config
from settings import UNSETTLED_SECONDS, Settings, get_settings, is_loopback

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


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SIGNING_KEY": "key.pem"}, "the API checks no caller"),
        ({"SIGNING_KEY": "key.pem", "SIGNING_KMS_KEY": "alias/drs"}, "both set"),
    ],
)
def test_a_signing_key_that_could_sign_for_nobody_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    set_all(monkeypatch, {f"DRS_WAVES_{name}": value for name, value in variables.items()})
    with pytest.raises(ValidationError, match=told):
        Settings()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DRS_WAVES_HEARTBEAT_TIMEOUT_SECONDS": "19"}, "DRS_WAVES_HEARTBEAT_TIMEOUT_SECONDS=19"),
        ({"DRS_WAVES_ABSENT_AFTER_SECONDS": "15"}, "DRS_WAVES_ABSENT_AFTER_SECONDS=15"),
    ],
)
def test_a_next_attempt_that_could_launch_twice_is_refused_unless_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    set_all(monkeypatch, variables)
    with pytest.raises(ValidationError, match=f"{told} is refused"):
        Settings()
    monkeypatch.setenv("AWS_ENDPOINT_URL", LOCAL)
    assert Settings()


def test_what_may_still_be_accepted_is_waited_for() -> None:
    answered = fence.FENCE_SECONDS + CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
    assert answered <= UNSETTLED_SECONDS
    defaults = Settings()
    looked_for = defaults.heartbeat_timeout_seconds + defaults.absent_after_seconds
    assert looked_for > UNSETTLED_SECONDS


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
    assert Settings().scaled_poll_seconds == pytest.approx(5 / 30)


def test_real_time_is_allowed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
    monkeypatch.setenv("DRS_WAVES_SPEED", "1")
    assert Settings().scaled_poll_seconds == Settings().poll_seconds == 5.0


@pytest.mark.parametrize(
    "url", [None, "", "drs", "localhost", "http://localhost.example.com", "http://128.0.0.1"]
)
def test_what_is_not_plainly_on_this_machine_is_elsewhere(url: str | None) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DRS_WAVES_POLL_SECONDS", "0", "it must be at least 1"),
        ("DRS_WAVES_POLL_SECONDS", "often", "it must be a number"),
        ("DRS_WAVES_ABSENT_AFTER_SECONDS", "1", "it must be at least 5"),
        ("DRS_WAVES_HISTORY_TABLE", "a b", "it must match ^[A-Za-z0-9_.-]{3,255}$"),
        ("DRS_WAVES_JOBS_QUOTA", "0", "it must be at least 1"),
        ("DRS_WAVES_JOBS_QUOTA", "1.5", "it must be a whole number"),
        ("DRS_WAVES_LOG_JSON", "maybe", "it must be true or false"),
        ("DRS_WAVES_TRUSTED_PROXIES", "*", "'*' does not appear to be an IPv4 or IPv6 network"),
        ("DRS_WAVES_SPEED", "0.5", "it must be at least 1"),
    ],
)
def test_the_worker_names_the_variable_that_is_wrong_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["worker"])
    get_settings.cache_clear()
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {name}={value} is refused: {told} (")


def worker_with(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Result:
    """Run a worker, which has no Temporal to connect to."""
    set_all(monkeypatch, variables | {"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["worker"])
    get_settings.cache_clear()
    return result


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Targets: [", ":1: this is not valid YAML"),
        ("Targets:\n- Regions: ['*']\n", ":2: Targets entry 1 AccountIds: it is missing"),
        (None, ": the allow-list cannot be read: no such file or directory"),
    ],
)
def test_no_worker_starts_with_an_allow_list_that_is_not_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "allow-list.yaml"
    if content is not None:
        file.write_text(content)
    result = worker_with(monkeypatch, {"DRS_WAVES_ALLOW_LIST_FILE": str(file)})
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {file}{told}")


def test_an_allow_list_in_a_setting_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    result = worker_with(monkeypatch, {"DRS_WAVES_ALLOW_LIST": '{"Targets": []}'})
    assert result.exit_code == 2
    assert result.stderr.startswith("error: DRS_WAVES_ALLOW_LIST:1: Targets: the list is empty")


def test_an_allow_list_is_in_a_file_or_in_a_setting_and_not_in_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = {"DRS_WAVES_ALLOW_LIST_FILE": "x.yaml", "DRS_WAVES_ALLOW_LIST": "Targets: []"}
    result = worker_with(monkeypatch, both)
    assert result.exit_code == 2
    assert "are both set: unset one of them" in result.stderr


@pytest.mark.parametrize(
    ("variables", "warns"),
    [
        ({}, True),
        ({"AWS_ENDPOINT_URL": LOCAL}, False),
        ({"DRS_WAVES_ALLOW_LIST": "Targets: [{AccountIds: ['*'], Regions: ['*']}]"}, False),
    ],
)
def test_a_worker_without_an_allow_list_warns_unless_aws_is_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], warns: bool
) -> None:
    result = worker_with(monkeypatch, variables)
    assert result.exit_code == 5
    assert (NO_ALLOW_LIST in result.output) is warns


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"OIDC_CLIENT_ID": "pages"}, "DRS_WAVES_OIDC_ISSUER"),
        ({"OIDC_CLIENT_SECRET": "secret"}, "DRS_WAVES_OIDC_CLIENT_ID"),
        ({"OIDC_SCOPES": "profile"}, "oidc_scopes"),
        ({"PUBLIC_URL": "https://drs.example/below"}, "public_url"),
        ({"SESSION_KEY": "too short"}, "session_key"),
    ],
)
def test_a_sign_in_that_could_not_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: str
) -> None:
    set_all(monkeypatch, {f"DRS_WAVES_{name}": value for name, value in given.items()})
    with pytest.raises(ValidationError, match=missing):
        Settings()


@pytest.mark.parametrize("given", ["DRS_WAVES_DEPLOYMENT_NAME", "DRS_WAVES_BUILD_ID"])
def test_worker_versioning_needs_a_name_and_a_build(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(given, "1")
    with pytest.raises(ValidationError, match=f"{given} is set and"):
        Settings()


def test_an_empty_variable_leaves_worker_versioning_off(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"DRS_WAVES_DEPLOYMENT_NAME": "", "DRS_WAVES_BUILD_ID": ""})
    assert deployment_config(Settings()) is None
