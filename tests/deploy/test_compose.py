"""docker-compose.yml: what each service may do, and that it is led to what exists."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from settings import Settings
from tests.test_documents import COMPOSE, ROOT, problem_of

# Capabilities that a service needs; its file says why.
ADDED = {"dynamodb": ["DAC_OVERRIDE"]}
# What the file asks for where nobody has set it.
REQUIRED = {"POSTGRES_PASSWORD": "secret", "DRS_WAVES_API_TOKENS": "{}"}


def compose() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


each_service = pytest.mark.parametrize(("name", "service"), compose().items(), ids=compose())


def compose_client() -> list[str] | None:
    """How to call Compose on this machine, or None."""
    if shutil.which("docker") is not None:
        words = ["docker", "compose"]
        if subprocess.run([*words, "version"], capture_output=True, check=False).returncode == 0:
            return words
    return ["docker-compose"] if shutil.which("docker-compose") else None


@each_service
def test_a_service_is_pinned_and_can_write_and_do_only_what_it_must(
    name: str, service: dict[str, Any]
) -> None:
    assert re.search(r":(local|\d+\.\d+[\w.-]*)$", service["image"])
    assert service["read_only"] is True
    assert all(folder.startswith(("/tmp", "/var/run/")) for folder in service["tmpfs"])
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == ADDED.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in ("unless-stopped", "on-failure")


@each_service
def test_a_port_is_free_to_choose_and_open_to_this_machine_only(
    name: str, service: dict[str, Any]
) -> None:
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+_PORT:-\d+\}:\d+", port)


def test_no_two_services_have_the_same_default_port() -> None:
    ports = [port for service in compose().values() for port in service.get("ports", [])]
    defaults = [re.findall(r":-(\d+)", port)[0] for port in ports]
    assert len(set(defaults)) == len(defaults) == 4


def test_clients_are_led_to_the_same_ports() -> None:
    published = re.findall(r"127\.0\.0\.1:(\$\{\w+:-\d+\})", COMPOSE.read_text())
    led = re.findall(r"127\.0\.0\.1:(\S+)$", (ROOT / "deploy/compose.env").read_text(), re.M)
    assert len(led) == 2
    assert set(led) <= set(published)


def test_there_is_no_default_password_and_no_service_without_sign_in() -> None:
    text = COMPOSE.read_text()
    for name in REQUIRED:
        assert text.count(f"${{{name}:?") == text.count(f"${{{name}") > 0
    for service in compose().values():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|PWD", key):
                assert str(value).startswith("${POSTGRES_PASSWORD:?")


def test_the_composed_commands_and_settings_exist() -> None:
    ours = {name: each for name, each in compose().items() if "build" in each}
    assert set(ours) == {"init", "worker", "serve"}
    settings = {f"DRS_WAVES_{name.upper()}" for name in Settings.model_fields}
    for service in ours.values():
        assert problem_of(service["command"]) is None
        named = {key for key in service["environment"] if key.startswith("DRS_WAVES_")}
        assert named <= settings


def test_the_composed_worker_reaches_real_drs_with_credentials_of_the_shell_only() -> None:
    environment = compose()["worker"]["environment"]
    assert "AWS_ENDPOINT_URL" not in environment
    assert "AWS_ENDPOINT_URL_DYNAMODB" in environment
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert environment[name] is None


def test_what_runs_on_says_whether_it_is_healthy() -> None:
    # The worker has the health check of its image.
    for name in ("postgresql", "temporal", "dynamodb", "serve"):
        assert compose()[name]["healthcheck"]["test"]
    assert "healthcheck" not in compose()["worker"]


def test_compose_accepts_the_file_once_its_secrets_are_set() -> None:
    client = compose_client()
    if client is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is on this machine")

    def checked(**secrets: str) -> "subprocess.CompletedProcess[str]":
        home = {name: os.environ.get(name, "/") for name in ("PATH", "HOME")}
        return subprocess.run(
            [*client, "-f", str(COMPOSE), "config", "-q"],
            capture_output=True,
            text=True,
            check=False,
            env={**home, **secrets},
        )

    accepted = checked(**REQUIRED)
    assert accepted.returncode == 0, accepted.stderr
    assert "POSTGRES_PASSWORD" in checked(**REQUIRED | {"POSTGRES_PASSWORD": ""}).stderr
