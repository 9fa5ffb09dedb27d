"""The newest snapshot at or before a time is chosen; what is unknown is never launched."""

from hypothesis import given
from hypothesis import strategies as st

from recovery.plan.snapshots import (
    ChosenPoint,
    PointInTime,
    PointKind,
    ServerSnapshots,
    Snapshot,
    Spread,
    chosen_point,
    too_old,
)
from tests.recovery.plans import server_id

SERVER = server_id(1)
# Few values, so that times are often the same, and often exactly the time that is asked for.
_times = st.integers(0, 20).map(float)
_snapshots = st.lists(st.none() | _times, max_size=12).map(
    lambda times: [Snapshot(snapshot_id=f"pit-{n:017x}", time=t) for n, t in enumerate(times)]
)
_wanted = st.builds(PointInTime, time=_times, or_latest=st.booleans())


def known(snapshots: list[Snapshot], time: float, planned: str | None = None) -> ServerSnapshots:
    return ServerSnapshots.of(SERVER, snapshots, around=time, planned_id=planned)


@given(_snapshots, _wanted)
def test_the_newest_snapshot_at_or_before_the_time_is_chosen(
    snapshots: list[Snapshot], wanted: PointInTime
) -> None:
    point = chosen_point(wanted, known(snapshots, wanted.time), None)
    before = [s.time for s in snapshots if s.time is not None and s.time <= wanted.time]
    if not before:
        assert point == ChosenPoint(
            kind=PointKind.LATEST if wanted.or_latest else PointKind.MISSING
        )
        return
    assert (point.kind, point.time) == (PointKind.SNAPSHOT, max(before))
    assert Snapshot(snapshot_id=str(point.snapshot_id), time=point.time) in snapshots


@given(_snapshots, _times, st.randoms())
def test_the_choice_does_not_depend_on_the_order_in_which_drs_lists_snapshots(
    snapshots: list[Snapshot], time: float, chance: object
) -> None:
    shuffled = list(snapshots)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert known(shuffled, time) == known(snapshots, time)


@given(_snapshots, _times)
def test_the_gap_around_a_time_is_between_neighbours(
    snapshots: list[Snapshot], time: float
) -> None:
    found = known(snapshots, time)
    times = [s.time for s in snapshots if s.time is not None]
    assert found.count == len(snapshots)
    assert (found.oldest, found.newest) == (min(times, default=None), max(times, default=None))
    later = [each for each in times if each > time]
    assert (found.after.time if found.after else None) == min(later, default=None)


def test_without_a_time_nothing_is_chosen() -> None:
    found = ServerSnapshots.of(SERVER, [Snapshot(snapshot_id="pit-1", time=1.0)], around=None)
    assert (found.count, found.chosen, found.after) == (1, None, None)


def test_the_snapshot_of_the_plan_is_not_replaced() -> None:
    snapshots = [Snapshot(snapshot_id="pit-a", time=1.0), Snapshot(snapshot_id="pit-b", time=2.0)]
    point = chosen_point(PointInTime(time=3.0), known(snapshots, 3.0, "pit-a"), "pit-a")
    assert point == ChosenPoint(kind=PointKind.PLANNED, snapshot_id="pit-a", time=1.0)


def test_a_snapshot_of_the_plan_that_is_gone_is_never_replaced_by_the_latest_data() -> None:
    wanted = PointInTime(time=3.0, or_latest=True)
    snapshots = [Snapshot(snapshot_id="pit-b", time=2.0)]
    point = chosen_point(wanted, known(snapshots, 3.0, "pit-a"), "pit-a")
    assert point.kind is PointKind.GONE
    assert not point.kind.is_launched


def test_what_could_not_be_read_is_not_launched_even_with_or_latest() -> None:
    wanted = PointInTime(time=3.0, or_latest=True)
    unread = ServerSnapshots(source_server_id=SERVER, error="throttled")
    assert chosen_point(wanted, unread, None).kind is PointKind.UNREAD
    assert chosen_point(wanted, None, None).kind is PointKind.UNREAD
    assert not PointKind.UNREAD.is_launched


@given(st.dictionaries(st.sampled_from("abcdef"), st.none() | _times), st.integers(0, 10))
def test_without_the_servers_that_are_too_old_the_spread_is_allowed(
    times: dict[str, float | None], most: int
) -> None:
    points = {
        i: ChosenPoint(kind=PointKind.SNAPSHOT, snapshot_id=i, time=t) for i, t in times.items()
    }
    causes = too_old(points, most)
    spread = Spread.of(points.values())
    assert bool(causes) is (spread is not None and spread.seconds > most)
    rest = Spread.of(point for i, point in points.items() if i not in causes)
    assert rest is None or rest.seconds <= most
