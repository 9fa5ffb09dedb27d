"""With encryption on, Temporal has no content in clear, and a lost key launches nothing."""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from bench.browser import chromium_path, running_browser, window
from client.connection import connect_to_temporal
from client.start import start_execution
from contract.identifiers import plan_workflow_id, wave_workflow_id
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.plan.model import RecoveryPlan
from sandbox.stack import program
from security.encryption import EncryptionKeys
from settings import get_settings
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.worker_processes import start_worker
from tests.static_tokens import token_of, token_settings


@pytest.fixture
async def key_file(
    env_without_worker: E2eEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file of the keys that everything started from here on uses."""
    env, path = env_without_worker, tmp_path / "keys.json"
    EncryptionKeys(keys=[]).with_new_key().write(path)
    monkeypatch.setenv("DRS_WAVES_ENCRYPTION_KEYS", str(path))
    get_settings.cache_clear()
    variables = {**env.stack.variables, "DRS_WAVES_ENCRYPTION_KEYS": str(path)}
    env.stack = replace(env.stack, variables=variables)
    env.client = await connect_to_temporal()
    return path


async def raw_history(env: E2eEnvironment, workflow_id: str) -> bytes:
    """A workflow's history as Temporal has it."""
    history = await env.client.get_workflow_handle(workflow_id).fetch_history()
    return b"".join(event.SerializeToString() for event in history.events)


async def test_a_drill_goes_on_once_a_lost_key_is_back_and_its_history_is_unreadable(
    env_without_worker: E2eEnvironment, key_file: Path
) -> None:
    env = env_without_worker
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database"), plan_name="Very secret")
    (server,) = (each.source_server_id for each in plan.waves[0].servers)
    execution_id = await start_execution(env.client, plan)
    first = EncryptionKeys.read(key_file)
    other = EncryptionKeys(keys=[]).with_new_key()
    other.write(key_file)
    await start_worker(env, "one")
    plan_id = plan_workflow_id(plan.plan_id)

    async def says_which_key() -> bool:
        log = (env.stack.folder / "one.log").read_text()
        return f"is encrypted with key {first.current}" in log

    await env.eventually(says_which_key)
    assert not env.aws.accepted_launches(server)
    # What the old key encrypted is read, and the other key encrypts.
    EncryptionKeys(current=other.current, keys=[*first.keys, *other.keys]).write(key_file)
    state: ExecutionState = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(server)) == 1
    wave_id = wave_workflow_id(execution_id, "database", 1)
    for workflow_id in (plan_id, wave_id):
        raw = await raw_history(env, workflow_id)
        for secret in (server, "Very secret", "SourceServerId"):
            assert secret.encode() not in raw, (workflow_id, secret)
        assert (other.current or "").encode() in raw


@pytest.fixture
async def served_plan(
    env_without_worker: E2eEnvironment, key_file: Path
) -> AsyncIterator[RecoveryPlan]:
    """The plan of an encrypted execution, and a server with the codec endpoint."""
    env = env_without_worker
    plan = env.plan(env.wave("Database"), plan_name="Very secret")
    await start_execution(env.client, plan)
    tokens = json.dumps(token_settings(vic=["viewer"]))
    alive = env.stack.folder / "alive"
    await asyncio.to_thread(
        env.stack.start_server,
        {"DRS_WAVES_API_TOKENS": tokens, "DRS_WAVES_ALIVE_FILE": str(alive)},
    )
    assert alive.exists()
    yield plan
    await asyncio.to_thread(env.stack.stop_part, "server")


async def test_the_temporal_command_shows_content_to_a_caller_of_the_api_only(
    env_without_worker: E2eEnvironment, served_plan: RecoveryPlan
) -> None:
    stack = env_without_worker.stack

    async def shown(*options: str) -> str:
        words = ["workflow", "show", "-w", plan_workflow_id(served_plan.plan_id), "-o", "json"]
        run = await asyncio.to_thread(
            subprocess.run,
            [program("temporal"), "--command-timeout", "20s", *words, *options],
            env={**os.environ, **stack.env},
            capture_output=True,
            check=True,
        )
        (payload,) = json.loads(run.stdout)["events"][0]["workflowExecutionStartedEventAttributes"][
            "input"
        ]["payloads"]
        return base64.b64decode(payload["data"]).decode(errors="replace")

    assert "Very secret" not in await shown()
    codec = ["--codec-endpoint", f"{stack.pages_url}/api/codec"]
    content = await shown(*codec, "--codec-auth", f"Bearer {token_of('vic')}")
    assert json.loads(content)["Plan"]["PlanName"] == "Very secret"
    with pytest.raises(subprocess.CalledProcessError):
        await shown("--command-timeout", "2s", *codec, "--codec-auth", "Bearer of-nobody")


@pytest.mark.slow
@pytest.mark.skipif(chromium_path() is None, reason="Chromium is not installed")
async def test_temporals_web_ui_shows_content_to_who_has_signed_in_to_the_pages(
    env_without_worker: E2eEnvironment, served_plan: RecoveryPlan
) -> None:
    stack = env_without_worker.stack
    # The Web UI shows nothing of a running workflow until a worker has answered a query.
    await start_worker(env_without_worker, "one")
    workflow_id = quote(plan_workflow_id(served_plan.plan_id), safe="")
    handle = env_without_worker.client.get_workflow_handle(plan_workflow_id(served_plan.plan_id))
    place = f"{workflow_id}/{(await handle.describe()).run_id}"
    address = f"{stack.ui_url}/namespaces/{stack.env['TEMPORAL_NAMESPACE']}/workflows/{place}"
    # What the form of the Web UI for its codec server stores.
    chosen = {
        "endpoint": json.dumps(f"{stack.pages_url}/api/codec"),
        "overrideRemoteCodecConfiguration": "true",
        "includeCredentials": "true",
    }
    async with running_browser() as browser, window(browser) as context:
        page = await context.new_page()
        await page.add_init_script(
            f"for (const [k, v] of Object.entries({json.dumps(chosen)})) localStorage.setItem(k, v)"
        )
        async with page.expect_response(lambda each: "/api/codec/" in each.url) as refused:
            await page.goto(f"{address}/history")
        assert (await refused.value).status == 401
        await page.goto(f"{stack.pages_url}/sign-in")
        await page.fill("input[type=password]", token_of("vic"))
        async with page.expect_navigation():
            await page.click("button[type=submit]")
        await page.goto(f"{address}/history")
        await page.get_by_text("Very secret").first.wait_for()
