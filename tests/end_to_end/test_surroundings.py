"""What a recovery lacks besides its targets: found by a worker, and gone when it is mended."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from client.readiness.check import check_readiness
from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.plan.model import PlanChannel, RecoveryPlan, RecoveryRules
from recovery.readiness.finding import Finding, FindingCode
from recovery.steps.model import Step
from security.signers import KeyFile, RequestSigner
from settings import get_settings
from tests.end_to_end.conftest import SPEED, E2eEnvironment, RunningWorkers
from tests.security.keys import key_file, private_key, trusted

CODES = FindingCode
# Of the sandbox's source servers.
ORIGIN = "us-east-1"


@asynccontextmanager
async def worker(
    env: E2eEnvironment, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[None]:
    """A worker with these settings; JSON where they are no text."""
    for name, value in settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"DRS_WAVES_{name.upper()}", text)
    get_settings.cache_clear()
    async with RunningWorkers(env):
        yield


async def found(env: E2eEnvironment, plan: RecoveryPlan) -> dict[str, list[Finding]]:
    """The findings about a plan, by code."""
    by_code: dict[str, list[Finding]] = {}
    for each in (await check_readiness(env.client, plan)).findings:
        by_code.setdefault(each.code, []).append(each)
    return by_code


async def test_each_lack_is_found_and_gone_when_it_is_mended(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = env_without_worker
    account = env.aws.account_id
    api, offline = private_key(tmp_path), private_key(tmp_path, "safe")
    record = {
        "ZoneId": f"Z{account}",
        "Name": "shop.example.com",
        "Type": "A",
        "Values": ["10.0.0.1"],
    }
    # Long, because the speed divides it and a busy machine does not.
    patient = {"TimeoutSeconds": 160 * SPEED}
    steps = [
        {"StepId": "quiet", "When": "BOTH", "Alarm": {"AlarmName": "errors"}} | patient,
        {"StepId": "dns", "When": "RECOVERY", "Route53Record": record},
    ]
    env.aws.apply(
        Alarms=[{"AlarmName": "errors", "States": [{"State": "OK"}], "AccountId": account}],
        HostedZones=[{"ZoneId": f"Z{account}", "Name": "example.com", "AccountId": account}],
    )
    plan = env.plan(
        env.wave("Database"),
        env.wave("Cutover", "Database", servers=0, steps=[Step.model_validate(s) for s in steps]),
        recovery=RecoveryRules(approvers=1),
        notify=[PlanChannel(channel="on-call")],
    )
    mail = {"Name": "mail", "Apprise": {"Env": "MAIL"}}
    lacking = {
        "notify": {"Channels": [mail | {"Events": ["STARTED"]}]},
        "request_keys": str(key_file(tmp_path, trusted(offline, break_glass=True))),
        "dependency_regions": {"The API": ORIGIN},
    }
    async with worker(env, monkeypatch, **lacking):
        lacks = await found(env, plan)
        assert set(lacks) == {
            CODES.NOBODY_NOTIFIED,
            CODES.CHANNEL_MISSING,
            CODES.ONLY_BREAK_GLASS,
            CODES.BREAK_GLASS_UNTESTED,
            CODES.LOST_WITH_THE_REGION,
            CODES.CHECK_NEVER_CONCLUDED,
        }
        lost = {each.evidence["What"] for each in lacks[CODES.LOST_WITH_THE_REGION]}
        assert "The API" in lost
        assert any("control plane of Route 53, which step dns of Cutover" in each for each in lost)
        signer = RequestSigner(
            KeyFile(offline), ["operator", "approver"], break_glass="the yearly rehearsal"
        )
        execution_id = await start_execution(env.client, plan, signer=signer)
        assert (await env.end(plan, execution_id)).status is PlanStatus.COMPLETED
        recorded = await env.recorded(execution_id)
        assert recorded.break_glass_time is not None

    keys = key_file(tmp_path, trusted(api), trusted(offline, break_glass=True))
    mended = {
        "notify": {"Channels": [mail, mail | {"Name": "on-call", "Default": False}]},
        "request_keys": str(keys),
        "dependency_regions": {"The API": "eu-central-1"},
    }
    plan.waves[1].steps = plan.waves[1].steps[:1]
    async with worker(env, monkeypatch, **mended):
        assert await found(env, plan) == {}


async def test_a_recovered_server_is_not_protected_until_it_is_replicated_back(
    env: E2eEnvironment,
) -> None:
    servers = env.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    plan = env.plan(env.wave("Database", servers=servers))
    assert set(await found(env, plan)) == {CODES.LIVE_RECOVERY_INSTANCE, CODES.NOT_PROTECTED}
    env.aws.apply(SourceServers=[{"SourceServerId": servers[0], "ReverseReplication": True}])
    assert set(await found(env, plan)) == {CODES.LIVE_RECOVERY_INSTANCE}


async def test_a_clock_that_is_not_that_of_aws_is_named(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    late = {"Operation": "DescribeSourceServers", "Error": "InvalidSignatureException"}
    env.aws.apply(Faults=[late])
    assert CODES.CLOCK_SKEWED in await found(env, plan)
    env.aws.clear_faults()
    assert await found(env, plan) == {}
