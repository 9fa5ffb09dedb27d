"""What DRS answers for one server a call is read again in turn."""

from recovery.readiness.failed_read import FailedRead
from recovery.readiness.slow_evidence import SlowEvidence, is_usable, to_read

HOUR = 3600.0
NOW = 100 * HOUR
SERVERS = [f"s-{number:017x}" for number in range(1, 1001)]


def kept_since(hours: float) -> dict[str, SlowEvidence]:
    return {each: SlowEvidence(read_time=NOW - hours * HOUR) for each in SERVERS}


def test_what_is_not_known_or_could_not_be_read_is_read() -> None:
    failed = FailedRead(action="drs:GetLaunchConfiguration", error="denied")
    kept = {
        SERVERS[0]: SlowEvidence(read_time=NOW),
        SERVERS[1]: SlowEvidence(read_time=NOW, failed={"launch": failed}),
    }
    assert set(to_read(SERVERS[:3], kept, NOW, is_fresh=False)) == set(SERVERS[1:3])


def test_all_is_read_while_somebody_waits_to_start_the_plan() -> None:
    assert to_read(SERVERS, kept_since(0), NOW, is_fresh=True) == SERVERS


def test_hourly_looks_read_all_within_a_day_and_never_all_at_once() -> None:
    kept = kept_since(0)
    read: set[str] = set()
    most = 0
    for hour in range(1, 25):
        due = to_read(SERVERS, kept, NOW + hour * HOUR, is_fresh=False)
        most = max(most, len(due))
        read |= set(due)
        kept |= {each: SlowEvidence(read_time=NOW + hour * HOUR) for each in due}
    assert read == set(SERVERS)
    assert most < len(SERVERS) / 6


def test_looks_that_have_no_time_for_all_read_each_server_in_turn() -> None:
    kept: dict[str, SlowEvidence] = {}
    for day in range(1, 5):
        now = NOW + day * 24 * HOUR
        for each in to_read(SERVERS, kept, now, is_fresh=False)[:250]:
            kept[each] = SlowEvidence(read_time=now)
    assert kept.keys() == set(SERVERS)


def test_what_nobody_has_read_for_a_day_does_not_count() -> None:
    assert is_usable(SlowEvidence(read_time=NOW - 23 * HOUR), NOW)
    assert not is_usable(SlowEvidence(read_time=NOW - 25 * HOUR), NOW)
    assert not is_usable(None, NOW)
