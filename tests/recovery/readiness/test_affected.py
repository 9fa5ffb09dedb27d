"""One fault of several servers is one finding on screens."""

from recovery.readiness.affected import merged
from recovery.readiness.finding import FindingCode
from tests.findings import a_finding


def test_the_same_finding_of_several_servers_of_a_wave_is_shown_once() -> None:
    about = {"wave_id": "db"}
    gone = [
        a_finding(FindingCode.SUBNET_MISSING, "it is gone", source_server_id=each, **about)
        for each in ("s-1", "s-2")
    ]
    lag = a_finding(FindingCode.RPO_EXCEEDED, "lags", source_server_id="s-1", **about)
    other = a_finding(
        FindingCode.SUBNET_MISSING, "it is gone", source_server_id="s-3", wave_id="web"
    )
    first, *rest = merged([gone[0], lag, gone[1], other])
    assert first.message == "2 servers (s-1, s-2): it is gone"
    assert first.source_server_id is None
    assert rest == [lag, other]
