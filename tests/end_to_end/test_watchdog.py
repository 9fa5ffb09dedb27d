"""The watchdog reports what keeps executions from running, by real messages to receivers."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from temporalio.client import Client, WorkflowHandle
from temporalio.common import TypedSearchAttributes
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from activities.history import HistoryActivities
from api.app import create_app
from cli.app import app
from client.watchdog.observer import Observer
from client.watchdog.watchdog import configured_watchdog
from contract.execution import ExecutionRun
from contract.identifiers import NOTIFIER_WORKFLOW_ID, plan_workflow_id, search_attributes
from contract.notify import NotifierInput
from contract.temporal import HISTORY_TASK_QUEUE, TASK_QUEUE
from recovery.notify.watchdog import conditions
from recovery.notify.watchdog.conditions import ConditionKind, conditions_of
from sandbox.stack import free_port
from settings import get_settings
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers
from workflows.history_repair import HistoryRepairWorkflow
from workflows.notifier import NotifierWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.reads import PingWorkflow


class PingReceiver(HTTPServer):
    """Counts the pings of a watchdog."""

    pings = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PingHandler)

    @property
    def url(self) -> str:
        """Where to ping."""
        return f"http://127.0.0.1:{self.server_port}/ping"


class PingHandler(BaseHTTPRequestHandler):
    """Answers a ping."""

    def do_GET(self) -> None:
        """Count it."""
        assert isinstance(self.server, PingReceiver)
        self.server.pings += 1
        self.send_response(200)
        self.end_headers()


@pytest.fixture
def pinged(monkeypatch: pytest.MonkeyPatch, environment_variables: None) -> Iterator[PingReceiver]:
    """A monitor of the watchdog."""
    with PingReceiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        set_variables(monkeypatch, DRS_WAVES_WATCHDOG_PING_URL=server.url)
        yield server
        server.shutdown()


@pytest.fixture
def channels(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pager and a web hook, which are receivers of the test's account."""
    url = f"{env_without_worker.stack.receivers_url}/{env_without_worker.aws.account_id}"
    pager = {"RoutingKey": {"Env": "CHANNEL_KEY"}, "Endpoint": f"{url}/pager-duty/v2/enqueue"}
    hook = {"Url": f"{url}/web-hook", "Secret": {"Env": "CHANNEL_KEY"}}
    listed = [{"Name": "pager", "PagerDuty": pager}, {"Name": "hook", "WebHook": hook}]
    file = tmp_path / "notify.yaml"
    file.write_text(json.dumps({"Channels": listed}))
    set_variables(monkeypatch, DRS_WAVES_NOTIFY_FILE=str(file), CHANNEL_KEY="key")


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set environment variables, as for another process."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()


@asynccontextmanager
async def watching() -> AsyncIterator[None]:
    """Run the watchdog inside the block."""
    task = asyncio.create_task(configured_watchdog(get_settings(), every=0.3).run())
    yield
    task.cancel()


async def received(env: E2eEnvironment, receiver: str, *parts: str) -> list[dict[str, Any]]:
    """Await messages: of each text, one whose title or text has it, in order."""
    async with asyncio.timeout(60):
        while True:
            found = await asyncio.to_thread(env.aws.messages, receiver)
            texts = iter(f"{each['Title']} {each['Text']}" for each in found)
            if all(any(part in text for text in texts) for part in parts):
                return found
            await asyncio.sleep(0.1)


async def once(*options: str) -> Result:
    """Run `drs-waves watchdog --once`."""
    arguments = ["watchdog", "--once", *options]
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_a_missing_worker_is_reported_although_a_channel_hangs_and_then_resolved(
    env_without_worker: E2eEnvironment, channels: None
) -> None:
    env = env_without_worker
    hang = {"Service": "receiver", "Operation": "web-hook", "Effect": "hang"}
    env.aws.apply(Faults=[hang])
    async with watching():
        (paged,) = await received(env, "pager-duty", "No worker answers on task queue")
        assert paged["Incident"].endswith("triggered")
        assert "Start one with `drs-waves worker`" in paged["Text"]
        assert paged["Content"]["payload"]["severity"] == "critical"
        async with RunningWorkers(env):
            found = await received(env, "pager-duty", "No worker answers", "resolve watchdog/")
            number = paged["Incident"].split()[0]
            assert f"{number} resolved" in [each["Incident"] for each in found]
            well = await once()
    assert (well.exit_code, "Nothing is wrong" in well.stdout) == (0, True)


