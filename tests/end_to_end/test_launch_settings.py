"""Launch settings: compared, exported, applied and restored, as an operator does it."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from temporalio.client import WorkflowFailureError
from typer.testing import CliRunner, Result

from cli.app import app
from client.launch_settings.settings import apply_state, start_apply
from contract.identifiers import launch_settings_workflow_id
from recovery.launch_settings.in_force import DrsFields
from recovery.launch_settings.lease import DrillVersion
from recovery.launch_settings.model import LaunchSettings
from recovery.launch_settings.report import AppliedStatus, ApplyState, ApplyStatus
from recovery.plan.model import RecoveryPlan
from sandbox.ec2.network_ids import DRILL, PRODUCTION
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers
from tests.end_to_end.test_remote import Laptop, laptop, no_keyring, responses_lost_once
from tests.end_to_end.test_signed_requests import Keys, keys, two_apis
from tests.shared_servers import REGION
from tests.static_tokens import token_of

__all__ = ["keys", "laptop", "no_keyring", "two_apis"]

OTHER = PRODUCTION.subnet_ids[1]


async def invoke(*words: object) -> Result:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["launch-settings", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def printed(result: Result) -> Any:
    """The JSON that a command printed; the worker of the test logs to the same place."""
    lines = result.stdout.splitlines()
    first = next(n for n, line in enumerate(lines) if line in ("{", "["))
    return json.JSONDecoder().raw_decode("\n".join(lines[first:]))[0]


def plan_file(folder: Path, servers: list[str], **keys: Any) -> Path:
    path = folder / "crm.yaml"
    wave = {"WaveId": "db", "ServerIds": servers}
    content = {"PlanId": "crm", "Region": REGION, "Waves": [wave], **keys}
    path.write_text(yaml.safe_dump(content))
    return path


def defaults(servers: list[str]) -> dict[str, dict[str, Any]]:
    """The default version of each server's launch template."""
    drs, ec2 = boto3.client("drs", region_name=REGION), boto3.client("ec2", region_name=REGION)
    found = {}
    for server_id in servers:
        template = drs.get_launch_configuration(sourceServerID=server_id)["ec2LaunchTemplateID"]
        (found[server_id],) = ec2.describe_launch_template_versions(
            LaunchTemplateId=template, Versions=["$Default"]
        )["LaunchTemplateVersions"]
    return found


def subnets(servers: list[str]) -> list[str]:
    return [
        each["LaunchTemplateData"]["NetworkInterfaces"][0]["SubnetId"]
        for each in defaults(servers).values()
    ]


