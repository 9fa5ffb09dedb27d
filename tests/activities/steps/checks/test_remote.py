"""Checks from a server: a fixed script, and values that never become text of it."""

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.outbound.addresses import refused_kind
from activities.steps.checks.remote import Answer, commands, parsed
from aws.errors import AwsError
from recovery.steps.state import CheckResult
from tests.activities.outbound.test_addresses import LINK_LOCAL, LOOPBACK, UNSPECIFIED
from tests.activities.steps.checks.probes import Prober, check, recovered
from tests.activities.steps.checks.test_http_get import Site, site
from tests.aws_in_process import LocalAws

__all__ = ["site"]
HOSTILE = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=60)
BASE64 = r"[A-Za-z0-9+/=]+"


def run(values: list[str], targets: list[str]) -> list[Answer | None]:
    """Run the script for Linux on this machine, as the agent does."""
    script = "\n".join(commands("Linux", values, targets))
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return parsed(ran.stdout, len(targets))


def answered(values: list[str], target: str) -> Answer:
    (answer,) = run(values, [target])
    assert answer is not None
    return answer


@pytest.fixture
def sandboxed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")


@given(values=st.lists(HOSTILE, min_size=1, max_size=6), targets=st.lists(HOSTILE, max_size=4))
@pytest.mark.parametrize("platform", ["Linux", "Windows"])
def test_no_value_is_text_of_the_command(
    platform: str, values: list[str], targets: list[str]
) -> None:
    first, *script = commands(platform, values, targets)
    _, *other = commands(platform, ["tcp", "22"], ["10.0.0.1"])
    assert script == other
    shape = {"Linux": rf"set -- {BASE64}", "Windows": rf"\$encoded = '{BASE64}'"}[platform]
    assert re.fullmatch(shape, first)


