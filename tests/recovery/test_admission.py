"""What may be launched now: within the quotas, nothing held back without need, nobody overtaken."""

from hypothesis import given
from hypothesis import strategies as st

from recovery.launch.admission import Pack, Quotas, Wish, admit

QUOTAS = st.builds(
    Quotas,
    jobs=st.integers(1, 6),
    servers=st.integers(10, 60),
    servers_a_job=st.integers(10, 20),
)


@st.composite
def wishes(draw: st.DrawFn) -> list[Wish]:
    """Wishes of several waves, of two kinds that may not share a job."""
    return [
        Wish(
            key=f"w{number}",
            servers=draw(st.integers(1, 10)),
            wave=draw(st.sampled_from("abcd")),
            group=draw(st.sampled_from(["DRILL", "RECOVERY"])),
            priority=draw(st.integers(1, 5)),
            remaining=draw(st.integers(0, 5)),
            since=draw(st.integers(0, 5)),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


def admitted(packs: list[Pack]) -> list[str]:
    return [key for pack in packs for key in pack.keys]


@given(wishes(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_no_quota_is_ever_exceeded(
    wanted: list[Wish], quotas: Quotas, jobs: int, servers: int
) -> None:
    packs = admit(wanted, quotas, jobs=jobs, servers=servers)
    assert not packs or jobs + len(packs) <= quotas.jobs
    assert not packs or servers + sum(pack.servers for pack in packs) <= quotas.servers
    assert all(0 < pack.servers <= quotas.servers_a_job for pack in packs)
    keys = admitted(packs)
    assert len(keys) == len(set(keys))


@given(wishes(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_who_waits_waits_for_a_quota_and_is_not_overtaken(
    wanted: list[Wish], quotas: Quotas, jobs: int, servers: int
) -> None:
    packs = admit(wanted, quotas, jobs=jobs, servers=servers)
    order = sorted(wanted, key=lambda w: w.order)
    keys = set(admitted(packs))
    waiting = [n for n, wish in enumerate(order) if wish.key not in keys]
    if not waiting:
        return
    first = order[waiting[0]]
    assert keys == {wish.key for wish in order[: waiting[0]]}
    in_jobs = servers + sum(pack.servers for pack in packs)
    is_full = in_jobs + first.servers > quotas.servers
    assert is_full or jobs + len(packs) >= quotas.jobs


@given(wishes(), QUOTAS)
def test_a_drill_and_a_recovery_never_share_a_job(wanted: list[Wish], quotas: Quotas) -> None:
    for pack in admit(wanted, quotas, jobs=0, servers=0):
        assert {wish.group for wish in pack.wishes} == {pack.group}


def test_waves_of_several_plans_share_jobs_where_those_are_scarce() -> None:
    wanted = [Wish(key=f"plan{n}/db", servers=4, wave=f"plan{n}/db") for n in range(100)]
    packs = admit(wanted, Quotas(), jobs=10, servers=0)
    assert [pack.servers for pack in packs] == [100] * 4


def test_waves_have_jobs_of_their_own_while_half_of_those_are_free() -> None:
    wanted = [Wish(key=f"{n}/{part}", servers=10, wave=f"{n}") for n in range(3) for part in "ab"]
    packs = admit(wanted, Quotas(), jobs=5, servers=0)
    assert [pack.keys for pack in packs] == [["0/a", "0/b"], ["1/a", "1/b"], ["2/a", "2/b"]]


def test_more_than_a_quota_allows_is_launched_when_nothing_else_runs() -> None:
    wish = Wish(key="w", servers=10)
    assert admit([wish], Quotas(servers=5), jobs=1, servers=1) == []
    assert len(admit([wish], Quotas(servers=5), jobs=0, servers=0)) == 1


def test_launch_ids_of_a_job_fit_into_its_tags() -> None:
    wanted = [Wish(key=f"w{n}", servers=1, wave=f"w{n}") for n in range(100)]
    packs = admit(wanted, Quotas(), jobs=15, servers=0)
    assert max(len(pack.keys) for pack in packs) <= 50
    assert len(admitted(packs)) == 100


def test_the_plans_priority_goes_before_the_longest_chain() -> None:
    wanted = [
        Wish(key="long", servers=5, priority=3, remaining=900.0),
        Wish(key="urgent", servers=3, priority=1, remaining=100.0),
        Wish(key="short", servers=5, priority=3, remaining=100.0),
    ]
    (pack,) = admit(wanted, Quotas(servers=8), jobs=0, servers=0)
    assert pack.keys == ["urgent", "long"]
