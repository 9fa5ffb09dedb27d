"""Which servers a plan with ServersByTag launches: pure."""

from collections.abc import Sequence

import pytest

from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import IntendedStart, start_options_refusal
from recovery.plan.members import (
    FoundServers,
    MembershipKind,
    RecordedServers,
    TaggedMembership,
)
from recovery.plan.membership import (
    Resolution,
    asked_of,
    membership_facts,
    resolve,
    to_record,
    unresolved_problem,
    with_recorded,
)
from recovery.plan.model import RecoveryPlan, Server, Wave
from tests.recovery.plans import server_id

DB, WEB = {"App": "crm", "Tier": "db"}, {"App": "crm", "Tier": "web"}


def plan(*waves: Wave) -> RecoveryPlan:
    """A plan with two waves by tags, or these."""
    own = [
        Wave(wave_id="db", servers=[], region="us-west-2", servers_by_tag=DB),
        Wave(wave_id="web", servers=[], region="us-west-2", servers_by_tag=WEB),
    ]
    return RecoveryPlan(plan_id="crm", region="us-west-2", waves=list(waves) or own)


def ids(first: int, number: int) -> list[str]:
    return [server_id(each) for each in range(first, first + number)]


def found(of: RecoveryPlan, *servers: Sequence[str], error: str | None = None) -> FoundServers:
    """What DRS has for the waves with tags, in their order."""
    asked = [asked_of(wave) for wave in of.waves if wave.servers_by_tag]
    waves = [
        each.model_copy(update={"servers": dict.fromkeys(some)})
        for each, some in zip(asked, servers, strict=False)
    ]
    return FoundServers(time=2000.0, waves=waves, errors=[error] if error else [])


def known(
    of: RecoveryPlan,
    now: Sequence[Sequence[str]],
    before: Sequence[Sequence[str]] | None = None,
    *,
    error: str | None = None,
) -> TaggedMembership:
    """What a look found now, and what was recorded before."""
    recorded = None
    if before is not None:
        recorded = RecordedServers(time=1000.0, waves=found(of, *before).waves)
    return TaggedMembership(found=found(of, *now, error=error), recorded=recorded)


def servers_of(resolution: Resolution) -> list[list[str]]:
    assert resolution.plan is not None, resolution.problem
    return [list(wave.server_ids) for wave in resolution.plan.waves]


@pytest.mark.parametrize("is_drill", [True, False])
def test_what_is_found_is_launched_and_covered_by_the_hash(is_drill: bool) -> None:
    now = [ids(1, 2), ids(3, 1)]
    resolution = resolve(plan(), known(plan(), now), is_drill=is_drill)
    assert servers_of(resolution) == now
    assert resolution.shrunk == ()
    resolved = resolution.plan
    assert resolved is not None
    assert resolved.plan_hash != plan().plan_hash
    other = resolve(plan(), known(plan(), [ids(1, 3), ids(7, 1)]), is_drill=is_drill).plan
    assert other is not None
    assert other.plan_hash != resolved.plan_hash
    # When it was looked up has no effect.
    later = resolved.model_copy(
        update={
            "membership": resolved.membership
            and resolved.membership.model_copy(update={"time": 9.0})
        }
    )
    assert later.plan_hash == resolved.plan_hash
    assert resolved.as_in_file() == plan()
    assert resolved.file_hash == plan().plan_hash


@pytest.mark.parametrize("is_drill", [True, False])
def test_nothing_found_is_an_error_that_names_wave_and_tags(is_drill: bool) -> None:
    resolution = resolve(plan(), known(plan(), [ids(1, 2), []]), is_drill=is_drill)
    assert resolution.plan is None
    assert "web: DRS has no source server with App=crm, Tier=web" in str(resolution.problem)


@pytest.mark.parametrize("is_drill", [True, False])
def test_a_server_that_two_waves_match_is_an_error(is_drill: bool) -> None:
    resolution = resolve(plan(), known(plan(), [ids(1, 2), ids(2, 2)]), is_drill=is_drill)
    assert resolution.plan is None
    assert f"{server_id(2)} is in db and web" in str(resolution.problem)


def test_a_server_that_another_wave_lists_is_an_error() -> None:
    listed = Wave(
        wave_id="app", servers=[Server(source_server_id=server_id(1))], region="us-west-2"
    )
    mixed = plan(plan().waves[0], listed)
    resolution = resolve(mixed, known(mixed, [ids(1, 2)]), is_drill=True)
    assert f"{server_id(1)} is in db and app" in str(resolution.problem)


def test_too_many_servers_of_a_wave_are_an_error() -> None:
    resolution = resolve(plan(), known(plan(), [ids(1, 501), ids(900, 1)]), is_drill=True)
    assert "501 servers have App=crm, Tier=db; at most 500 a wave" in str(resolution.problem)


