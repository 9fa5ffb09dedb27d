"""The worker looks up tags in DRS, and records what it finds."""

import pytest

from activities.membership.membership_activities import MembershipActivities
from aws.targets import TargetClients
from contract.readiness import MembershipRequest
from recovery.plan.members import TaggedMembership
from recovery.plan.membership import resolve
from recovery.plan.model import RecoveryPlan, Wave
from settings import Settings
from storage.plans import PlanTable
from tests.aws_in_process import REGION, Attempt, LocalAws, Temporal

TAGS = {"App": "crm", "Tier": "db"}
PLAN = RecoveryPlan(
    plan_id="crm",
    region=REGION,
    waves=[Wave(wave_id="db", servers=[], region=REGION, servers_by_tag=TAGS)],
)


async def look(settings: Settings, accepted: str | None = None) -> TaggedMembership:
    activity = MembershipActivities(TargetClients(settings), PlanTable(settings)).read_membership
    request = MembershipRequest(plan=PLAN, accepted=accepted)
    return await Attempt(Temporal()).run(activity, request)


def found(known: TaggedMembership) -> list[str]:
    (wave,) = known.found.waves
    return sorted(wave.servers)


def tagged(aws: LocalAws, number: int, **tags: str) -> list[str]:
    """New source servers with these tags."""
    return [each.source_server_id for each in aws.servers(number, Tags=tags)]


@pytest.fixture
async def table(aws: LocalAws, fast: Settings) -> PlanTable:
    """The plan table, and nothing in it."""
    table = PlanTable(fast)
    await table.create()
    return table


async def test_servers_with_all_tags_are_found_and_recorded(
    aws: LocalAws, fast: Settings, table: PlanTable
) -> None:
    both = tagged(aws, 3, **TAGS, Owner="ops")
    tagged(aws, 1, App="crm")
    tagged(aws, 1, App="crm", Tier="DB")
    first = await look(fast)
    assert (found(first), first.found.errors, first.recorded) == (both, [], None)
    more = tagged(aws, 1, **TAGS)
    second = await look(fast)
    assert found(second) == sorted(both + more)
    assert second.recorded is not None
    assert sorted(second.recorded.waves[0].servers) == both
    assert second.recorded.time == pytest.approx(first.found.time, abs=0.01)


async def test_fewer_servers_are_recorded_once_they_are_accepted(
    aws: LocalAws, fast: Settings, table: PlanTable
) -> None:
    servers = tagged(aws, 4, **TAGS)
    await look(fast)
    aws.apply(SourceServers=[{"SourceServerId": i, "Tags": {"Tier": "old"}} for i in servers[2:]])
    fewer = await look(fast)
    assert found(fewer) == servers[:2]
    again = await look(fast)
    assert again.recorded is not None
    assert len(again.recorded.waves[0].servers) == 4
    resolved = resolve(PLAN, again, is_drill=True).plan
    assert resolved is not None
    await look(fast, accepted=resolved.plan_hash)
    recorded = await table.recorded_servers("crm")
    assert recorded is not None
    assert sorted(recorded.waves[0].servers) == servers[:2]


async def test_what_cannot_be_read_is_an_error_and_leaves_the_record(
    aws: LocalAws, fast: Settings, table: PlanTable
) -> None:
    servers = tagged(aws, 2, **TAGS)
    await look(fast)
    aws.apply(Faults=[{"Operation": "DescribeSourceServers", "Error": "AccessDeniedException"}])
    unread = await look(fast)
    assert unread.found.waves == []
    assert "AccessDenied" in unread.found.errors[0]
    assert unread.recorded is not None
    assert sorted(unread.recorded.waves[0].servers) == servers


async def test_without_a_plan_table_what_drs_has_is_known_all_the_same(
    aws: LocalAws, fast: Settings
) -> None:
    servers = tagged(aws, 1, **TAGS)
    known = await look(fast)
    assert found(known) == servers
    assert "The table does not exist" in str(known.recorded_error)
