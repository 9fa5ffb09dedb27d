"""The command line through the API, on a machine that reaches neither Temporal nor AWS."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.app import app
from recovery.plan.model import RecoveryPlan
from settings import get_settings
from tests.cli.json_outputs import check_result
from tests.client.remote.conftest import no_keyring
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.test_signed_requests import keys, launches_of, two_apis
from tests.static_tokens import token_of

__all__ = ["keys", "no_keyring", "two_apis"]


class Laptop:
    """A machine that has the address of the API and no other access."""

    def __init__(self, url: str, folder: Path, environment: pytest.MonkeyPatch) -> None:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_", "TEMPORAL_")):
                environment.delenv(name)
        # Nothing listens on this port.
        environment.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
        environment.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        environment.setenv("DRS_WAVES_API_URL", url)
        self.folder = folder

    async def do(self, *words: str, code: int = 0, **given: Any) -> Result:
        """Run a command; it must end with this code."""
        get_settings.cache_clear()
        result = await asyncio.to_thread(CliRunner().invoke, app, words, **given)
        assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
        check_result(words, result.stdout)
        return result

    async def read(self, *words: str) -> Any:
        """Run a command with `--json`; what it says."""
        return json.loads((await self.do(*words, "--json")).stdout)

    def file(self, plan: RecoveryPlan) -> str:
        """A plan file."""
        path = self.folder / f"{plan.plan_id}.yaml"
        path.write_text(yaml.safe_dump(as_file(plan)))
        return str(path)


@contextmanager
def responses_lost_once() -> Iterator[list[str]]:
    """The first response of each path that a request changes something at is lost."""
    lost: list[str] = []
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def losing(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        response = await send(transport, request)
        if request.method == "POST" and request.url.path not in lost:
            lost.append(request.url.path)
            await response.aread()
            raise httpx.ReadError("the connection broke off")
        return response

    with pytest.MonkeyPatch.context() as network:
        network.setattr(httpx.AsyncHTTPTransport, "handle_async_request", losing)
        yield lost


@pytest.fixture
def laptop(two_apis: list[str], tmp_path: Path) -> Iterator[Laptop]:
    """A laptop beside two signing APIs, and workers that check signatures."""
    with pytest.MonkeyPatch.context() as environment:
        yield Laptop(two_apis[0].removesuffix("/api"), tmp_path, environment)
    get_settings.cache_clear()


async def follow_up(laptop: Laptop, plan_id: str) -> None:
    """Report and follow up an execution that was declared ten minutes before its start."""
    report = await laptop.read("report", plan_id)
    assert report["Rto"]["MeasuredFrom"] == "DECLARED_AT_START"
    assert report["StartTime"] - report["Rto"]["Since"] >= 600
    await laptop.do("declare", plan_id, "--at", "-1h", "--reason", "call 4711")
    item = ("--text", "Test it", "--owner", "ops", "--due", "2099-12-31")
    with responses_lost_once():
        await laptop.do("action-item", "add", plan_id, *item)
    report = await laptop.read("report", plan_id)
    assert [each["Actor"] for each in report["Rto"]["Declarations"]] == ["ops"]
    assert [each["AddedBy"] for each in report["ActionItems"]] == ["ops"]
    assert [each["Number"] for each in await laptop.read("action-item", "list")] == [1]
    await laptop.do("action-item", "close", plan_id, "1", "--note", "tested")
    assert "No action item is open." in (await laptop.do("action-item", "list")).stdout
    [row] = (await laptop.read("report", "--plan", plan_id))["Executions"]
    assert row["ExecutionId"] == report["ExecutionId"]
    file = laptop.folder / "report.html"
    await laptop.do("report", plan_id, "--output", str(file))
    assert "call 4711" in file.read_text()


async def test_a_drill_from_a_laptop_with_the_address_of_the_api_alone(
    laptop: Laptop, env_without_worker: E2eEnvironment
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database", approval_required=True), env.wave("Web", "Database"))
    plan_id, file = plan.plan_id, laptop.file(plan)

    refused = await laptop.do("status", code=2)
    assert "a bearer token is needed. Sign in again: `drs-waves login`" in refused.stderr
    await laptop.do("login", "--token", input="a-wrong-token-of-nobody\n", code=2)
    signed_in = await laptop.do("login", "--token", input=f"{token_of('ops')}\n")
    assert "ops at http://127.0.0.1" in signed_in.stdout
    assert token_of("ops") not in signed_in.output
    assert (await laptop.read("whoami"))["Roles"] == ["viewer", "operator"]

    assert "is ready" in (await laptop.do("run", file, "--dry-run")).stdout
    assert (await laptop.read("register", file))[0]["IsNew"]
    with responses_lost_once():
        started = await laptop.read("run", file, "--no-watch", "--declared", "-10m")
    state = await env.until(plan, lambda s: s.waves[0].waiting_for)
    assert started["ExecutionId"] == state.execution_id
    with responses_lost_once() as lost:
        await laptop.do("pause", plan_id, "--reason", "a look first")
    assert lost == [f"/api/executions/{state.execution_id}/pause"]
    paused = await laptop.do("pause", plan_id, code=2)
    assert "pause was rejected: the execution is already paused" in paused.stderr
    await laptop.do("resume", state.execution_id)
    assert (
        "lacks the role approver"
        in (await laptop.do("approve-wave", plan_id, "Database", code=2)).stderr
    )
    [row] = await laptop.read("status")
    assert row["ExecutionId"] == state.execution_id
    assert "Waiting for Database" in (await laptop.do("status", plan_id)).stdout
    again = await laptop.do("run", file, "--no-watch", code=2)
    assert "is already running" in again.stderr
    [asked] = (await laptop.read("decisions"))["Decisions"]
    assert (asked["ExecutionId"], asked["WaveId"]) == (state.execution_id, "database")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DRS_WAVES_API_TOKEN", token_of("ann"))
        approved = await laptop.do("approve-wave", plan_id, "Database")
    assert "approved, 1 server can launch now" in approved.stdout
    assert "COMPLETED" in (await laptop.do("watch", plan_id)).stdout
    assert launches_of(env, plan) == 2

    continued = await laptop.do("run", "--from", state.execution_id, "--dry-run")
    assert f"Continues {state.execution_id}" in continued.output
    recorded = await laptop.read("history", plan_id)
    assert {m["ActorVerified"] for m in recorded["Messages"]} == {True}
    assert [m["Actor"] for m in recorded["Messages"]] == ["ops", "ops", "ops", "ann"]
    sent = await laptop.do("notify", "sent", plan_id)
    assert f"No message about {state.execution_id} was sent." in sent.stdout
    assert "has ended" in (await laptop.do("pause", plan_id, code=2)).stderr
    assert [each["PlanId"] for each in await laptop.read("plans")] == [plan_id]
    assert [each["Status"] for each in await laptop.read("executions")] == ["COMPLETED"]
    cleaned = await laptop.do("cleanup", plan_id, "--watch")
    assert "2 recovery instances are terminated" in cleaned.stdout
    await follow_up(laptop, plan_id)

    needs_temporal = await laptop.do("history", "verify", "--all", code=2)
    assert needs_temporal.stderr == (
        "error: history verify needs Temporal itself; unset DRS_WAVES_API_URL\n"
    )
    direct = await laptop.do(
        "pause", plan_id, "--break-glass", "the API is lost",
        "--key", str(laptop.folder / "offline.pem"), code=5,
    )  # fmt: skip
    assert "--break-glass goes directly to Temporal 127.0.0.1:9" in direct.stderr
    await laptop.do("logout")
    await laptop.do("whoami", code=2)
