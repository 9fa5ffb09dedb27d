"""What a simulation of policies, and the clocks and limits of checks of targets, come to."""

import asyncio
import json
from email.utils import formatdate
from typing import Any

import pytest

from activities.doctor.bounded import bounded
from activities.doctor.target_checks import TargetChecks, clock_ahead, decision_of
from aws.targets import TargetClients
from recovery.doctor.check import Check, CheckStatus, Part
from recovery.plan.model import Target
from settings import Settings
from tests.aws_in_process import OTHER_ACCOUNT, REGION, LocalAws


@pytest.mark.parametrize(
    ("result", "decision"),
    [
        ({"EvalDecision": "allowed"}, "allowed"),
        ({"EvalDecision": "implicitDeny"}, "implicitDeny"),
        ({"EvalDecision": "explicitDeny", "MissingContextValues": ["a"]}, "explicitDeny"),
        # Who may act on tagged resources only may act.
        ({"EvalDecision": "implicitDeny", "MissingContextValues": ["a"]}, "conditional"),
        (
            {
                "EvalDecision": "implicitDeny",
                "ResourceSpecificResults": [
                    {"EvalResourceDecision": "implicitDeny"},
                    {"EvalResourceDecision": "allowed"},
                ],
            },
            "allowed",
        ),
    ],
)
def test_an_action_is_allowed_if_it_is_so_on_one_kind_of_resource(
    result: dict[str, Any], decision: str
) -> None:
    assert decision_of(result) == decision


@pytest.mark.parametrize(
    ("before", "after", "ahead"),
    [
        # 1795742703 is the Date.
        (1795742703.2, 1795742703.4, 0.0),
        # A slow answer is no wrong clock.
        (1795742703.2, 1795742763.4, 0.0),
        (1795742643.2, 1795742703.4, 0.0),
        (1795742764.0, 1795742765.0, 60.0),
        (1795742642.0, 1795742643.0, -60.0),
        (1795742642.0, 1795742643.0, None),
    ],
)
def test_the_clock_is_as_far_ahead_as_the_time_of_the_call_proves(
    before: float, after: float, ahead: float | None
) -> None:
    headers = {} if ahead is None else {"date": formatdate(1795742703, usegmt=True)}
    response = {"ResponseMetadata": {"HTTPHeaders": headers}}
    assert clock_ahead(before, after, response) == ahead


async def test_a_check_that_hangs_or_breaks_is_a_result() -> None:
    async def hang() -> list[Check]:
        await asyncio.sleep(60)
        return []

    async def broken() -> list[Check]:
        raise KeyError("Arn")

    (late,) = await bounded(Part.TARGETS, "a", hang(), 0.01)
    (wrong,) = await bounded(Part.TARGETS, "b", broken(), 1)
    assert (late.status, wrong.status) == (CheckStatus.FAIL, CheckStatus.FAIL)
    assert "no answer within" in late.message


async def test_an_account_that_is_not_the_plans_fails(aws: LocalAws, fast: Settings) -> None:
    checks = TargetChecks(TargetClients(fast))
    (wrong,) = await checks.check_all([Target(region=REGION, account_id="999999999999")], 20)
    assert wrong.status is CheckStatus.FAIL
    assert "999999999999" in wrong.message


async def test_targets_for_which_no_time_is_left_are_not_called_well(
    aws: LocalAws, fast: Settings
) -> None:
    (late,) = await TargetChecks(TargetClients(fast)).check_all([Target(region=REGION)], 0)
    assert late.status is CheckStatus.SKIPPED


@pytest.mark.filterwarnings("ignore:Exception.InjectedError")
async def test_each_role_of_a_target_is_checked_with_its_own_permissions(
    aws: LocalAws,
) -> None:
    entry = {"AccountIds": [OTHER_ACCOUNT], "Regions": ["*"], "RoleArns": ["*"]}
    split = {"LookRole": "look", "TerminateRole": "terminate"}
    listed = json.dumps({"Targets": [entry | split]})
    target = Target(region=REGION, role_arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/launch")
    aws.servers(AccountId=OTHER_ACCOUNT)

    async def checked() -> dict[str, list[CheckStatus]]:
        clients = TargetClients(Settings(allow_list=listed))
        found: dict[str, list[CheckStatus]] = {}
        for check in await TargetChecks(clients).check_all([target], 60.0):
            if check.part in (Part.TARGETS, Part.PERMISSIONS):
                found.setdefault(check.subject.rpartition("/")[2], []).append(check.status)
        return found

    ok, fail, warn = CheckStatus.OK, CheckStatus.FAIL, CheckStatus.WARN
    # Beside the launch role stands that DRS answers.
    assert await checked() == {"launch": [ok, ok], "look": [ok], "terminate": [ok]}
    aws.apply(Faults=[{"DeniedAction": "drs:StartRecovery"}, {"DeniedAction": "drs:DescribeJobs"}])
    found = await checked()
    assert found == {"launch": [ok, fail, ok], "look": [fail, ok], "terminate": [ok]}
    aws.clear_faults()
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied", Mentions=["role%2Fterminate"])
    assert await checked() == {"launch": [ok, ok], "look": [ok], "terminate": [fail]}
    aws.clear_faults()
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied", Mentions=["role%2Flook"])
    found = await checked()
    assert found["look"] == [fail]
    assert fail not in found["launch"]
    assert warn not in found["terminate"]
