"""Registered plans: every version is complete and counted once, also if registered at once."""

import asyncio
from typing import Any

import pytest

from recovery.plan.members import RecordedServers, TaggedServers
from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import PlanOrigin
from settings import Settings
from storage.plans import NewerVersionError, PlanTable, PlanTableError
from tests.aws_in_process import LocalAws
from tests.recovery.plans import diamond, server_id, wave


@pytest.fixture
async def table(aws: LocalAws) -> PlanTable:
    """The table, and nothing in it."""
    table = PlanTable(Settings())
    assert await table.create()
    return table


def named(name: str, plan_id: str = "crm") -> RecoveryPlan:
    """A plan that differs from others by its name."""
    return diamond().model_copy(update={"plan_id": plan_id, "plan_name": name})


def items(aws: LocalAws, table: PlanTable) -> list[dict[str, Any]]:
    """All that is in the table."""
    found: list[dict[str, Any]] = aws.client("dynamodb").scan(TableName=table.name)["Items"]
    return found


def spoil(aws: LocalAws, table: PlanTable, item: str, **fields: Any) -> None:
    """Write other fields into an item, as a user might by hand."""
    (found,) = [each for each in items(aws, table) if each["Item"]["S"].startswith(item)]
    aws.client("dynamodb").put_item(TableName=table.name, Item={**found, **fields})


async def test_each_change_is_a_version_with_its_author_and_the_newest_is_run(
    table: PlanTable,
) -> None:
    first, is_new = await table.register(named("One"), author="ops")
    second, _ = await table.register(named("Two"), author="night")
    assert is_new
    assert [(v.version, v.author, v.plan_name) for v in await table.versions("crm")] == [
        (2, "night", "Two"),
        (1, "ops", "One"),
    ]
    newest, older = await table.plan("crm"), await table.plan("crm", 1)
    assert newest is not None
    assert newest.version == second
    assert newest.plan == named("Two")
    assert older is not None
    assert older.version == first
    assert older.plan.plan_name == "One"


async def test_the_same_plan_again_is_no_new_version_whoever_sends_it(table: PlanTable) -> None:
    first, _ = await table.register(named("One"), author="ops")
    plan = named("One")
    plan.waves.reverse()
    assert await table.register(plan, author="night") == (first, False)


async def test_an_earlier_plan_again_is_a_new_version(table: PlanTable) -> None:
    for name in ("One", "Two", "One"):
        await table.register(named(name), author="ops")
    assert [v.plan_name for v in await table.versions("crm")] == ["One", "Two", "One"]


async def test_what_is_not_registered_is_not_there(table: PlanTable) -> None:
    await table.register(named("One"), author="ops")
    assert await table.plan("crm", 2) is None
    assert await table.plan("cr") is None
    assert await table.versions("cr") == []


async def test_the_latest_versions_are_sorted_by_plan_id(table: PlanTable) -> None:
    assert await table.latest() == []
    for plan in (named("Web", "web"), named("One"), named("Two")):
        await table.register(plan, author="ops")
    assert [(v.plan_id, v.version) for v in await table.latest()] == [("crm", 2), ("web", 1)]


async def test_versions_that_are_registered_at_once_are_all_kept(table: PlanTable) -> None:
    plans = [named(f"Plan {number}") for number in range(8)]
    registered = await asyncio.gather(*(table.register(plan, author="ops") for plan in plans))
    assert sorted(version.version for version, _ in registered) == list(range(1, 9))
    kept = {v.version: v.plan_name for v in await table.versions("crm")}
    assert kept == {version.version: version.plan_name for version, _ in registered}


async def test_the_same_plan_registered_at_once_is_one_version(table: PlanTable) -> None:
    versions = await asyncio.gather(*(table.register(named("One"), author="ops") for _ in range(8)))
    assert [is_new for _, is_new in versions].count(True) == 1
    assert len(await table.versions("crm")) == 1


async def test_ten_versions_stay_in_order(table: PlanTable) -> None:
    for number in range(1, 12):
        await table.register(named(f"Plan {number}"), author="ops")
    assert [v.version for v in await table.versions("crm")] == list(range(11, 0, -1))


async def test_a_plan_of_several_chunks_is_read_back_whole(aws: LocalAws, table: PlanTable) -> None:
    waves = [wave(f"wave-{number}", number) for number in range(1000)]
    plan = RecoveryPlan(plan_id="large", region="us-west-2", waves=waves)
    assert len(plan.model_dump_json(exclude_none=True)) > 200_000
    await table.register(plan, author="ops")
    texts = [item for item in items(aws, table) if item["Item"]["S"].startswith("TEXT#")]
    assert len(texts) > 2
    found = await table.plan(plan.plan_id)
    assert found is not None
    assert found.plan == plan
    assert (found.version.waves, found.version.servers) == (1000, plan.server_count)


