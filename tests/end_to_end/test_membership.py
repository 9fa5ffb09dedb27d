"""A plan names servers by tags: a worker looks them up, and what it finds is launched."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner, Result

from cli.app import app
from client.start import start_execution
from contract.identifiers import plan_workflow_id
from contract.schedules.kinds import ScheduleKind
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.plan.members import MembershipKind
from recovery.plan.model import RecoveryPlan, Wave
from settings import get_settings
from storage.plans import PlanTable
from tests.cli.json_outputs import check_result
from tests.end_to_end.api_server import as_file
from tests.end_to_end.conftest import REGION, E2eEnvironment
from tests.end_to_end.test_remote import Laptop, laptop, no_keyring
from tests.end_to_end.test_signed_requests import keys, strict, two_apis
from tests.static_tokens import token_of

__all__ = ["keys", "laptop", "no_keyring", "strict", "two_apis"]


async def do(*words: str, code: int = 0) -> Result:
    """Run a command; it must end with this code."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
    check_result(words, result.stdout)
    return result


def tagged(plan: RecoveryPlan, tier: str) -> dict[str, str]:
    """The tags of a wave, which no other test has."""
    return {"App": plan.plan_id, "Tier": tier}


def by_tags(env: E2eEnvironment) -> RecoveryPlan:
    """A plan of a wave by tags."""
    plan = env.plan()
    wave = Wave(wave_id="db", servers=[], region=REGION, servers_by_tag=tagged(plan, "db"))
    return plan.model_copy(update={"waves": [wave.model_copy(update={"timeout_seconds": 30000.0})]})


def file_of(plan: RecoveryPlan, folder: Path) -> str:
    path = folder / f"{plan.plan_id}.yaml"
    path.write_text(yaml.safe_dump(as_file(plan)))
    return str(path)


def launched(env: E2eEnvironment, servers: list[str]) -> list[int]:
    """How often AWS accepted a launch of each server."""
    return [len(env.aws.accepted_launches(each)) for each in servers]


def ids_of(state: ExecutionState) -> list[str]:
    return [server.source_server_id for wave in state.waves for server in wave.servers]


async def run(env: E2eEnvironment, plan: RecoveryPlan, *words: str) -> ExecutionState:
    result = await do("run", *words, "--no-watch", "--json")
    return await env.end(plan, json.loads(result.stdout)["ExecutionId"])


