"""Where the worker acts: the wrong account, a role that it cannot assume, a target off its list."""

import json

import pytest

from client.readiness.check import check_readiness
from recovery.plan.model import Wave
from recovery.readiness.finding import Finding, FindingCode
from recovery.readiness.verdict import ReadinessStatus
from settings import get_settings
from tests.end_to_end.conftest import REGION, E2eEnvironment, RunningWorkers


async def test_each_problem_of_identity_is_found_and_gone_when_it_is_mended(
    env_without_worker: E2eEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = env_without_worker
    role = f"arn:aws:iam::{env.aws.account_id}:role/drs-waves"
    listed = {"AccountIds": [env.aws.account_id], "Regions": [REGION]}
    allowed = {"Targets": [listed, listed | {"RoleArns": [role]}]}
    monkeypatch.setenv("DRS_WAVES_ALLOW_LIST", json.dumps(allowed))
    get_settings.cache_clear()
    servers = env.aws.servers(1)

    async def found(**target: str) -> list[Finding]:
        wave: Wave = env.wave("Database", servers=servers, **target)
        readiness = await check_readiness(env.client, env.plan(wave))
        if not readiness.findings:
            assert readiness.status is ReadinessStatus.READY
        return readiness.findings

    async with RunningWorkers(env):
        assert await found() == []
        (wrong,) = await found(account_id="999999999999")
        assert (wrong.code, wrong.refuses_drill) == (FindingCode.WRONG_ACCOUNT, True)
        (outside,) = await found(role_arn=role.replace("drs-waves", "Admin"))
        assert outside.code is FindingCode.TARGET_NOT_ALLOWED
        assert "DRS_WAVES_ALLOW_LIST" in outside.message

        denied = {"Service": "sts", "Operation": "AssumeRole", "Error": "AccessDenied"}
        env.aws.apply(Faults=[denied])
        (unassumed,) = await found(role_arn=role)
        assert unassumed.code is FindingCode.ROLE_NOT_ASSUMED
        assert unassumed.evidence["Permission"] == "sts:AssumeRole"
        env.aws.clear_faults()
        assert await found(role_arn=role) == []

        env.aws.apply(
            Faults=[{"Service": "sts", "Operation": "GetCallerIdentity", "Error": "AccessDenied"}]
        )
    # A worker that has not asked for its account yet.
    async with RunningWorkers(env):
        unknown = await found()
        assert {each.evidence.get("Permission") for each in unknown} == {"sts:GetCallerIdentity"}
        env.aws.clear_faults()
        assert await found() == []
    # A role that refuses tags goes on without them.
    env.aws.apply(
        Faults=[denied | {"Message": "not authorized to perform: sts:TagSession", "Times": 1}]
    )
    async with RunningWorkers(env):
        (tags,) = await found(role_arn=role)
        assert tags.code is FindingCode.SESSION_TAGS_REFUSED
