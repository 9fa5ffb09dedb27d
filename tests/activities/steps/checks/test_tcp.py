"""Whether connections to recovered servers are accepted."""

import pytest

from recovery.steps.state import CheckResult
from tests.activities.steps.checks.probes import Prober, check, recovered
from tests.aws_in_process import LocalAws

APPLICATION = {"Port": 15432, "Protocol": "tcp"}


async def test_all_servers_that_accept_pass(aws: LocalAws, probe: Prober) -> None:
    call = check(recovered(aws, 2, Applications=[APPLICATION]), Tcp={"Port": 15432})
    await until_passed(probe, call)
    found = await probe(call)
    assert found.result is CheckResult.PASSED
    assert found.evidence.startswith("web-1: port 15432 of 127.")
    assert found.evidence.endswith(" ms (all 2 servers pass)")


async def until_passed(probe: Prober, call: object) -> None:
    """Await the listener, which begins some moments after its instance."""
    for _ in range(100):
        found = await probe(call)  # type: ignore[arg-type]
        if found.result is CheckResult.PASSED:
            return


async def test_the_first_server_that_refuses_is_named(aws: LocalAws, probe: Prober) -> None:
    up = recovered(aws, 1, Applications=[APPLICATION])
    down = recovered(aws, 2)
    servers = [up[0], down[0].model_copy(update={"name": "db-1"}), down[1]]
    await until_passed(probe, check(up, Tcp={"Port": 15432}))
    found = await probe(check(servers, Tcp={"Port": 15432}))
    assert found.result is CheckResult.FAILED
    assert found.evidence.startswith("db-1: port 15432 of 127.")
    assert "Connect" in found.evidence
    assert found.evidence.endswith("(1 of 3 servers pass)")


async def test_no_connection_in_time_is_a_failure(
    aws: LocalAws, probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.steps.checks.tcp.PROBE_SECONDS", 0.3)
    servers = recovered(aws, Applications=[APPLICATION | {"Answer": "hangs"}])
    found = await probe(check(servers, Tcp={"Port": 15432}))
    for _ in range(100):
        if "0.3 s" in found.evidence:
            break
        found = await probe(check(servers, Tcp={"Port": 15432}))
    assert found.result is CheckResult.FAILED
    assert found.evidence.endswith("no connection within 0.3 s")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "nowhere.invalid"])
async def test_what_cannot_be_tried_is_inconclusive(probe: Prober, host: str) -> None:
    found = await probe(check([], Tcp={"Port": 80, "Host": host}, When="BOTH"))
    assert found.result is CheckResult.INCONCLUSIVE
    assert host.rpartition(":")[2] in found.evidence


@pytest.mark.usefixtures("aws")
async def test_a_check_of_no_server_never_passes(probe: Prober) -> None:
    found = await probe(check([], Tcp={"Port": 80}))
    assert (found.result, found.evidence) == (CheckResult.INCONCLUSIVE, "no server of it is up")


async def test_loopback_addresses_are_the_sandbox_s(
    aws: LocalAws, probe: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    found = await probe(check([], Tcp={"Port": 80, "Host": "127.0.0.1"}, When="BOTH"))
    assert found.result is CheckResult.INCONCLUSIVE
    assert "loopback" in found.evidence
