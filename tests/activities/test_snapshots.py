"""The worker reads each server's snapshots; one that cannot be read is unknown, not without any."""

import time

import pytest

from activities import snapshots
from activities.snapshots import SnapshotActivities
from aws.targets import TargetClients
from contract.readiness import SnapshotsRead
from recovery.plan.model import Server
from recovery.plan.snapshots import ServerSnapshots
from settings import Settings
from tests.activities.launch.test_job_starter import DEAD_SNAPSHOT
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal
from tests.recovery.plans import server_id

HOUR = 3600.0


async def read(
    settings: Settings, servers: list[Server], around: float | None = None
) -> list[ServerSnapshots]:
    activity = SnapshotActivities(TargetClients(settings)).read_snapshots
    request = SnapshotsRead(target=TARGET, servers=servers, around=around)
    return await Attempt(Temporal()).run(activity, request)


async def test_the_newest_snapshot_before_a_time_is_found(aws: LocalAws, fast: Settings) -> None:
    around = time.time() - 2 * HOUR
    (near,) = aws.servers(1)
    (lagging,) = aws.servers(1, LagDuration="PT9H")
    found, old = await read(fast, [near, lagging], around)
    assert found.chosen is not None
    assert found.chosen.time is not None
    assert around - HOUR <= found.chosen.time <= around
    assert found.after is not None
    assert (found.count, found.error, found.planned) == (len(range(found.count)), None, None)
    # There is a gap: its newest data is of nine hours ago.
    assert old.chosen is not None
    assert old.chosen.time == old.newest
    assert old.chosen.time is not None
    assert old.chosen.time < around - 6 * HOUR
    assert old.after is None


async def test_a_server_that_has_no_snapshot_and_one_that_is_not_known(
    aws: LocalAws, fast: Settings
) -> None:
    syncing = aws.servers(1, ReplicationState="INITIAL_SYNC")
    unknown = Server(source_server_id=server_id(77))
    none, lost = await read(fast, [*syncing, unknown], time.time())
    assert (none.count, none.chosen, none.error) == (0, None, None)
    assert lost.error is not None
    assert "ResourceNotFoundException" in lost.error


async def test_a_snapshot_of_the_plan_is_looked_for(aws: LocalAws, fast: Settings) -> None:
    (server,) = aws.servers(1)
    (known,) = await read(fast, [server], time.time())
    assert known.chosen is not None
    planned = server.model_copy(update={"recovery_snapshot_id": known.chosen.snapshot_id})
    dead = server.model_copy(update={"recovery_snapshot_id": DEAD_SNAPSHOT})
    there, gone = await read(fast, [planned, dead], time.time())
    assert there.planned == known.chosen
    assert gone.planned is None


async def test_what_drs_never_answers_is_unknown(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAUSE_SECONDS", 0.0)
    servers = aws.servers(2)
    aws.fault("DescribeRecoverySnapshots", Error="ThrottlingException")
    found = await read(fast, servers, time.time())
    assert all("ThrottlingException" in str(each.error) for each in found)
    assert [each.chosen for each in found] == [None, None]