async def test_without_temporal_and_a_table_both_are_reported_and_the_exit_code_says_so(
    env_without_worker: E2eEnvironment,
    channels: None,
    pinged: PingReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = env_without_worker
    address = f"127.0.0.1:{free_port()}"
    set_variables(monkeypatch, TEMPORAL_ADDRESS=address, DRS_WAVES_PLAN_TABLE="no-such-table")
    monkeypatch.setattr("client.watchdog.watchdog._CONFIRM_SECONDS", 0.1)
    async with watching():
        await received(env, "web-hook", f"Temporal at {address} cannot be reached")
        await received(env, "web-hook", "no-such-table")
        assert pinged.pings > 0, "the watchdog itself runs"
    printed = await once("--json")
    assert printed.exit_code == 1
    assert [each["Kind"] for each in json.loads(printed.stdout)] == ["temporal", "tables"]


async def test_the_pings_end_while_nobody_learns_of_what_is_wrong(
    env_without_worker: E2eEnvironment,
    channels: None,
    pinged: PingReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_variables(monkeypatch, TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    refuse = {"Service": "receiver", "Operation": "*", "Effect": "gateway-before", "Status": 503}
    env_without_worker.aws.apply(Faults=[refuse])
    async with watching(), asyncio.timeout(60):
        before = 0
        while not pinged.pings or before != pinged.pings:
            before = pinged.pings
            await asyncio.sleep(1.5)
        env_without_worker.aws.clear_faults()
        while before == pinged.pings:
            await asyncio.sleep(0.1)


async def test_what_does_not_proceed_although_a_worker_runs_is_named(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_TASK_FAILS_SECONDS", 0.0)
    monkeypatch.setattr(conditions, "_MANY_ATTEMPTS", 2)
    client, activities = env_without_worker.client, HistoryActivities(env_without_worker.table)
    workflows = [PingWorkflow, NotifierWorkflow, RecoveryPlanWorkflow, HistoryRepairWorkflow]
    watched = Observer(get_settings())

    async def reasons() -> dict[ConditionKind, str]:
        return {each.kind: each.reason for each in conditions_of(await watched.observe())}

    async def are_stuck() -> bool:
        text = (await reasons()).get(ConditionKind.EXECUTIONS, "")
        is_failing = "crm-0f3b52a1c7d9 makes no progress: its workflow task has failed" in text
        return is_failing and "drs-history/erp makes no progress: activity repair_history" in text

    async with (
        Worker(client, task_queue=TASK_QUEUE, workflows=workflows),
        Worker(client, task_queue=HISTORY_TASK_QUEUE, activities=[activities.repair_history]),
    ):
        run = ExecutionRun(execution_id="erp-0f3b52a1c7d9", workflow_id="drs-plan/erp", run_id="x")
        await start(client, "HistoryRepairWorkflow", run, "drs-history/erp")
        # Input that cannot be decoded.
        known = search_attributes("crm", "crm-0f3b52a1c7d9")
        await start(client, "RecoveryPlanWorkflow", "nonsense", plan_workflow_id("crm"), known)
        notifier = await start(client, "NotifierWorkflow", NotifierInput(), NOTIFIER_WORKFLOW_ID)
        await env_without_worker.eventually(are_stuck)
        assert (await watched.observe()).notifier is not None
        found = await reasons()
        assert ConditionKind.NOTIFIER not in found
        assert "No worker polls task queue drs-waves-watch" in found[ConditionKind.QUEUES]
        assert HISTORY_TASK_QUEUE not in found[ConditionKind.QUEUES]
        await notifier.terminate()
        assert "The notifier is TERMINATED" in (await reasons())[ConditionKind.NOTIFIER]


async def start(
    client: Client,
    workflow: str,
    argument: object,
    workflow_id: str,
    known: TypedSearchAttributes = TypedSearchAttributes.empty,
) -> WorkflowHandle[Any, Any]:
    """Start a workflow."""
    return await client.start_workflow(
        workflow, argument, id=workflow_id, task_queue=TASK_QUEUE, search_attributes=known
    )


async def test_serve_is_a_watchdog_too_if_the_setting_says_so(
    env_without_worker: E2eEnvironment, pinged: PingReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{free_port()}"
    set_variables(monkeypatch, DRS_WAVES_WATCHDOG="true", TEMPORAL_ADDRESS=address)

    def serve() -> None:
        with TestClient(create_app(get_settings())):
            while not pinged.pings:
                threading.Event().wait(0.05)

    async with asyncio.timeout(60):
        await asyncio.to_thread(serve)
