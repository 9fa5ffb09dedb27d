"""The worker compares source servers with registered plans and their drills."""

import json
import time
from typing import Any

import pytest

from activities.coverage.coverage_activities import CoverageActivities, targets_to_read
from aws.targets import TargetClients
from contract.readiness import CoverageRequest
from recovery.access.allow_list import AllowList
from recovery.access.allow_list_file import parse_allow_list
from recovery.coverage.gaps import Coverage, GapCode
from recovery.execution.state import PlanStatus
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from settings import Settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from tests.aws_in_process import ACCOUNT, OTHER_ACCOUNT, REGION, Attempt, LocalAws, Temporal
from tests.storage.test_history import execution, record

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"


@pytest.fixture
async def tables(aws: LocalAws, fast: Settings) -> tuple[PlanTable, HistoryTable]:
    """Empty tables."""
    plans, history = PlanTable(fast), HistoryTable(fast)
    await plans.create()
    await history.create()
    return plans, history


async def read(settings: Settings, **allowed: Any) -> Coverage:
    if allowed:
        settings = settings.model_copy(update={"allow_list": json.dumps({"Targets": [allowed]})})
    clients = TargetClients(settings)
    activity = CoverageActivities(clients, PlanTable(settings), HistoryTable(settings))
    return await Attempt(Temporal()).run(activity.read_coverage, CoverageRequest())


def plan(plan_id: str, servers: list[Server], region: str = REGION) -> RecoveryPlan:
    wave = Wave(wave_id="db", servers=servers, region=region)
    return RecoveryPlan(plan_id=plan_id, waves=[wave])


def codes(found: Coverage) -> list[GapCode]:
    return [gap.code for gap in found.gaps]


async def test_servers_and_drills_are_compared_with_the_registered_plans(
    aws: LocalAws, fast: Settings, tables: tuple[PlanTable, HistoryTable]
) -> None:
    plans, history = tables
    covered, forgotten = aws.servers(2), aws.servers(1, Name="forgotten")
    crm = plan("crm", covered)
    await plans.register(plan("crm", [*covered, *forgotten]), author="ops")
    await plans.register(crm, author="ops")
    drill = execution(crm, start=time.time() - 60, end_time=time.time())
    await history.write(record(drill.model_copy(update={"status": PlanStatus.COMPLETED}), crm))
    found = await read(fast)
    assert codes(found) == [GapCode.IN_NO_PLAN]
    assert found.gaps[0].source_server_id == forgotten[0].source_server_id
    assert found.gaps[0].account_id == ACCOUNT
    assert "no allow-list" in found.notes[0]
    await plans.register(plan("crm", [*covered, *forgotten]), author="ops")
    assert codes(await read(fast)) == [GapCode.CHANGED_SINCE_DRILL]


async def test_targets_of_the_allow_list_are_read_though_no_plan_names_them(
    aws: LocalAws, fast: Settings, tables: tuple[PlanTable, HistoryTable]
) -> None:
    (there,) = aws.servers(1, Region="eu-central-1")
    found = await read(fast, AccountIds=[ACCOUNT], Regions=[REGION, "eu-central-1"])
    assert [gap.source_server_id for gap in found.gaps] == [there.source_server_id]
    assert [(t.region, t.servers) for t in found.targets] == [(REGION, 0), ("eu-central-1", 1)]
    assert found.notes == []


async def test_a_target_that_cannot_be_read_is_unknown_with_the_permission(
    aws: LocalAws, fast: Settings, tables: tuple[PlanTable, HistoryTable]
) -> None:
    aws.fault("DescribeSourceServers", Error="AccessDeniedException")
    found = await read(fast, AccountIds=[ACCOUNT], Regions=[REGION])
    assert codes(found) == [GapCode.UNKNOWN]
    assert found.gaps[0].permission == "drs:DescribeSourceServers"
    assert not found.is_complete
    aws.clear_faults()
    assert (await read(fast, AccountIds=[ACCOUNT], Regions=[REGION])).is_complete


async def test_a_role_that_cannot_be_assumed_is_unknown_with_that_permission(
    aws: LocalAws, fast: Settings, tables: tuple[PlanTable, HistoryTable]
) -> None:
    aws.fault("AssumeRole", Service="sts", Error="AccessDenied")
    found = await read(fast, AccountIds=[OTHER_ACCOUNT], Regions=[REGION], RoleArns=[ROLE])
    assert codes(found) == [GapCode.UNKNOWN]
    assert (found.gaps[0].permission, found.gaps[0].role_arn) == ("sts:AssumeRole", ROLE)


async def test_tables_that_are_missing_are_unknown(aws: LocalAws, fast: Settings) -> None:
    found = await read(fast)
    assert codes(found) == [GapCode.UNKNOWN, GapCode.UNKNOWN]
    assert "init-tables" in found.gaps[0].message


def allowed(*entries: dict[str, Any]) -> AllowList:
    return parse_allow_list(json.dumps({"Targets": list(entries)}), source="list")


def test_an_allow_list_names_its_targets_as_far_as_it_has_no_globs() -> None:
    any_role = "arn:aws:iam::*:role/drs-waves"
    accounts = [ACCOUNT, OTHER_ACCOUNT]
    by_account = {"AccountIds": accounts, "Regions": [REGION], "RoleArns": [any_role]}
    targets, notes = targets_to_read([], allowed(by_account))
    assert targets == [
        Target(region=REGION, role_arn=any_role.replace("*", account)) for account in accounts
    ]
    assert notes == []
    named = plan("crm", [], region="us-east-1")
    globs = {"AccountIds": ["*"], "Regions": ["us-*"], "RoleArns": [any_role]}
    targets, notes = targets_to_read([named], allowed(globs))
    assert targets == [Target(region="us-east-1")]
    assert "has globs" in notes[0]