def test_a_tenth_fewer_is_launched_and_more_than_that_is_confirmed_in_a_drill() -> None:
    before = [ids(1, 10), ids(20, 1)]
    tenth = resolve(plan(), known(plan(), [ids(2, 9), ids(20, 1)], before), is_drill=True)
    assert tenth.shrunk == ()
    more = resolve(plan(), known(plan(), [ids(3, 8), ids(20, 1)], before), is_drill=True)
    (text,) = more.shrunk
    assert text.startswith("db has 8 servers with App=crm, Tier=db, and had 10; gone are ")
    assert server_id(1) in text
    assert servers_of(more) == [ids(3, 8), ids(20, 1)]


def test_a_recovery_launches_the_recorded_servers_where_many_are_gone_and_says_so() -> None:
    before, now = [ids(1, 10), ids(20, 1)], [[*ids(6, 5), server_id(15)], ids(20, 1)]
    resolution = resolve(plan(), known(plan(), now, before), is_drill=False)
    assert servers_of(resolution) == before
    assert resolution.plan is not None
    membership = resolution.plan.membership
    assert membership is not None
    assert (membership.kind, membership.time) == (MembershipKind.RECORDED, 1000.0)
    assert (membership.added, membership.gone) == ([server_id(15)], ids(1, 5))
    facts = membership_facts(resolution.plan)
    assert facts["Added"] == f"+ {server_id(15)}; not launched"
    assert facts["Gone"].endswith("; launched all the same")


@pytest.mark.parametrize("now", [[ids(1, 2), []], [ids(1, 2), ids(2, 2)]])
def test_a_recovery_launches_the_recorded_servers_where_those_found_cannot_be(
    now: list[list[str]],
) -> None:
    before = [ids(1, 2), ids(20, 1)]
    assert servers_of(resolve(plan(), known(plan(), now, before), is_drill=False)) == before


def test_where_drs_cannot_be_read_a_recovery_has_the_recorded_servers_and_a_drill_none() -> None:
    unread = known(plan(), [], [ids(1, 2), ids(20, 1)], error="us-west-2: DRS did not answer")
    resolution = resolve(plan(), unread, is_drill=False)
    assert servers_of(resolution) == [ids(1, 2), ids(20, 1)]
    assert resolution.plan is not None
    assert resolution.plan.membership is not None
    # What could not be read is not gone.
    assert resolution.plan.membership.gone == []
    assert "did not answer" in str(resolution.plan.membership.reason)
    assert "did not answer" in str(resolve(plan(), unread, is_drill=True).problem)
    nothing = known(plan(), [], error="us-west-2: DRS did not answer")
    assert "no servers are recorded" in str(resolve(plan(), nothing, is_drill=False).problem)


def test_a_record_of_other_tags_or_of_another_region_counts_for_nothing() -> None:
    before = [ids(1, 10), ids(20, 1)]
    other = plan()
    other.waves[0].servers_by_tag = {"App": "crm"}
    other.waves[1].region = "eu-west-1"
    old = known(plan(), [], before).recorded
    now = TaggedMembership(found=found(other, ids(1, 1), ids(20, 1)), recorded=old)
    assert resolve(other, now, is_drill=True).shrunk == ()
    assert with_recorded(other, old) == other
    assert [len(w.servers) for w in with_recorded(plan(), old).waves] == [10, 1]


def test_far_fewer_servers_are_recorded_only_once_they_were_confirmed() -> None:
    before, fewer = [ids(1, 10), ids(20, 1)], [ids(1, 5), ids(20, 1)]
    assert to_record(plan(), known(plan(), before), accepted=None) is not None
    more = [ids(1, 12), ids(20, 1)]
    assert to_record(plan(), known(plan(), more, before), accepted=None) is not None
    shrunk = known(plan(), fewer, before)
    assert to_record(plan(), shrunk, accepted=None) is None
    assert to_record(plan(), shrunk, accepted="0" * 64) is None
    resolved = resolve(plan(), shrunk, is_drill=True).plan
    assert resolved is not None
    assert to_record(plan(), shrunk, accepted=resolved.plan_hash) is not None
    for bad in (known(plan(), [ids(1, 2), []]), known(plan(), before, error="denied")):
        assert to_record(plan(), bad, accepted=None) is None


def test_a_plan_whose_tags_nobody_looked_up_is_not_started() -> None:
    problem = unresolved_problem(plan())
    start = IntendedStart("crm", ExecutionType.DRILL, members_problem=problem)
    refusal = start_options_refusal(start)
    assert refusal is not None
    assert "named by tags, which were not looked up" in refusal.text
    assert "db (App=crm, Tier=db)" in refusal.text


def test_what_continues_an_execution_has_its_servers() -> None:
    earlier = resolve(plan(), known(plan(), [ids(1, 2), ids(20, 1)]), is_drill=False).plan
    assert earlier is not None
    assert plan().with_members_of(earlier) == earlier
    other = plan()
    other.waves[0].servers_by_tag = {"App": "other"}
    continued = other.with_members_of(earlier)
    assert [list(w.server_ids) for w in continued.waves] == [[], ids(20, 1)]
