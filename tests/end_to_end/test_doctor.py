"""`drs-waves doctor` with one part of a real stack broken after another."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from typer.testing import CliRunner

from cli.app import app
from client.schedules.reconcile import reconcile_schedules
from contract.identifiers import STATUS_KEY, launcher_workflow_id
from contract.schedules.kinds import ScheduleKind
from contract.temporal import STEP_TASK_QUEUE, TASK_QUEUE
from recovery.doctor.check import Check, CheckStatus, DoctorReport, Part
from recovery.plan.model import RecoveryPlan
from runtime.worker import make_workers
from sandbox.stack import free_port
from settings import get_settings
from storage.plans import PlanTable
from tests.end_to_end.conftest import E2eEnvironment, RunningWorkers
from tests.shared_servers import REGION

FAIL, WARN, OK, SKIPPED = CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.OK, CheckStatus.SKIPPED


async def doctor() -> DoctorReport:
    """What `drs-waves doctor --json` prints; its exit code says whether a check failed."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])
    report = DoctorReport.model_validate(json.loads(result.stdout))
    assert result.exit_code == (1 if report.status is FAIL else 0), result.output
    return report


def found(report: DoctorReport, part: Part, status: CheckStatus) -> list[Check]:
    return [each for each in report.checks if each.part is part and each.status is status]


def failed(report: DoctorReport) -> set[Part]:
    return {each.part for each in report.checks if each.status is FAIL}


@dataclass
class Broken:
    """A part that is broken inside the block, and what is then said of it."""

    part: Part
    status: CheckStatus
    says: str
    breaking: Callable[[E2eEnvironment, RecoveryPlan], AbstractAsyncContextManager[None]]


def fault(**fault: Any) -> Callable[..., AbstractAsyncContextManager[None]]:
    """A fault of the local AWS in the test's account."""

    @asynccontextmanager
    async def breaking(env: E2eEnvironment, plan: RecoveryPlan) -> AsyncIterator[None]:
        await asyncio.to_thread(env.aws.apply, Faults=[fault])
        yield
        await asyncio.to_thread(env.aws.clear_faults)

    return breaking


def denied(action: str) -> Callable[..., AbstractAsyncContextManager[None]]:
    return fault(DeniedAction=action)


@asynccontextmanager
async def a_lost_table(env: E2eEnvironment, plan: RecoveryPlan) -> AsyncIterator[None]:
    table = env.table
    dynamodb: Any = boto3.client("dynamodb")

    def delete() -> None:
        dynamodb.update_table(TableName=table.name, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=table.name)

    await asyncio.to_thread(delete)
    yield
    await table.create()


@asynccontextmanager
async def a_paused_schedule(env: E2eEnvironment, plan: RecoveryPlan) -> AsyncIterator[None]:
    handle = env.client.get_schedule_handle(ScheduleKind.READINESS.schedule_id(plan.plan_id))
    await handle.pause()
    yield
    await handle.unpause()


@asynccontextmanager
async def a_lost_launcher(env: E2eEnvironment, plan: RecoveryPlan) -> AsyncIterator[None]:
    launcher = await env.client.start_workflow(
        "LauncherWorkflow",
        id=launcher_workflow_id(env.aws.account_id, REGION),
        task_queue=f"{TASK_QUEUE}-of-nobody",
    )
    await launcher.terminate()

    async def is_listed() -> bool:
        return await env.count_workflows("WorkflowType = 'LauncherWorkflow'") == 1

    await env.eventually(is_listed)
    yield


@asynccontextmanager
async def a_lost_search_attribute(env: E2eEnvironment, plan: RecoveryPlan) -> AsyncIterator[None]:
    await env.client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(
            namespace=env.client.namespace, search_attributes=[STATUS_KEY.name]
        )
    )
    yield


# Each group at the same time. A search attribute stays lost.
GROUPS = [
    [
        Broken(Part.PERMISSIONS, FAIL, "drs:DescribeJobs is denied", denied("drs:DescribeJobs")),
        Broken(Part.TABLES, SKIPPED, "AccessDenied", denied("dynamodb:DescribeTable")),
        Broken(Part.SCHEDULES, WARN, "paused", a_paused_schedule),
    ],
    [
        # It is not tried, but simulated.
        Broken(Part.PERMISSIONS, FAIL, "drs:StartRecovery is denied", denied("drs:StartRecovery")),
        Broken(Part.TABLES, FAIL, "does not exist", a_lost_table),
    ],
    [
        Broken(
            Part.PERMISSIONS,
            SKIPPED,
            "whether drs:StartRecovery",
            denied("iam:SimulatePrincipalPolicy"),
        ),
        Broken(
            Part.TARGETS,
            FAIL,
            "never used",
            fault(Operation="*", Error="UninitializedAccountException"),
        ),
        Broken(Part.TEMPORAL, FAIL, "DrsStatus", a_lost_search_attribute),
    ],
    [
        Broken(
            Part.TARGETS,
            FAIL,
            "cannot sign in",
            fault(Service="sts", Operation="GetCallerIdentity", Error="AccessDenied"),
        ),
        Broken(Part.LAUNCHERS, FAIL, "TERMINATED", a_lost_launcher),
    ],
]


