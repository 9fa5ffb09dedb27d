"""The snapshots of source servers, and which of them recover a plan to one point in time. Pure.

The choice is made once, before a start, and frozen in the plan that runs.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import ConfigDict

from recovery.base_model import Model


class PointInTime(Model):
    """The point in time to recover to.

    Attributes:
        time: no snapshot is newer (epoch seconds).
        max_spread_seconds: the most between the oldest and the newest chosen snapshot; None: any.
        or_latest: a server without such a snapshot is launched with its latest data.
    """

    model_config = ConfigDict(frozen=True)

    time: float
    max_spread_seconds: float | None = None
    or_latest: bool = False


class PointKind(StrEnum):
    """How a server is recovered to a point in time."""

    SNAPSHOT = "SNAPSHOT"
    """From its newest snapshot at or before the time."""
    PLANNED = "PLANNED"
    """From the plan's RecoverySnapshotId."""
    LATEST = "LATEST"
    """With its latest data, because it has no such snapshot and that was allowed."""
    MISSING = "MISSING"
    """Not at all: it has no such snapshot."""
    GONE = "GONE"
    """Not at all: DRS does not have the plan's RecoverySnapshotId."""
    UNREAD = "UNREAD"
    """Not at all: its snapshots could not be read."""

    @property
    def is_launched(self) -> bool:
        """Whether the server is launched."""
        return self in (PointKind.SNAPSHOT, PointKind.PLANNED, PointKind.LATEST)


class ChosenPoint(Model):
    """What a server is launched from.

    Attributes:
        time: when the snapshot was taken (epoch seconds); None without one, or if that is unknown.
    """

    model_config = ConfigDict(frozen=True)

    kind: PointKind
    snapshot_id: str | None = None
    time: float | None = None


class Snapshot(Model):
    """A snapshot of a source server.

    Attributes:
        time: when it was taken (epoch seconds); None if DRS does not say so.
    """

    model_config = ConfigDict(frozen=True)

    snapshot_id: str
    time: float | None = None


class ServerSnapshots(Model):
    """What there is of one source server.

    Attributes:
        server_name: its name, if DRS has one.
        count: how many snapshots DRS has.
        oldest: when the oldest was taken (epoch seconds).
        newest: when the newest was taken.
        chosen: the newest at or before the time that was asked for.
        after: the oldest after that time.
        planned: the plan's RecoverySnapshotId, if DRS has it.
        error: why they could not be read; then nothing else is known.
    """

    source_server_id: str
    server_name: str | None = None
    count: int = 0
    oldest: float | None = None
    newest: float | None = None
    chosen: Snapshot | None = None
    after: Snapshot | None = None
    planned: Snapshot | None = None
    error: str | None = None

    @classmethod
    def of(
        cls,
        server_id: str,
        snapshots: Iterable[Snapshot],
        *,
        around: float | None,
        planned_id: str | None = None,
    ) -> "ServerSnapshots":
        """Summarize the snapshots of a server.

        Args:
            server_id: the source server.
            snapshots: in any order; one without a time is only counted.
            around: the time to choose for (epoch seconds); None to choose none.
            planned_id: the plan's RecoverySnapshotId.
        """
        found = list(snapshots)
        dated = sorted((s.time, s.snapshot_id) for s in found if s.time is not None)
        moment = float("-inf") if around is None else around
        before = [each for each in dated if each[0] <= moment]
        after = [] if around is None else dated[len(before) :]
        return cls(
            source_server_id=server_id,
            count=len(found),
            oldest=dated[0][0] if dated else None,
            newest=dated[-1][0] if dated else None,
            chosen=_snapshot(before[-1]) if before else None,
            after=_snapshot(after[0]) if after else None,
            planned=next((s for s in found if s.snapshot_id == planned_id), None),
        )


def _snapshot(dated: tuple[float, str]) -> Snapshot:
    return Snapshot(snapshot_id=dated[1], time=dated[0])


def chosen_point(
    wanted: PointInTime, known: ServerSnapshots | None, planned_id: str | None
) -> ChosenPoint:
    """What a server is launched from; the plan's own snapshot is not replaced.

    Args:
        wanted: the point in time.
        known: its snapshots around that time; None if nobody read them.
        planned_id: the plan's RecoverySnapshotId.
    """
    if known is None or known.error is not None:
        return ChosenPoint(kind=PointKind.UNREAD)
    if planned_id is not None:
        if known.planned is None:
            return ChosenPoint(kind=PointKind.GONE, snapshot_id=planned_id)
        kind, time = PointKind.PLANNED, known.planned.time
        return ChosenPoint(kind=kind, snapshot_id=planned_id, time=time)
    if known.chosen is not None:
        snapshot = known.chosen
        return ChosenPoint(
            kind=PointKind.SNAPSHOT, snapshot_id=snapshot.snapshot_id, time=snapshot.time
        )
    return ChosenPoint(kind=PointKind.LATEST if wanted.or_latest else PointKind.MISSING)


class Spread(Model):
    """From the oldest to the newest snapshot of a choice (epoch seconds)."""

    oldest: float
    newest: float

    @classmethod
    def of(cls, points: Iterable[ChosenPoint]) -> "Spread | None":
        """The spread of these points; None if none has a time."""
        times = [point.time for point in points if point.time is not None]
        return cls(oldest=min(times), newest=max(times)) if times else None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.newest - self.oldest


def too_old(points: Mapping[str, ChosenPoint], max_spread_seconds: float) -> list[str]:
    """The servers whose snapshot is so much older than the newest one, the oldest first."""
    spread = Spread.of(points.values())
    if spread is None:
        return []
    dated = sorted((p.time, i) for i, p in points.items() if p.time is not None)
    return [server_id for time, server_id in dated if time < spread.newest - max_spread_seconds]
