"""What keeps executions from launching is seen without a worker."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.launch import launcher_problem
from client.errors import NoWorkerError
from client.health import LaunchHealth, launch_problems
from client.workers import answered_by_worker, has_worker
from contract.identifiers import launcher_workflow_id
from contract.launch import LauncherInput
from contract.temporal import TASK_QUEUE
from sandbox.stack import Stack
from tests.shared_servers import own_namespace
from workflows.launcher.workflow import LauncherWorkflow
from workflows.reads import PingWorkflow

LAUNCHER = launcher_workflow_id("123456789012", "us-west-2")


@pytest.fixture
async def client(shared_servers: Stack, shared_temporal: Client) -> Client:
    return await Client.connect(
        shared_servers.env["TEMPORAL_ADDRESS"],
        namespace=await own_namespace(shared_temporal),
        data_converter=pydantic_data_converter,
    )


@pytest.fixture
async def worker(client: Client) -> AsyncIterator[None]:
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[LauncherWorkflow, PingWorkflow]):
        yield


async def start_launcher(client: Client) -> None:
    await client.start_workflow(
        LauncherWorkflow.run,
        LauncherInput(account_id="123456789012", region="us-west-2"),
        id=LAUNCHER,
        task_queue=TASK_QUEUE,
    )


async def eventually(client: Client, *parts: str) -> None:
    """Await problems, one for each text that is part of it; visibility lags behind."""
    async with asyncio.timeout(60):
        while True:
            problems = await launch_problems(client)
            if len(problems) == len(parts) and all(
                part in problem for part, problem in zip(parts, problems, strict=True)
            ):
                return
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("worker")
async def test_a_launcher_that_proceeds_is_no_problem(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_problem, "_STUCK_SECONDS", 0.0)
    await start_launcher(client)
    await eventually(client)


@pytest.mark.usefixtures("worker")
async def test_a_launcher_that_is_terminated_is_a_problem_until_it_runs_again(
    client: Client,
) -> None:
    await start_launcher(client)
    await client.get_workflow_handle(LAUNCHER).terminate()
    await eventually(client, f"the launcher {LAUNCHER} is TERMINATED")
    await start_launcher(client)
    await eventually(client)


async def test_without_a_worker_both_the_worker_and_the_launcher_are_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_problem, "_STUCK_SECONDS", 0.0)
    await start_launcher(client)
    await eventually(
        client, "No worker answers", f"no worker has taken the task of the launcher {LAUNCHER}"
    )


async def test_a_launcher_whose_tasks_fail_is_a_problem(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_problem, "_STUCK_SECONDS", 0.0)
    # Input that cannot be decoded.
    await client.start_workflow("LauncherWorkflow", "nonsense", id=LAUNCHER, task_queue=TASK_QUEUE)
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[LauncherWorkflow, PingWorkflow]):
        await eventually(client, f"the launcher {LAUNCHER} has failed for")


async def test_the_problems_are_read_once_for_all_callers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = LaunchHealth()
    (idle,) = await health.problems(client)
    monkeypatch.setattr("client.health.read_launch_problems", None)
    assert await health.problems(client) == [idle]


async def test_a_worker_that_has_ended_is_not_up_although_temporal_still_lists_it(
    client: Client,
) -> None:
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[PingWorkflow]):
        assert await has_worker(client)
    assert not await has_worker(client)
    with pytest.raises(NoWorkerError, match="Start one with `drs-waves worker`"):
        await answered_by_worker(client, asyncio.sleep(60))


async def test_a_late_answer_counts_although_no_worker_answers_the_ping(client: Client) -> None:
    assert await answered_by_worker(client, asyncio.sleep(2, "late")) == "late"