@pytest.mark.parametrize("text", ["", "nonsense", '{"PlanId": "other"}'])
async def test_a_version_with_a_damaged_text_is_not_run_and_registering_it_again_repairs_it(
    aws: LocalAws, table: PlanTable, text: str
) -> None:
    await table.register(named("One"), author="ops")
    spoil(aws, table, "TEXT#", Text={"S": text})
    with pytest.raises(PlanTableError, match=r"Version 1 of crm .* register the plan again"):
        await table.plan("crm")
    await table.register(named("One"), author="ops")
    found = await table.plan("crm")
    assert found is not None
    assert found.plan == named("One")


@pytest.mark.parametrize("fields", [{"Author": {"N": "5"}}, {"Waves": {"S": "many"}}])
async def test_an_unreadable_newest_version_is_reported_and_replaced_by_registering_again(
    aws: LocalAws, table: PlanTable, fields: dict[str, Any]
) -> None:
    await table.register(named("One"), author="ops")
    await table.register(named("Two"), author="ops")
    spoil(aws, table, "VERSION#00002", **fields)
    # An older version must not pass for the newest.
    for reading in (table.plan("crm"), table.versions("crm")):
        with pytest.raises(PlanTableError, match=r"VERSION#00002 of plan crm .* register it again"):
            await reading
    assert (await table.register(named("Two"), author="night"))[0].version == 3
    assert [v.version for v in await table.versions("crm")] == [3, 1]
    assert [v.version for v in await table.latest()] == [3]


async def test_a_missing_table_is_reported_with_what_to_do(aws: LocalAws) -> None:
    table = PlanTable(Settings())
    for reading in (table.latest(), table.versions("crm"), table.plan("crm")):
        with pytest.raises(PlanTableError, match="drs-waves init-tables"):
            await reading
    with pytest.raises(PlanTableError, match="drs-waves init-tables"):
        await table.register(named("One"), author="ops")


async def test_a_registration_whose_response_is_lost_is_reported_and_can_be_sent_again(
    aws: LocalAws, table: PlanTable
) -> None:
    aws.fault("PutItem", Service="dynamodb", Effect="answer-lost", Times=1)
    version, _ = await table.register(named("One"), author="ops")
    assert version.version == 1
    assert len(await table.versions("crm")) == 1


async def test_the_newest_plans_are_read_and_one_that_is_incomplete_is_named(
    table: PlanTable, aws: LocalAws
) -> None:
    for plan in (named("Web", "web"), named("One"), named("Two")):
        await table.register(plan, author="ops")
    plans, unread = await table.newest()
    assert [each.plan.plan_name for each in plans] == ["Two", "Web"]
    assert unread == []
    spoil(aws, table, "VERSION#00002", TextHash={"S": "lost"})
    plans, unread = await table.newest()
    assert [each.plan.plan_name for each in plans] == ["Web"]
    assert unread[0].startswith("Version 2 of crm")


async def test_a_removed_plan_keeps_its_versions_and_is_not_listed(table: PlanTable) -> None:
    await table.register(named("One"), author="ops")
    with pytest.raises(NewerVersionError, match="version 2 is not the newest; ops registered"):
        await table.remove("crm", by="bo", after=2)
    removed = await table.remove("crm", by="bo", after=1)
    assert (removed.removed_by, removed.is_removed) == ("bo", True)
    assert await table.remove("crm", by="cy", after=1) == removed
    assert (await table.latest(), await table.registered_plan("crm")) == ([], None)
    assert await table.latest(with_removed=True) == [removed]
    assert await table.plan("crm") is not None
    again, is_new = await table.register(named("One"), author="ops")
    assert (again.version, again.is_removed, is_new) == (2, False, True)
    assert await table.registered_plan("crm") is not None


async def test_the_version_of_a_time_is_the_newest_before_it_unless_it_was_removed(
    table: PlanTable,
) -> None:
    first, _ = await table.register(named("One"), author="ops")
    second, _ = await table.register(named("Two"), author="ops")
    removed = await table.remove("crm", by="bo", after=2)
    assert removed.removed_time is not None
    times = (
        first.registered_time - 1,
        first.registered_time,
        second.registered_time,
        removed.removed_time + 1,
    )
    found = [await table.plan_at("crm", each) for each in times]
    assert [each and each.plan.plan_name for each in found] == [None, "One", "Two", None]


async def test_a_file_that_is_registered_by_hand_stays_in_its_directory(table: PlanTable) -> None:
    origin = PlanOrigin(source="git/plans", commit="1", commit_author="ada")
    await table.register(named("One"), author="ci", origin=origin)
    by_hand, _ = await table.register(named("Two"), author="ops")
    assert (by_hand.source, by_hand.commit, by_hand.by) == ("git/plans", None, "ops")


async def test_recorded_servers_are_read_back_whole(table: PlanTable) -> None:
    assert await table.recorded_servers("crm") is None
    tags, region = {"App": "crm"}, "us-west-2"
    for number in (4000, 1):
        servers = {server_id(each): "a name of sixty-four bytes" * 2 for each in range(number)}
        wave = TaggedServers(wave_id="db", tags=tags, region=region, servers=dict(servers))
        recorded = RecordedServers(time=1.5 * number, waves=[wave])
        await table.record_servers("crm", recorded)
        assert await table.recorded_servers("crm") == recorded