async def test_an_operator_compares_applies_and_exports_launch_settings(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    servers = env.aws.servers(6)
    path = plan_file(tmp_path, servers, LaunchSettings={"SubnetId": OTHER, "RecoveryMode": "FAST"})
    compared = await invoke("diff", path)
    assert compared.exit_code == 1
    assert "0 of 6 servers have what the plan wants" in compared.stdout
    assert compared.stdout.count(f"SubnetId      {PRODUCTION.subnet_ids[0]}  {OTHER}") == 6
    refused = await invoke("apply", path, "--confirm", "other")
    assert refused.exit_code == 2
    assert set(subnets(servers)) == {PRODUCTION.subnet_ids[0]}
    applied = await invoke("apply", path, "--confirm", "crm", "--watch", "--json")
    assert applied.exit_code == 0, applied.output
    state = printed(applied)
    assert (state["Status"], state["Done"], len(state["Servers"])) == ("COMPLETED", 6, 6)
    assert {(e["VersionBefore"], e["VersionAfter"]) for e in state["Servers"]} == {(1, 2)}
    assert set(subnets(servers)) == {OTHER}
    again = await invoke("diff", path, "--json")
    assert again.exit_code == 0
    assert all(not each["Differences"] for each in printed(again))
    # Nothing differs, so nothing is asked for.
    assert (await invoke("apply", path)).exit_code == 0
    exported = yaml.safe_load((await invoke("export", path)).stdout)
    (wave,) = exported["Waves"]
    assert {each["LaunchSettings"]["SubnetId"] for each in wave["Servers"]} == {OTHER}
    # It is a plan's, whose settings are in force.
    path = plan_file(tmp_path, [], Waves=[wave])
    assert (await invoke("diff", path)).exit_code == 0


async def test_applying_goes_on_after_its_worker_was_lost(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    # More than one activity changes.
    servers = env.aws.servers(23)
    plan = env.plan(env.wave("Db", servers=servers)).model_copy(
        update={"launch_settings": read_settings(SubnetId=OTHER)}
    )
    fault = {"Operation": "ModifyLaunchTemplate", "Service": "ec2", "Error": "RequestLimitExceeded"}
    env.aws.apply(Faults=[fault])
    async with RunningWorkers(env):
        await start_apply(env.client, plan, actor="ana", confirmation=plan.plan_id)
        await env.eventually(lambda: _called(env, "ModifyLaunchTemplate"))
    env.aws.clear_faults()
    async with RunningWorkers(env):
        state = await ended(env, plan)
    assert state.status is ApplyStatus.COMPLETED
    assert {(each.version_before, each.version_after) for each in state.servers} == {(1, 2)}
    assert {each["VersionNumber"] for each in defaults(servers).values()} == {2}
    assert set(subnets(servers)) == {OTHER}


async def _called(env: E2eEnvironment, operation: str) -> bool:
    return any(operation in name for name in env.aws.calls()["Calls"])


def read_settings(**settings: Any) -> Any:
    return LaunchSettings.model_validate(settings)


async def ended(env: E2eEnvironment, plan: RecoveryPlan) -> ApplyState:
    async def has_ended() -> bool:
        return (await apply_state(env.client, plan.plan_id)).end_time is not None

    await env.eventually(has_ended, within=120)
    return await apply_state(env.client, plan.plan_id)


async def test_a_template_that_a_drill_has_is_not_changed_and_is_restored_without_temporal(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    held, free = servers = env.aws.servers(2)
    ec2 = boto3.client("ec2", region_name=REGION)
    drs = boto3.client("drs", region_name=REGION)
    template = drs.get_launch_configuration(sourceServerID=held)["ec2LaunchTemplateID"]
    fields = {"before": "STARTED", "during": "STOPPED"}
    drill = DrillVersion(
        execution_id="crm-0f3b52a1c7d9",
        restore_version=1,
        source_server_id=held,
        lease_id="0123456789ab",
        **{key: DrsFields(launch_disposition=each) for key, each in fields.items()},
    )
    ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        VersionDescription=drill.description,
        LaunchTemplateData={
            "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": DRILL.subnet_ids[0]}]
        },
    )
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    drs.update_launch_configuration(sourceServerID=held, launchDisposition="STOPPED")
    path = plan_file(tmp_path, servers, LaunchSettings={"SubnetId": OTHER})
    applied = await invoke("apply", path, "--confirm", "crm", "--watch", "--json")
    assert applied.exit_code == 1
    by_server = {each["SourceServerId"]: each for each in printed(applied)["Servers"]}
    assert by_server[free]["Status"] == AppliedStatus.APPLIED
    assert by_server[held]["Status"] == AppliedStatus.REFUSED
    assert "an isolated drill has its launch template" in by_server[held]["Reason"]
    assert subnets(servers) == [DRILL.subnet_ids[0], OTHER]
    # Another Region has none.
    elsewhere = await invoke("restore", "--region", "eu-central-1", "--yes")
    assert "No launch template has a drill's version" in elsewhere.stdout
    assert (await invoke("restore", "--region", REGION)).exit_code == 2
    restored = await invoke("restore", "--region", REGION, "--yes")
    assert restored.exit_code == 0, restored.output
    assert "version 1 is the default" in restored.stdout
    assert subnets(servers) == [PRODUCTION.subnet_ids[0], OTHER]
    configuration = drs.get_launch_configuration(sourceServerID=held)
    assert configuration["launchDisposition"] == "STARTED"
    left = ec2.describe_launch_template_versions(LaunchTemplateId=template)
    assert [each["VersionNumber"] for each in left["LaunchTemplateVersions"]] == [1]
    assert "No launch template" in (await invoke("restore", path)).stdout


