"""Admission: within the quotas, nothing delayed without need, nothing overtaken."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recovery.launch.admission import Batch, QueuedLaunch, Quotas, admit

QUOTAS = st.builds(
    Quotas,
    jobs=st.integers(1, 6),
    servers=st.integers(10, 60),
    servers_per_job=st.integers(10, 20),
)


def launch(launch_id: str, servers: int, **fields: Any) -> QueuedLaunch:
    """A launch of so many servers."""
    return QueuedLaunch(
        **{
            "launch_id": launch_id,
            "server_ids": tuple(f"s-{launch_id}-{n}" for n in range(servers)),
            "wave": "",
            "queued_time": 0.0,
            "launch_before": 1e9,
        }
        | fields
    )


@st.composite
def launches(draw: st.DrawFn) -> list[QueuedLaunch]:
    """Wishes of several waves, of two kinds that may not share a job."""
    return [
        launch(
            f"w{number}",
            draw(st.integers(1, 10)),
            wave=draw(st.sampled_from("abcd")),
            share_key=draw(st.sampled_from(["DRILL", "RECOVERY"])),
            priority=draw(st.integers(1, 5)),
            remaining_seconds=draw(st.integers(0, 5)),
            queued_time=draw(st.integers(0, 5)),
        )
        for number in range(draw(st.integers(0, 10)))
    ]


def admitted(planned: list[Batch]) -> list[str]:
    return [key for job in planned for key in job.launch_ids]


@given(launches(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_no_quota_is_ever_exceeded(
    wanted: list[QueuedLaunch], quotas: Quotas, jobs: int, servers: int
) -> None:
    planned = admit(wanted, quotas, jobs=jobs, servers=servers)
    assert not planned or jobs + len(planned) <= quotas.jobs
    assert not planned or servers + sum(len(job.server_ids) for job in planned) <= quotas.servers
    assert all(0 < len(job.server_ids) <= quotas.servers_per_job for job in planned)
    keys = admitted(planned)
    assert len(keys) == len(set(keys))


@given(launches(), QUOTAS, st.integers(0, 6), st.integers(0, 60))
def test_a_launch_waits_only_for_a_quota_and_is_not_overtaken(
    wanted: list[QueuedLaunch], quotas: Quotas, jobs: int, servers: int
) -> None:
    planned = admit(wanted, quotas, jobs=jobs, servers=servers)
    order = sorted(wanted, key=lambda w: w.order)
    keys = set(admitted(planned))
    waiting = [n for n, request in enumerate(order) if request.launch_id not in keys]
    if not waiting:
        return
    first = order[waiting[0]]
    assert keys == {request.launch_id for request in order[: waiting[0]]}
    in_jobs = servers + sum(len(job.server_ids) for job in planned)
    is_full = in_jobs + len(first.server_ids) > quotas.servers
    assert is_full or jobs + len(planned) >= quotas.jobs


@given(launches(), QUOTAS)
def test_a_drill_and_a_recovery_never_share_a_job(
    wanted: list[QueuedLaunch], quotas: Quotas
) -> None:
    for job in admit(wanted, quotas, jobs=0, servers=0):
        assert len({launch.group for launch in job.launches}) == 1


def test_waves_of_several_plans_share_jobs_where_those_are_scarce() -> None:
    wanted = [launch(f"plan{n}/db", 4, wave=f"plan{n}/db") for n in range(100)]
    planned = admit(wanted, Quotas(), jobs=10, servers=0)
    assert [len(job.server_ids) for job in planned] == [100] * 4


def test_a_few_waves_have_jobs_of_their_own_while_jobs_are_free() -> None:
    wanted = [launch(f"{n}/{part}", 10, wave=f"{n}") for n in range(3) for part in "ab"]
    planned = admit(wanted, Quotas(), jobs=0, servers=0)
    assert [job.launch_ids for job in planned] == [["0/a", "0/b"], ["1/a", "1/b"], ["2/a", "2/b"]]
    (job,) = admit(wanted, Quotas(), jobs=12, servers=0)
    assert len(job.launch_ids) == 6


def test_a_burst_leaves_jobs_for_what_comes_later() -> None:
    wanted = [launch(f"w{n}", 1, wave=f"w{n}") for n in range(250)]
    # 45 launches share a job.
    assert len(admit(wanted, Quotas(), jobs=0, servers=0)) == 6
    (job,) = admit(wanted[:4], Quotas(), jobs=0, servers=0)
    assert len(job.launch_ids) == 4


def test_more_than_a_quota_allows_is_launched_when_nothing_else_runs() -> None:
    request = launch("w", 10)
    assert admit([request], Quotas(servers=5), jobs=1, servers=1) == []
    assert len(admit([request], Quotas(servers=5), jobs=0, servers=0)) == 1


def test_launch_ids_of_a_job_fit_into_its_tags() -> None:
    wanted = [launch(f"w{n}", 1, wave=f"w{n}") for n in range(100)]
    planned = admit(wanted, Quotas(), jobs=15, servers=0)
    assert max(len(job.launch_ids) for job in planned) <= 50
    assert len(admitted(planned)) == 100


def test_the_plans_priority_goes_before_the_longest_chain() -> None:
    wanted = [
        launch("long", 5, priority=3, remaining_seconds=900.0),
        launch("urgent", 3, priority=1, remaining_seconds=100.0),
        launch("short", 5, priority=3, remaining_seconds=100.0),
    ]
    (job,) = admit(wanted, Quotas(servers=8), jobs=0, servers=0)
    assert job.launch_ids == ["urgent", "long"]