@pytest.mark.usefixtures("sandboxed")
@pytest.mark.parametrize("kind", ["tcp", "http", "dns"])
def test_hostile_values_run_nothing(tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "ran"
    for text in (f"$(touch {mark})", f"`touch {mark}`", f"'; touch {mark}; '", f"-oProxy={mark}"):
        run([kind, *[text] * 5], [text, f'"; touch {mark}; "', "-a", "--help"])
    assert not mark.exists()


@pytest.mark.usefixtures("sandboxed")
def test_a_port_is_tried(site: Site) -> None:
    open_, closed = run(["tcp", str(site.port)], ["127.0.0.1", "127.0.0.99"])
    assert open_ is not None
    assert (open_.outcome, open_.text) == ("passed", "")
    assert closed is not None
    assert closed.outcome == "failed"
    assert "refused" in closed.text


@pytest.mark.usefixtures("sandboxed")
def test_a_page_is_read(site: Site) -> None:
    site.pages["/health?a=%20"] = (503, {}, b"not \xff ready\n" * 40)
    values = ["http", "http", str(site.port), "/health?a=%20", "yes"]
    answer = answered([*values, "ready"], "127.0.0.1")
    assert (answer.outcome, answer.status, answer.contains) == ("answered", "503", True)
    assert answer.text.startswith("not")
    assert not answered([*values, "up"], "127.0.0.1").contains


@pytest.mark.usefixtures("sandboxed")
def test_a_redirect_is_not_followed(site: Site) -> None:
    site.pages["/"] = (302, {"Location": "http://169.254.169.254/latest/"}, b"")
    answer = answered(["http", "http", str(site.port), "/", "yes"], "127.0.0.1")
    assert (answer.outcome, answer.status) == ("answered", "302")


@pytest.mark.parametrize("in_sandbox", [True, False])
def test_the_script_refuses_what_the_worker_refuses(
    monkeypatch: pytest.MonkeyPatch, in_sandbox: bool
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1" if in_sandbox else "")
    addresses = [a for a in (*LINK_LOCAL, *LOOPBACK, *UNSPECIFIED) if refused_kind(a)]
    for address, answer in zip(addresses, run(["tcp", "1"], addresses), strict=True):
        assert answer is not None
        assert (address, answer.outcome) == (address, "inconclusive")


@pytest.mark.usefixtures("sandboxed")
def test_a_name_is_resolved_or_the_missing_tool_is_named() -> None:
    answer = answered(["dns", "A", "localhost"], "-")
    if shutil.which("dig") is None:
        assert (answer.outcome, set(answer.text.split())) == ("answered", {"127.0.0.1"})
        assert answered(["dns", "TXT", "localhost"], "-").text == "the server has no dig"


@pytest.fixture
def output(aws: LocalAws) -> Any:
    """Have the script's runs end so."""

    def document(text: str, **keys: Any) -> None:
        aws.apply(
            Documents=[
                {"Name": "AWS-RunShellScript", "Type": "Command", "Output": text, "Seconds": 0.0}
                | keys
            ]
        )

    return document


def line(number: int, outcome: str, status: str = "-", contains: str = "-", text: str = "") -> str:
    shown = base64.b64encode(text.encode()).decode() or "-"
    return f"drs-waves {number} {outcome} 12 {status} {contains} {shown}\n"


async def test_servers_are_tried_from_a_server_by_one_command(
    aws: LocalAws, probe: Prober, output: Any
) -> None:
    servers = recovered(aws, 3)
    output(line(1, "passed") + line(3, "passed") + line(2, "failed", text="Connection refused"))
    spec = {"Port": 5432, "From": servers[2].source_server_id}
    found = await probe(check(servers, Tcp=spec))
    assert found.result is CheckResult.FAILED
    assert found.evidence.startswith("web-2: port 5432 of 127.")
    tried = f"Connection refused, tried from {servers[2].source_server_id} (2 of 3 servers pass)"
    assert found.evidence.endswith(tried)
    (command,) = aws.client("ssm").list_commands()["Commands"]
    assert command["InstanceIds"] == [servers[2].instance_id]


async def test_http_and_names_from_a_server_are_judged_alike(
    aws: LocalAws, probe: Prober, output: Any
) -> None:
    servers = recovered(aws)
    from_id = servers[0].source_server_id
    output(line(1, "answered", "200", "yes", "shop is ready"))
    get = {"Port": 80, "From": from_id, "Contains": "ready"}
    found = await probe(check(servers, HttpGet=get))
    assert found.result is CheckResult.PASSED
    assert 'HTTP 200 after 12 ms: "shop is ready"' in found.evidence
    output(line(1, "answered", text="shop.example.com.\n10.0.0.2\n10.0.0.1\n"))
    names = {"Name": "a.example.com", "Values": ["10.0.0.1", "10.0.0.2"], "From": from_id}
    found = await probe(check(servers, Dns=names, When="BOTH"))
    assert found.result is CheckResult.PASSED


@pytest.mark.parametrize(
    ("document", "evidence"),
    [
        ({"Outcome": "failed", "ErrorOutput": "sh: not found"}, "sh: not found"),
        ({"Output": "garbage\ndrs-waves 1 passed"}, "did not report"),
        ({"Output": line(1, "inconclusive", text="the server has no curl")}, "no curl"),
    ],
)
async def test_what_the_server_cannot_try_is_inconclusive(
    aws: LocalAws, probe: Prober, output: Any, document: Any, evidence: str
) -> None:
    servers = recovered(aws)
    output("", **document)
    spec = {"Port": 80, "From": servers[0].source_server_id}
    found = await probe(check(servers, Tcp=spec))
    assert found.result is CheckResult.INCONCLUSIVE
    assert evidence in found.evidence


async def test_without_an_agent_nothing_is_known(aws: LocalAws, probe: Prober) -> None:
    servers = recovered(aws, SsmAgentSeconds="never")
    spec = {"Port": 80, "From": servers[0].source_server_id}
    with pytest.raises(AwsError, match="InvalidInstanceId"):
        await probe(check(servers, Tcp=spec))


async def test_a_server_that_is_down_cannot_try(aws: LocalAws, probe: Prober) -> None:
    servers = recovered(aws, 2)
    servers[1].instance_id = None
    spec = {"Port": 80, "From": servers[1].source_server_id}
    found = await probe(check(servers, Tcp=spec | {"Servers": [servers[0].source_server_id]}))
    assert found.result is CheckResult.INCONCLUSIVE
    assert "is not up" in found.evidence