async def test_a_template_that_a_job_needs_is_restored_by_force_only(
    env: E2eEnvironment, tmp_path: Path
) -> None:
    (held,) = env.aws.servers(1, LaunchSeconds=100_000)
    ec2 = boto3.client("ec2", region_name=REGION)
    drs = boto3.client("drs", region_name=REGION)
    template = drs.get_launch_configuration(sourceServerID=held)["ec2LaunchTemplateID"]
    drill = DrillVersion(
        execution_id="crm-0f3b52a1c7d9",
        restore_version=1,
        source_server_id=held,
        lease_id="0123456789ab",
    )
    ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        VersionDescription=drill.description,
        LaunchTemplateData={"InstanceType": "t3.small"},
    )
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    drs.start_recovery(sourceServers=[{"sourceServerID": held}], isDrill=True)
    path = plan_file(tmp_path, [held])
    refused = await invoke("restore", path, "--yes")
    assert refused.exit_code == 2
    assert "has not begun its launch phase" in refused.output
    assert defaults([held])[held]["VersionNumber"] == 2
    forced = await invoke("restore", path, "--yes", "--force")
    assert forced.exit_code == 0, forced.output
    assert defaults([held])[held]["VersionNumber"] == 1


async def test_settings_that_nobody_signed_are_not_applied(
    env_without_worker: E2eEnvironment, keys: Keys, tmp_path: Path
) -> None:
    env = env_without_worker
    servers = env.aws.servers(1)
    plan = env.plan(env.wave("Db", servers=servers)).model_copy(
        update={"launch_settings": read_settings(SubnetId=OTHER)}
    )
    async with RunningWorkers(env):
        for signer in (None, keys.foreign):
            await start_apply(
                env.client, plan, actor="ana", confirmation=plan.plan_id, signer=signer
            )
            with pytest.raises(WorkflowFailureError):
                await env.client.get_workflow_handle(
                    launch_settings_workflow_id(plan.plan_id)
                ).result()
            (server,) = (await apply_state(env.client, plan.plan_id)).servers
            assert server.status is AppliedStatus.REFUSED
            assert "not changed: " in server.reason
        assert subnets(servers) == [PRODUCTION.subnet_ids[0]]
        await start_apply(env.client, plan, actor="ana", confirmation=plan.plan_id, signer=keys.api)
        assert (await ended(env, plan)).status is ApplyStatus.COMPLETED
    assert subnets(servers) == [OTHER]


async def test_settings_are_compared_and_applied_from_a_laptop_by_a_signed_request(
    laptop: Laptop, two_apis: list[str], env_without_worker: E2eEnvironment
) -> None:
    env = env_without_worker
    servers = env.aws.servers(2)
    plan = env.plan(env.wave("Db", servers=servers)).model_copy(
        update={"launch_settings": read_settings(SubnetId=OTHER)}
    )
    file = laptop.file(plan)
    await laptop.do("login", "--token", input=f"{token_of('ops')}\n")
    compared = await laptop.do("launch-settings", "diff", file, code=1)
    assert "0 of 2 servers have what the plan wants" in compared.stdout
    assert "LaunchSettings" in (await laptop.do("launch-settings", "export", file)).stdout
    refused = await laptop.do("launch-settings", "apply", file, "--confirm", "other", code=2)
    assert "is not the PlanId of this plan" in refused.stderr
    with responses_lost_once() as lost:
        applied = await laptop.do(
            "launch-settings", "apply", file, "--confirm", plan.plan_id, "--watch"
        )
    assert f"/api/plans/{plan.plan_id}/launch-settings" in lost
    assert "COMPLETED. 0 servers had it already." in applied.stdout
    await laptop.do("launch-settings", "diff", file)
    async with httpx.AsyncClient(
        base_url=two_apis[1], headers={"Authorization": f"Bearer {token_of('ops')}"}, timeout=60
    ) as api:
        shown = (await api.get(f"/plans/{plan.plan_id}/launch-settings")).json()
        assert [each["Differences"] for each in shown["Servers"]] == [[], []]
        done = (await api.get(f"/plans/{plan.plan_id}/launch-settings/applied")).json()
        assert (done["Status"], done["Actor"]) == ("COMPLETED", "ops")
        unconfirmed = await api.post(f"/plans/{plan.plan_id}/launch-settings", json={})
        assert unconfirmed.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
