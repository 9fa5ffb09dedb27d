"""No worker for an hour of AWS's clock, in the middle of an isolated drill's lease.

`make worker-away` runs it. The template stays switched for that hour; afterwards it is put right by
the one that comes first.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.app import app
from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.plan.model import RecoveryPlan
from settings import get_settings
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import RECOVERY as REAL
from tests.end_to_end.conftest import SPEED, E2eEnvironment
from tests.end_to_end.test_isolation import (
    DRILL_SUBNET,
    PRODUCTION_SUBNET,
    SLOW,
    assert_isolated,
    isolated,
    launches,
    restored,
    versions,
)
from tests.end_to_end.worker_processes import start_worker, stop_worker, wait_until_in_progress

pytestmark = pytest.mark.slow
HOUR = 3600.0 / SPEED


async def away_for_an_hour(env: E2eEnvironment) -> tuple[RecoveryPlan, str, str]:
    """A drill whose only worker died while its job ran, an hour ago; its server and execution."""
    (server_id,) = env.aws.servers(1, **SLOW)
    plan = isolated(env, env.wave("Database", servers=[server_id]))
    await start_worker(env, "one")
    execution_id = await start_execution(env.client, plan)
    await wait_until_in_progress(env, plan, "Database")
    await stop_worker(env, "one", signal.SIGKILL)
    await asyncio.sleep(HOUR)
    assert launches(env, server_id) == [(True, DRILL_SUBNET)]
    assert versions(server_id) == {1: False, 2: True}
    return plan, server_id, execution_id


async def test_the_next_worker_puts_it_right(env_without_worker: E2eEnvironment) -> None:
    env = env_without_worker
    plan, _, execution_id = await away_for_an_hour(env)
    await start_worker(env, "two")
    await restored(env, plan)
    assert_isolated(env, plan, await env.end(plan, execution_id))


async def test_a_recovery_puts_it_right_before_its_launch(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    plan, server_id, _ = await away_for_an_hour(env)
    # Nobody else restores it.
    async for lease in env.client.list_workflows("WorkflowType = 'LeaseWorkflow'"):
        await env.client.get_workflow_handle(lease.id).terminate()
    await start_worker(env, "two")
    recovery = isolated(env, env.wave("Database", servers=[server_id]))
    state = await env.run(recovery, execution_type=REAL, confirmation=recovery.plan_id)
    assert state.status is PlanStatus.COMPLETED
    assert launches(env, server_id) == [(True, DRILL_SUBNET), (False, PRODUCTION_SUBNET)]
    await restored(env, plan)


async def test_an_operator_with_aws_credentials_only_puts_it_right(
    env_without_worker: E2eEnvironment, tmp_path: Path
) -> None:
    env = env_without_worker
    plan, server_id, _ = await away_for_an_hour(env)
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(as_file(plan)))
    words = ["launch-settings", "restore", str(file), "--yes"]
    with pytest.MonkeyPatch.context() as environment:
        # Nothing listens on this port.
        environment.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
        environment.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        get_settings.cache_clear()
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
    get_settings.cache_clear()
    assert result.exit_code == 0, result.output
    assert "version 1 is the default" in result.stdout
    assert versions(server_id) == {1: True}