async def test_servers_by_tags_are_looked_up_frozen_and_launched(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    plan = by_tags(env)
    file = file_of(plan, tmp_path)
    other = env.aws.servers(1, Tags=tagged(plan, "web"))
    nothing = await do("run", file, "--no-watch", code=2)
    assert f"db: DRS has no source server with App={plan.plan_id}" in nothing.stderr
    servers = env.aws.servers(4, Tags=tagged(plan, "db"))
    state = await run(env, plan, file)
    assert state.status is PlanStatus.COMPLETED
    assert ids_of(state) == servers
    assert launched(env, [*servers, *other]) == [1, 1, 1, 1, 0]
    assert state.membership is not None
    assert state.membership.kind is MembershipKind.FOUND
    assert state.registered_hash == plan.plan_hash != state.plan_hash
    shown = (await do("history", state.execution_id)).stdout
    assert "servers by tags as DRS had them at" in shown

    # Tags that vanish unseen start no smaller drill.
    env.aws.apply(
        SourceServers=[{"SourceServerId": i, "Tags": {"Tier": "old"}} for i in servers[2:]]
    )
    refused = await do("run", file, "--no-watch", code=2)
    text = " ".join(refused.stderr.split())
    assert f"db has 2 servers with App={plan.plan_id}, Tier=db, and had 4" in text
    assert "--accept-findings" in text
    dry = json.loads((await do("run", file, "--dry-run", "--json", code=1)).stdout)
    assert "MEMBERSHIP_SHRUNK" in [each["Code"] for each in dry["Findings"]]
    assert launched(env, servers) == [1, 1, 1, 1]
    state = await run(env, plan, file, "--accept-findings")
    assert ids_of(state) == servers[:2]
    # It was confirmed, so it is not asked for again.
    dry = json.loads((await do("run", file, "--dry-run", "--json")).stdout)
    assert not [each for each in dry["Findings"] if each["Code"].startswith("MEMBERSHIP")]
    recorded = await PlanTable(get_settings()).recorded_servers(plan.plan_id)
    assert recorded is not None
    assert sorted(recorded.waves[0].servers) == servers[:2]


async def test_a_recovery_launches_the_recorded_servers_while_drs_cannot_be_read(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    plan = by_tags(env)
    file = file_of(plan, tmp_path)
    servers = env.aws.servers(3, Tags=tagged(plan, "db"))
    await do("run", file, "--dry-run")
    later = env.aws.servers(1, Tags=tagged(plan, "db"))
    env.aws.apply(Faults=[{"Operation": "DescribeSourceServers", "Error": "AccessDeniedException"}])
    drill = await do("run", file, "--no-watch", code=2)
    assert "the servers with its tags could not be read" in " ".join(drill.stderr.split())
    state = await run(env, plan, file, "--recovery", "--confirm", plan.plan_id)
    assert ids_of(state) == servers
    assert launched(env, servers + later) == [1, 1, 1, 0]
    assert state.membership is not None
    assert state.membership.kind is MembershipKind.RECORDED
    assert "could not be read" in str(state.membership.reason)
    assert "servers by tags as recorded at" in (await do("history", state.execution_id)).stdout
    env.aws.clear_faults()


@pytest.mark.slow
async def test_a_recovery_does_not_lose_servers_whose_tags_vanished(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    plan = by_tags(env)
    file = file_of(plan, tmp_path)
    servers = env.aws.servers(3, Tags=tagged(plan, "db"))
    await do("run", file, "--dry-run")
    env.aws.apply(SourceServers=[{"SourceServerId": servers[0], "Tags": {"Tier": "old"}}])
    result = await do("run", file, "--recovery", "--confirm", plan.plan_id, "--no-watch", "--json")
    assert f"- {servers[0]}; launched all the same" in " ".join(result.stderr.split())
    state = await env.end(plan, json.loads(result.stdout)["ExecutionId"])
    assert ids_of(state) == servers
    assert launched(env, servers) == [1, 1, 1]


async def test_a_plan_whose_tags_nobody_looked_up_launches_nothing(env: E2eEnvironment) -> None:
    plan = by_tags(env)
    env.aws.servers(1, Tags=tagged(plan, "db"))
    await start_execution(env.client, plan)
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert "named by tags, which were not looked up" in str(failed.value.cause)


@pytest.mark.slow
async def test_tags_and_a_directory_through_the_api(
    laptop: Laptop, two_apis: list[str], env_without_worker: E2eEnvironment
) -> None:
    env = env_without_worker
    plan = by_tags(env)
    servers = env.aws.servers(4, Tags=tagged(plan, "db"))
    plans = laptop.folder / "plans"
    plans.mkdir()
    (plans / "tagged.yaml").write_text(yaml.safe_dump(as_file(plan)))
    listed = env.plan(env.wave("Database"))
    (plans / "listed.yaml").write_text(yaml.safe_dump(as_file(listed)))
    await laptop.do("login", "--token", input=f"{token_of('ops')}\n")
    sync = ("register", "--sync", str(plans), "--source", f"plans of {plan.plan_id}", "--prune")

    async def changes() -> dict[str, Any]:
        report = await laptop.read(*sync, "--commit", "4f5e6d7", "--author", "ada")
        return {each["PlanId"]: each["Change"] for each in report["Plans"]}

    assert await changes() == {plan.plan_id: "ADDED", listed.plan_id: "ADDED"}
    assert await changes() == {plan.plan_id: "UNCHANGED", listed.plan_id: "UNCHANGED"}
    (plans / "listed.yaml").unlink()
    looks = env.client.get_schedule_handle(ScheduleKind.READINESS.schedule_id(listed.plan_id))
    await looks.describe()
    assert (await changes())[listed.plan_id] == "REMOVED"
    with pytest.raises(RPCError) as gone:
        await looks.describe()
    assert gone.value.status is RPCStatusCode.NOT_FOUND
    rows = {each["PlanId"]: each for each in await laptop.read("plans")}
    assert rows[plan.plan_id]["Registered"]["Commit"] == "4f5e6d7"
    assert rows[plan.plan_id]["Registered"]["CommitAuthor"] == "ada"
    assert "Registered" not in rows.get(listed.plan_id, {})

    file = str(plans / "tagged.yaml")
    started = await laptop.read("run", file, "--no-watch")
    state = await env.end(plan, started["ExecutionId"])
    assert ids_of(state) == servers
    env.aws.apply(SourceServers=[{"SourceServerId": servers[0], "Tags": {"Tier": "old"}}])
    refused = await laptop.do("run", file, "--no-watch", code=2)
    assert "--accept-findings" in " ".join(refused.stderr.split())
    started = await laptop.read("run", file, "--no-watch", "--accept-findings")
    state = await env.end(plan, started["ExecutionId"])
    assert ids_of(state) == servers[1:]
    assert launched(env, servers) == [1, 2, 2, 2]
