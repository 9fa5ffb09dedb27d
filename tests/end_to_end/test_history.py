"""The history: complete whatever becomes of DynamoDB, and compared with Temporal by a command."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from temporalio.client import WorkflowHandle
from typer.testing import CliRunner

from cli.app import app
from client.executions import list_runs
from client.start import replace_drill, start_execution
from contract.identifiers import history_workflow_id, plan_workflow_id
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.cli.json_outputs import check_result
from tests.end_to_end.conftest import RECOVERY, REGION, SPEED, E2eEnvironment, wave_of


@pytest.fixture
def without_dynamodb(env: E2eEnvironment) -> Iterator[None]:
    """A DynamoDB that takes nothing until the faults are cleared."""
    env.aws.apply(
        Faults=[{"Service": "dynamodb", "Operation": "PutItem", "Error": "ThrottlingException"}]
    )
    yield
    env.aws.clear_faults()


def plan_of(env: E2eEnvironment, plan: RecoveryPlan) -> WorkflowHandle[Any, Any]:
    return env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))


def repair_of(env: E2eEnvironment, execution_id: str) -> WorkflowHandle[Any, Any]:
    return env.client.get_workflow_handle(history_workflow_id(execution_id))


async def history_command(*words: str, code: int = 0) -> str:
    """What `drs-waves history` prints to standard output."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["history", *words])
    assert result.exit_code == code, result.output
    check_result(["history", *words], result.stdout)
    return result.stdout


def spoil(env: E2eEnvironment, execution_id: str, item: str, **attributes: Any) -> None:
    """Delete an item of the history, or set attributes of it."""
    table = boto3.resource("dynamodb", region_name=REGION).Table(env.table.name)
    key = {"ExecutionId": execution_id, "Item": item}
    if not attributes:
        table.delete_item(Key=key)
        return
    table.update_item(
        Key=key,
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
        ExpressionAttributeNames={f"#{name}": name for name in attributes},
        ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
    )


@pytest.mark.slow
@pytest.mark.usefixtures("without_dynamodb")
async def test_an_unavailable_dynamodb_delays_only_the_record_and_loses_nothing(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"))
    first = await start_execution(env.client, plan)
    run = await plan_of(env, plan).describe()
    await plan_of(env, plan).result()
    assert await env.table.execution(first) is None
    for wave in plan.waves:
        assert len(env.aws.accepted_launches(wave.server_ids[0])) == 1
    second = await start_execution(env.client, plan)
    env.aws.clear_faults()
    await repair_of(env, first).result()
    assert await env.differences(plan, first, run.run_id) == []
    state = await env.recorded(first)
    assert state.status is PlanStatus.COMPLETED
    assert [wave.status for wave in state.waves] == [WaveStatus.COMPLETED] * 2
    assert all(s.recovery_instance_id for wave in state.waves for s in wave.servers)
    assert (await env.end(plan, second)).status is PlanStatus.COMPLETED


@pytest.mark.usefixtures("without_dynamodb")
async def test_a_drill_that_a_recovery_replaces_while_dynamodb_is_unavailable_is_recorded(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"))
    drill = await start_execution(env.client, plan)
    run = await plan_of(env, plan).describe()
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    assert await replace_drill(env.client, plan.plan_id)
    recovery = await start_execution(
        env.client, plan, execution_type=RECOVERY, confirmation=plan.plan_id
    )
    env.aws.clear_faults()
    await repair_of(env, drill).result()
    await env.eventually(lambda: env.agrees(plan, drill, run.run_id))
    drilled = await env.recorded(drill)
    assert drilled.status is PlanStatus.CANCELLED
    assert wave_of(drilled, "Database").servers[0].recovery_job_id
    assert (await env.end(plan, recovery)).status is PlanStatus.COMPLETED


async def test_verify_finds_and_repairs_what_was_deleted_altered_or_is_old(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("App", "Database"), env.wave("Other"))
    before = await env.run(plan)
    execution_id = before.execution_id
    command = ("verify", execution_id)
    output = await history_command(*command)
    assert output == f"{execution_id}: the history agrees with Temporal.\n"
    spoil(env, execution_id, "WAVE#database")
    spoil(env, execution_id, "WAVE#app", Status="FAILED")
    spoil(env, execution_id, "EXECUTION", Status="IN_PROGRESS", Revision=5)
    compared = json.loads(await history_command(*command, "--no-repair", "--json", code=1))
    assert not compared["Agrees"]
    assert [(each["Item"], each["Kind"]) for each in compared["Differences"]] == [
        ("EXECUTION", "OUTDATED"),
        ("WAVE#database", "MISSING"),
        ("WAVE#app", "ALTERED"),
    ]
    shown = await history_command(*command)
    assert shown.count("repaired") == 3
    assert "Status COMPLETED" in shown
    assert "Status FAILED" in shown
    assert "agrees with Temporal" in await history_command(*command)
    after = await env.recorded(execution_id)
    # Whether the plan or the wave wrote it first says nothing.
    notes = {"waves": {"__all__": {"has_workflow"}}}
    assert after.model_dump(exclude=notes) == before.model_dump(exclude=notes)
    assert f"COMPLETED\n  {before.status_reason}" in await history_command(execution_id)


@pytest.mark.slow
async def test_verify_says_when_only_dynamodb_has_an_execution_and_refuses_an_unknown_one(
    env: E2eEnvironment,
) -> None:
    state = await env.run(env.plan(env.wave("Database")))
    forgotten = state.model_copy(update={"execution_id": f"{state.plan_id}-0123456789ab"})
    table = boto3.resource("dynamodb", region_name=REGION).Table(env.table.name)
    for item in table.scan()["Items"]:
        if item["ExecutionId"] == state.execution_id:
            table.put_item(Item=item | {"ExecutionId": forgotten.execution_id})
    assert "only DynamoDB has it" in await history_command("verify", forgotten.execution_id)
    await history_command("verify", "nowhere", code=2)
    await history_command("verify", "' OR 'x' = 'x", code=2)


@pytest.mark.slow
async def test_verify_beside_a_running_execution_changes_nothing_for_it(
    env: E2eEnvironment,
) -> None:
    slow = env.aws.servers(1, LaunchSeconds=12 * SPEED)
    plan = env.plan(env.wave("Database"), env.wave("App", "Database", servers=slow))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "App").status is WaveStatus.IN_PROGRESS)
    run_id = (await plan_of(env, plan).describe()).run_id

    async def is_listed() -> bool:
        return bool(await list_runs(env.client, execution_id))

    await env.eventually(is_listed)
    await history_command("verify", execution_id)
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert await env.differences(plan, execution_id, run_id) == []


@pytest.mark.slow
async def test_verify_of_everything_handles_one_execution_at_a_time(env: E2eEnvironment) -> None:
    ids = [(await env.run(env.plan(env.wave("Database")))).execution_id for _ in range(2)]
    spoil(env, ids[1], "WAVE#database")

    async def are_listed() -> bool:
        return {run.execution_id for run in await list_runs(env.client)} >= set(ids)

    await env.eventually(are_listed)
    output = json.loads(await history_command("verify", "--all", "--json"))
    of_ours = {each["ExecutionId"]: each for each in output if each["ExecutionId"] in ids}
    assert [len(of_ours[i]["Differences"]) for i in ids] == [0, 1]
    assert all(each["Agrees"] for each in of_ours.values())
