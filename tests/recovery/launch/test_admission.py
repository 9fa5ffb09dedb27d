"""Admission: within the quotas, nothing delayed without need, nothing overtaken."""

from hypothesis import given
from hypothesis import strategies as st

from recovery.launch.admission import AdmissionRequest, PlannedJob, Quotas, admit

QUOTAS = st.builds(
    Quotas,
    jobs=st.integers(1, 6),
    servers=st.integers(10, 60),
    servers_per_job=st.integers(10, 20),
)


@st.composite
def requests(draw: st.DrawFn) -> list[AdmissionRequest]:
    """Wishes of several waves, of two kinds that may not share a job."""
    return [
        AdmissionRequest(
            key=f"w{number}",
            servers=draw(st.integers(1, 10)),
            wave=draw(st.sampled_from("abcd")),
            group=draw(st.sampled_from(["DRILL", "RECOVERY"])),
            priority=draw(st.integers(1, 5)),
            remaining_seconds=draw(st.integers(0, 5)),
            queued_time=draw(st.integers(0, 5)),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


def admitted(planned: list[PlannedJob]) -> list[str]:
    return [key for job in planned for key in job.keys]


@given(requests(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_no_quota_is_ever_exceeded(
    wanted: list[AdmissionRequest], quotas: Quotas, jobs: int, servers: int
) -> None:
    planned = admit(wanted, quotas, jobs=jobs, servers=servers)
    assert not planned or jobs + len(planned) <= quotas.jobs
    assert not planned or servers + sum(job.servers for job in planned) <= quotas.servers
    assert all(0 < job.servers <= quotas.servers_per_job for job in planned)
    keys = admitted(planned)
    assert len(keys) == len(set(keys))


@given(requests(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_a_launch_waits_only_for_a_quota_and_is_not_overtaken(
    wanted: list[AdmissionRequest], quotas: Quotas, jobs: int, servers: int
) -> None:
    planned = admit(wanted, quotas, jobs=jobs, servers=servers)
    order = sorted(wanted, key=lambda w: w.order)
    keys = set(admitted(planned))
    waiting = [n for n, request in enumerate(order) if request.key not in keys]
    if not waiting:
        return
    first = order[waiting[0]]
    assert keys == {request.key for request in order[: waiting[0]]}
    in_jobs = servers + sum(job.servers for job in planned)
    is_full = in_jobs + first.servers > quotas.servers
    assert is_full or jobs + len(planned) >= quotas.jobs


@given(requests(), QUOTAS)
def test_a_drill_and_a_recovery_never_share_a_job(
    wanted: list[AdmissionRequest], quotas: Quotas
) -> None:
    for job in admit(wanted, quotas, jobs=0, servers=0):
        assert {request.group for request in job.requests} == {job.group}


def test_waves_of_several_plans_share_jobs_where_those_are_scarce() -> None:
    wanted = [
        AdmissionRequest(key=f"plan{n}/db", servers=4, wave=f"plan{n}/db") for n in range(100)
    ]
    planned = admit(wanted, Quotas(), jobs=10, servers=0)
    assert [job.servers for job in planned] == [100] * 4


def test_waves_have_jobs_of_their_own_while_half_of_those_are_free() -> None:
    wanted = [
        AdmissionRequest(key=f"{n}/{part}", servers=10, wave=f"{n}")
        for n in range(3)
        for part in "ab"
    ]
    planned = admit(wanted, Quotas(), jobs=5, servers=0)
    assert [job.keys for job in planned] == [["0/a", "0/b"], ["1/a", "1/b"], ["2/a", "2/b"]]


def test_more_than_a_quota_allows_is_launched_when_nothing_else_runs() -> None:
    request = AdmissionRequest(key="w", servers=10)
    assert admit([request], Quotas(servers=5), jobs=1, servers=1) == []
    assert len(admit([request], Quotas(servers=5), jobs=0, servers=0)) == 1


def test_launch_ids_of_a_job_fit_into_its_tags() -> None:
    wanted = [AdmissionRequest(key=f"w{n}", servers=1, wave=f"w{n}") for n in range(100)]
    planned = admit(wanted, Quotas(), jobs=15, servers=0)
    assert max(len(job.keys) for job in planned) <= 50
    assert len(admitted(planned)) == 100


def test_the_plans_priority_goes_before_the_longest_chain() -> None:
    wanted = [
        AdmissionRequest(key="long", servers=5, priority=3, remaining_seconds=900.0),
        AdmissionRequest(key="urgent", servers=3, priority=1, remaining_seconds=100.0),
        AdmissionRequest(key="short", servers=5, priority=3, remaining_seconds=100.0),
    ]
    (job,) = admit(wanted, Quotas(servers=8), jobs=0, servers=0)
    assert job.keys == ["urgent", "long"]
