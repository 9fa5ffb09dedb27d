"""Launch results over SQS: a hint for a worker, whatever becomes of it."""

import pytest

from client.start import start_execution
from sandbox.launch_event_queue import make_launch_event_queues
from tests.end_to_end.conftest import REGION, E2eEnvironment
from tests.end_to_end.worker_processes import assert_launched_once, start_worker


async def drill(env: E2eEnvironment) -> dict[str, int]:
    """Run a drill of a worker that gets launch results; how its calls to SQS ended."""
    key = env.stack.variables["AWS_ACCESS_KEY_ID"]
    urls = make_launch_event_queues(env.stack.aws_url, [REGION], access_key=key)
    await start_worker(env, "one", variables={"DRS_WAVES_LAUNCH_EVENT_QUEUES": ",".join(urls)})
    plan = env.plan(env.wave("Database", servers=2), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    assert_launched_once(env, await env.end(plan, execution_id), [plan])
    deleted: dict[str, int] = env.aws.calls()["Calls"].get("sqs.DeleteMessageBatch", {})
    return deleted


async def test_a_drill_whose_launch_results_come_twice_and_late(
    env_without_worker: E2eEnvironment,
) -> None:
    env_without_worker.aws.apply(LaunchEvents={"Copies": 2, "LateSeconds": 0.5})
    assert (await drill(env_without_worker)).get("OK")


@pytest.mark.slow
async def test_a_drill_whose_launch_results_are_lost(env_without_worker: E2eEnvironment) -> None:
    env_without_worker.aws.apply(LaunchEvents={"LostRate": 1.0})
    assert not await drill(env_without_worker)
