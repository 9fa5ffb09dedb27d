"""No secret is printed, logged or sent, whatever goes wrong."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from pydantic import ValidationError
from typer.testing import CliRunner

from api.auth.tokens import Authenticator
from aws.errors import AwsError
from cli.app import app
from cli.commands import serve as serve_command
from runtime.log_config import configure_logging
from settings import Settings, get_settings
from tests.api.conftest import page_client
from tests.static_tokens import token_settings

MARKER = "S3cretOfOurs0123456789"
_PEM = f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----"
_TOKENS = json.dumps(token_settings(ops=["operator"]))
_READ = ("executions",)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings but the test's own, tracebacks on, and nothing that answers."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DRS_WAVES_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    variables = {
        "DRS_WAVES_DEBUG": "1",
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": MARKER,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (["serve"], {"DRS_WAVES_API_TOKENS": MARKER}),
        (["serve"], {"DRS_WAVES_API_TOKENS": json.dumps([MARKER])}),
        (["serve"], {"DRS_WAVES_API_TOKENS": json.dumps({"ops": MARKER})}),
        (["serve"], {"DRS_WAVES_API_TOKENS": json.dumps({"ops": {"Token": MARKER}})}),
        (["serve"], {"DRS_WAVES_API_TOKENS": json.dumps({"ops": {"Hash": MARKER, "Roles": []}})}),
        (["serve"], {"DRS_WAVES_SIGNING_KEY": _PEM}),
        (["serve"], {"DRS_WAVES_SIGNING_KEY": _PEM, "DRS_WAVES_API_TOKENS": _TOKENS}),
        (["serve"], {"DRS_WAVES_SIGNING_KMS_KEY": MARKER}),
        (["serve"], {"DRS_WAVES_TEMPORAL_UI": f"ftp://me:{MARKER}@ui.example"}),
        (["serve"], {"DRS_WAVES_OIDC_ISSUER": f"https://me:{MARKER}@idp.example"}),
        (["worker"], {"DRS_WAVES_REQUEST_KEYS": "file", "DRS_WAVES_REQUIRE_SIGNED_REQUESTS": "1"}),
        (["worker"], {"DRS_WAVES_SPEED": "2", "AWS_ENDPOINT_URL": f"http://me:{MARKER}@aws.example"}),
        (["plans"], {"TEMPORAL_API_KEY": MARKER}),
        (["plans"], {"TEMPORAL_API_KEY": f"{MARKER}\n"}),
        (["plans"], {"TEMPORAL_TLS_CLIENT_CERT_DATA": _PEM, "TEMPORAL_TLS_CLIENT_KEY_DATA": _PEM}),
        (["plans"], {"AWS_ENDPOINT_URL": f"http://me:{MARKER}@127.0.0.1:1"}),
        (["executions"], {"AWS_SESSION_TOKEN": f"{MARKER}\n"}),
        (["executions"], {"AWS_ACCESS_KEY_ID": f"{MARKER}\n"}),
        (["init-tables"], {"AWS_SESSION_TOKEN": f"{MARKER}\n"}),
        (["run", "examples/crm.yaml", "--break-glass", "x", "--key", _PEM], {}),
    ],
)  # fmt: skip
def test_no_command_prints_a_secret(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    command: list[str],
    variables: dict[str, str],
) -> None:
    file = tmp_path / "key"
    file.write_text(_PEM)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(file) if value == "file" else value)
    result = CliRunner().invoke(app, command)
    captured = capfd.readouterr()
    assert result.exit_code != 0
    printed = result.output + captured.out + captured.err
    assert printed
    assert MARKER not in printed


def test_the_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRS_WAVES_API_TOKENS", _TOKENS)
    monkeypatch.setenv("DRS_WAVES_SIGNING_KEY", MARKER)
    assert MARKER not in repr(Settings())
    assert "sha256:" not in repr(Settings())
    monkeypatch.setenv("DRS_WAVES_API_TOKENS", json.dumps({"ops": {"Token": MARKER}}))
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert MARKER not in str(caught.value) + repr(caught.value)


async def test_an_unexpected_error_logs_and_sends_no_token(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(_: object, token: str, address: str) -> None:
        raise RuntimeError(f"Authorization: Bearer {token}")

    configure_logging(as_json=False)
    monkeypatch.setattr(Authenticator, "authenticate", fail)
    async with page_client(Settings(api_tokens=json.loads(_TOKENS))) as client:
        client.cookies.set("drs_waves_token", MARKER)
        headers = {"Authorization": f"Bearer {MARKER}"}
        answers = [
            await client.get("/api/me", headers=headers),
            await client.post("/api/forecast", headers=headers, json={"PlanIds": ["crm"]}),
            await client.get("/executions/crm-0f3b52a1c7d9/panel?wave=web"),
            await client.post("/plans/crm/dialogs/drill", json={}),
        ]
    assert [each.status_code for each in answers] == [500] * 4
    logged = "".join(capfd.readouterr())
    assert "RuntimeError" in logged
    assert MARKER not in logged + "".join(each.text for each in answers)


def test_the_server_logs_no_local_variables(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        token = MARKER
        try:
            raise RuntimeError(len(token))
        except RuntimeError:
            structlog.get_logger().exception("it failed")

    server = SimpleNamespace(run=run, started=True)
    monkeypatch.setattr(serve_command, "_server", lambda *_: server)
    result = CliRunner().invoke(app, ["serve"])
    logged = result.output + "".join(capfd.readouterr())
    assert "it failed" in logged
    assert MARKER not in logged


async def test_a_wrong_token_is_repeated_neither_to_its_sender_nor_in_the_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logging(as_json=True)
    async with page_client(Settings(api_tokens=json.loads(_TOKENS))) as client:
        texts = []
        for _ in range(12):
            for headers in ({"Authorization": f"Bearer {MARKER}"}, {"Authorization": MARKER}):
                texts.append((await client.get("/api/me", headers=headers)).text)
            texts.append((await client.post("/sign-in", data={"token": MARKER})).text)
    logged = "".join(capfd.readouterr())
    assert "wrong tokens came from" in logged
    assert MARKER not in logged + "".join(texts)


def test_what_temporal_stores_of_a_failed_call_has_no_credentials() -> None:
    message = (
        f"The Canonical String for this request should have been 'x-amz-security-token:{MARKER}"
    )
    error = RuntimeError(message)
    assert MARKER not in str(AwsError.of(error, "DescribeJobs"))
    assert AwsError.cause(error) is None
    harmless = RuntimeError("connection reset")
    assert AwsError.cause(harmless) is harmless