async def registered_plan(env: E2eEnvironment) -> RecoveryPlan:
    plan = env.plan(env.wave("Database"))
    await PlanTable(get_settings()).register(plan, author="ann")
    await reconcile_schedules(env.client, plan, actor="ann")
    return plan


async def test_each_broken_part_is_named_with_what_to_do_and_hides_no_other(
    env: E2eEnvironment,
) -> None:
    plan = await registered_plan(env)
    whole = await doctor()
    assert failed(whole) == set(), whole.checks
    assert {each.part for each in whole.checks} == set(Part)
    (permissions,) = found(whole, Part.PERMISSIONS, OK)
    assert "allowed by iam:SimulatePrincipalPolicy" in permissions.message
    assert f"worker and AWS {REGION}" in [e.subject for e in found(whole, Part.CLOCKS, OK)]
    (target,) = found(whole, Part.TARGETS, OK)
    assert env.aws.account_id in target.message
    lasting: set[Part] = set()
    for group in GROUPS:
        async with AsyncExitStack() as stack:
            for broken in group:
                await stack.enter_async_context(broken.breaking(env, plan))
            report = await doctor()
        for broken in group:
            about = found(report, broken.part, broken.status)
            assert any(broken.says in each.message for each in about), (broken, report.checks)
        wrong = {each.part for each in group if each.status is FAIL}
        assert failed(report) == wrong | lasting, report.checks
        lasting |= wrong & {Part.TEMPORAL}
        assert {each.part for each in report.checks} >= set(Part) - {Part.PERMISSIONS, Part.CLOCKS}


@pytest.mark.slow
async def test_a_queue_that_nobody_serves_and_then_no_worker_and_no_temporal(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_without_worker
    await registered_plan(env)
    async with AsyncExitStack() as stack:
        for worker in make_workers(env.client, get_settings()):
            if worker.task_queue != STEP_TASK_QUEUE:
                await stack.enter_async_context(worker)
        (queue,) = found(await doctor(), Part.WORKERS, FAIL)
        assert queue.subject == f"queue {STEP_TASK_QUEUE}"
        assert "drs-waves worker" in queue.action
    alone = await doctor()
    assert failed(alone) == {Part.WORKERS}
    assert found(alone, Part.TARGETS, SKIPPED)
    assert len(found(alone, Part.TABLES, OK) + found(alone, Part.TABLES, WARN)) == 3

    monkeypatch.setenv("TEMPORAL_NAMESPACE", "unknown")
    assert "TEMPORAL_NAMESPACE" in found(await doctor(), Part.TEMPORAL, FAIL)[0].message
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
    lost = await doctor()
    (connection,) = found(lost, Part.TEMPORAL, FAIL)
    assert "TEMPORAL_ADDRESS" in connection.message
    assert len(found(lost, Part.TABLES, OK) + found(lost, Part.TABLES, WARN)) == 3


async def test_channels_and_the_identity_provider_are_looked_at_without_a_message(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_without_worker
    sns, account = boto3.client("sns", region_name=REGION), env.aws.account_id
    topic = await asyncio.to_thread(sns.create_topic, Name="recovery")
    missing = f"arn:aws:sns:{REGION}:{account}:missing"
    closed = f"http://127.0.0.1:{free_port()}"
    hook = {"Url": closed, "Secret": {"Env": "CHANNEL_KEY"}}
    channels = [
        {"Name": "topic", "SNS": {"TopicArn": topic["TopicArn"]}},
        {"Name": "missing", "SNS": {"TopicArn": missing}},
        {"Name": "bus", "EventBridge": {"Region": REGION}},
        {"Name": "hook", "WebHook": hook},
        {"Name": "unset", "Apprise": {"Env": "UNSET_KEY"}},
        {"Name": "chat", "Apprise": {"Env": "CHAT_URL"}},
        {"Name": "typo", "Apprise": {"Env": "CHANNEL_KEY"}},
    ]
    for name, value in {
        "DRS_WAVES_NOTIFY": json.dumps({"Channels": channels}),
        "CHANNEL_KEY": "a-secret-key",
        "CHAT_URL": f"json://127.0.0.1:{free_port()}/a-secret-key",
        "DRS_WAVES_OIDC_ISSUER": closed,
        "DRS_WAVES_OIDC_AUDIENCE": "drs-waves",
    }.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    async with RunningWorkers(env):
        report = await doctor()
    wrong = {each.subject.split()[0]: each.message for each in found(report, Part.CHANNELS, FAIL)}
    assert wrong.keys() == {"missing", "hook", "unset", "typo"}
    assert "accepts no connection" in wrong["hook"]
    assert "UNSET_KEY is not set" in wrong["unset"]
    fine = {each.subject.split()[0] for each in found(report, Part.CHANNELS, OK)}
    assert fine == {"topic", "bus", "chat"}
    (provider,) = found(report, Part.KEYS, FAIL)
    assert provider.subject == "identity provider"
    assert "a-secret-key" not in report.model_dump_json()
    assert await asyncio.to_thread(env.aws.messages, "web-hook") == []
