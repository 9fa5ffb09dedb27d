"""What DRS answers for one server a call: kept with its time, and read again in turn."""

import zlib
from collections.abc import Iterable, Mapping

from recovery.base_model import Model
from recovery.launch_settings.in_force import DrsFields
from recovery.readiness.failed_read import FailedRead

_HOUR = 3600.0
# All is read again within 24 h by looks that come every hour, never all at once.
_KEPT_SECONDS = 12 * _HOUR
_SPREAD_SECONDS = 11 * _HOUR
# What nobody could read again by then says nothing of the server now.
_USABLE_SECONDS = 24 * _HOUR


class SlowEvidence(Model):
    """What DRS says of one server's launches.

    Attributes:
        read_time: epoch seconds.
        template_id: its launch template; None if DRS names none.
        key_arn: the key that encrypts its disks; None: EBS's own.
        snapshot_seconds: how often its policy takes a snapshot; None: never, or not known.
        newest_snapshot: when it was taken (epoch seconds); None: there is none.
        failed: by what could not be read: `launch`, `replication` or `snapshots`.
    """

    read_time: float
    template_id: str | None = None
    drs: DrsFields = DrsFields()
    key_arn: str | None = None
    snapshot_seconds: float | None = None
    newest_snapshot: float | None = None
    failed: dict[str, FailedRead] = {}


def to_read(
    server_ids: Iterable[str], kept: Mapping[str, SlowEvidence], now: float, *, is_fresh: bool
) -> list[str]:
    """The servers to read in a look, the longest unread first: it may have no time for all.

    Args:
        server_ids: those of the look.
        kept: what is known of them.
        now: the time of the look (epoch seconds).
        is_fresh: somebody waits to start the plan: all of them.
    """
    due = [i for i in server_ids if is_fresh or _is_due(i, kept.get(i), now)]
    return sorted(due, key=lambda i: kept[i].read_time if i in kept else 0.0)


def is_usable(known: SlowEvidence | None, now: float) -> bool:
    """Whether what is kept of a server still counts."""
    return known is not None and now - known.read_time <= _USABLE_SECONDS


def _is_due(server_id: str, known: SlowEvidence | None, now: float) -> bool:
    if known is None or known.failed:
        return True
    # The same for a server each time, and different for each, so that each look reads a part.
    share = zlib.crc32(server_id.encode()) / 0xFFFF_FFFF
    return now - known.read_time >= _KEPT_SECONDS + share * _SPREAD_SECONDS
