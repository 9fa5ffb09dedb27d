"""The history: complete whatever becomes of DynamoDB, and compared with Temporal by a command."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from temporalio.client import WorkflowHandle

from client.executions import list_runs
from client.start import replace_drill, start_execution
from contract.identifiers import history_workflow_id, plan_workflow_id
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import RECOVERY, REGION, SPEED, House, wave_of

STARTER = Path(__file__).parents[2] / "starter.py"


@pytest.fixture
def without_dynamodb(house: House) -> Iterator[None]:
    """A DynamoDB that takes nothing until the faults are cleared."""
    house.aws.apply(
        Faults=[{"Service": "dynamodb", "Operation": "PutItem", "Error": "ThrottlingException"}]
    )
    yield
    house.aws.clear_faults()


def plan_of(house: House, plan: RecoveryPlan) -> WorkflowHandle[Any, Any]:
    return house.client.get_workflow_handle(plan_workflow_id(plan.plan_id))


def repair_of(house: House, execution_id: str) -> WorkflowHandle[Any, Any]:
    return house.client.get_workflow_handle(history_workflow_id(execution_id))


async def history_command(*words: str, code: int = 0) -> str:
    """What `drs-waves history` prints to standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, STARTER, "history", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == code, output.decode() + errors.decode()
    return output.decode()


def spoil(house: House, execution_id: str, item: str, **attributes: Any) -> None:
    """Delete an item of the history, or set attributes of it."""
    table = boto3.resource("dynamodb", region_name=REGION).Table(house.table.name)
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


@pytest.mark.usefixtures("without_dynamodb")
async def test_a_dynamodb_that_is_away_throughout_delays_only_the_record_and_loses_nothing(
    house: House,
) -> None:
    plan = house.plan(house.wave("Database"), house.wave("App", "Database"))
    first = await start_execution(house.client, plan)
    run = await plan_of(house, plan).describe()
    await plan_of(house, plan).result()
    assert await house.table.execution(first) is None
    for wave in plan.waves:
        assert len(house.aws.accepted_launches(wave.server_ids[0])) == 1
    second = await start_execution(house.client, plan)
    house.aws.clear_faults()
    await repair_of(house, first).result()
    assert await house.differences(plan, first, run.run_id) == []
    state = await house.recorded(first)
    assert state.status is PlanStatus.COMPLETED
    assert [wave.status for wave in state.waves] == [WaveStatus.COMPLETED] * 2
    assert all(s.recovery_instance_id for wave in state.waves for s in wave.servers)
    assert (await house.end(plan, second)).status is PlanStatus.COMPLETED


@pytest.mark.usefixtures("without_dynamodb")
async def test_a_drill_that_a_recovery_replaces_while_dynamodb_is_away_is_recorded_too(
    house: House,
) -> None:
    plan = house.plan(house.wave("Database"))
    drill = await start_execution(house.client, plan)
    run = await plan_of(house, plan).describe()
    await house.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    assert await replace_drill(house.client, plan.plan_id)
    recovery = await start_execution(
        house.client, plan, execution_type=RECOVERY, confirmation=plan.plan_id
    )
    house.aws.clear_faults()
    await repair_of(house, drill).result()
    await house.eventually(lambda: house.agrees(plan, drill, run.run_id))
    drilled = await house.recorded(drill)
    assert drilled.status is PlanStatus.CANCELLED
    assert wave_of(drilled, "Database").servers[0].recovery_job_id
    assert (await house.end(plan, recovery)).status is PlanStatus.COMPLETED


async def test_verify_finds_and_repairs_what_was_deleted_altered_or_is_old(house: House) -> None:
    plan = house.plan(house.wave("Database"), house.wave("App", "Database"), house.wave("Other"))
    before = await house.run(plan)
    execution_id = before.execution_id
    command = ("verify", execution_id)
    told = await history_command(*command)
    assert told == f"{execution_id}: the history agrees with Temporal.\n"
    spoil(house, execution_id, "WAVE#database")
    spoil(house, execution_id, "WAVE#app", Status="FAILED")
    spoil(house, execution_id, "EXECUTION", Status="IN_PROGRESS", Revision=5)
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
    after = await house.recorded(execution_id)
    # Whether the plan or the wave wrote it first says nothing.
    notes = {"waves": {"__all__": {"handed_over"}}}
    assert after.model_dump(exclude=notes) == before.model_dump(exclude=notes)
    assert f"COMPLETED\n  {before.status_reason}" in await history_command(execution_id)


async def test_verify_says_when_only_dynamodb_has_an_execution_and_refuses_an_unknown_one(
    house: House,
) -> None:
    state = await house.run(house.plan(house.wave("Database")))
    forgotten = state.model_copy(update={"execution_id": f"{state.plan_id}-forgotten"})
    table = boto3.resource("dynamodb", region_name=REGION).Table(house.table.name)
    for item in table.scan()["Items"]:
        if item["ExecutionId"] == state.execution_id:
            table.put_item(Item=item | {"ExecutionId": forgotten.execution_id})
    assert "only DynamoDB has it" in await history_command("verify", forgotten.execution_id)
    await history_command("verify", "nowhere", code=2)
    await history_command("verify", "' OR 'x' = 'x", code=2)


async def test_verify_beside_a_running_execution_changes_nothing_for_it(house: House) -> None:
    slow = house.aws.servers(1, LaunchSeconds=12 * SPEED)
    plan = house.plan(house.wave("Database"), house.wave("App", "Database", servers=slow))
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: wave_of(s, "App").status is WaveStatus.IN_PROGRESS)
    run_id = (await plan_of(house, plan).describe()).run_id

    async def is_listed() -> bool:
        return bool(await list_runs(house.client, execution_id))

    await house.eventually(is_listed)
    await history_command("verify", execution_id)
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED
    assert await house.differences(plan, execution_id, run_id) == []


async def test_verify_of_everything_takes_an_execution_after_the_other(house: House) -> None:
    ids = [(await house.run(house.plan(house.wave("Database")))).execution_id for _ in range(2)]
    spoil(house, ids[1], "WAVE#database")

    async def are_listed() -> bool:
        return {run.execution_id for run in await list_runs(house.client)} >= set(ids)

    await house.eventually(are_listed)
    told = json.loads(await history_command("verify", "--all", "--json"))
    of_ours = {each["ExecutionId"]: each for each in told if each["ExecutionId"] in ids}
    assert [len(of_ours[i]["Differences"]) for i in ids] == [0, 1]
    assert all(each["Agrees"] for each in of_ours.values())
