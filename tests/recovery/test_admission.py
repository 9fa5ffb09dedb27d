"""What may be launched now: within the quotas, nothing held back without need, nobody overtaken."""

from hypothesis import given
from hypothesis import strategies as st

from recovery.admission import Pack, Quotas, Wish, admit

QUOTAS = st.builds(
    Quotas,
    jobs=st.integers(1, 6),
    servers=st.integers(1, 60),
    servers_a_job=st.integers(1, 20),
)


@st.composite
def wishes(draw: st.DrawFn) -> list[Wish]:
    """Wishes of several waves, of two kinds that may not share a job."""
    return [
        Wish(
            key=f"w{number}",
            servers=draw(st.integers(1, 40)),
            group=draw(st.sampled_from(["DRILL", "RECOVERY"])),
            priority=draw(st.integers(1, 5)),
            remaining=draw(st.integers(0, 5)),
            since=draw(st.integers(0, 5)),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


def launched(packs: list[Pack], wish: Wish) -> int:
    return sum(pack.shares.get(wish.key, 0) for pack in packs)


@given(wishes(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_no_quota_is_ever_exceeded(
    wanted: list[Wish], quotas: Quotas, jobs: int, servers: int
) -> None:
    packs = admit(wanted, quotas, jobs=jobs, servers=servers)
    assert not packs or jobs + len(packs) <= quotas.jobs
    assert not packs or servers + sum(pack.servers for pack in packs) <= quotas.servers
    assert all(0 < pack.servers <= quotas.servers_a_job for pack in packs)
    assert all(launched(packs, wish) <= wish.servers for wish in wanted)


@given(wishes(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_who_waits_waits_for_a_quota_and_is_not_overtaken(
    wanted: list[Wish], quotas: Quotas, jobs: int, servers: int
) -> None:
    packs = admit(wanted, quotas, jobs=jobs, servers=servers)
    order = sorted(wanted, key=lambda w: (w.priority, -w.remaining, w.since, w.key))
    short = [n for n, wish in enumerate(order) if launched(packs, wish) < wish.servers]
    if not short:
        return
    assert not any(launched(packs, wish) for wish in order[short[0] + 1 :])
    is_full = servers + sum(pack.servers for pack in packs) >= quotas.servers
    assert is_full or jobs + len(packs) >= quotas.jobs


@given(wishes(), QUOTAS)
def test_a_drill_and_a_recovery_never_share_a_job(wanted: list[Wish], quotas: Quotas) -> None:
    group_of = {wish.key: wish.group for wish in wanted}
    for pack in admit(wanted, quotas, jobs=0, servers=0):
        assert {group_of[key] for key in pack.shares} == {pack.group}


def test_waves_of_several_plans_share_a_job() -> None:
    wanted = [Wish(key=f"plan{n}/db", servers=4) for n in range(100)]
    packs = admit(wanted, Quotas(), jobs=0, servers=0)
    assert [pack.servers for pack in packs] == [100] * 4


def test_the_plans_priority_goes_before_the_longest_chain() -> None:
    wanted = [
        Wish(key="long", servers=5, priority=3, remaining=900.0),
        Wish(key="urgent", servers=5, priority=1, remaining=100.0),
        Wish(key="short", servers=5, priority=3, remaining=100.0),
    ]
    (pack,) = admit(wanted, Quotas(servers=8), jobs=0, servers=0)
    assert pack.shares == {"urgent": 5, "long": 3}
