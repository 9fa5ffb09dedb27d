"""With encryption on, Temporal has no content in clear, and a lost key launches nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from client.connection import connect_to_temporal
from client.start import start_execution
from contract.identifiers import plan_workflow_id, wave_workflow_id
from recovery.execution.state import ExecutionState, PlanStatus
from security.encryption import EncryptionKeys
from settings import get_settings
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.worker_processes import start_worker


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
