"""An execution as large as a plan may be: point 8 of issue 14."""

import pytest

from contract.launch import LaunchRequest, LaunchResult
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Server
from tests.recovery.plans import server_id
from tests.workflows.conftest import FakedEnvironment, wave

REASON = "CONVERSION_FAIL: " + "An error occurred (UnauthorizedOperation). " * 20
SERVERS_A_WAVE = 500


@pytest.mark.xfail(strict=True, reason="issue 14, point 8: the answer has more than 2 MB")
async def test_four_thousand_failed_servers_can_be_read(
    env_on_real_server: FakedEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = env_on_real_server.fakes
    accepted = fakes._accepted

    def failed(request: LaunchRequest, now: float, job_id: str) -> LaunchResult:
        result = accepted(request, now, job_id)
        fakes._arrivals[job_id] = now
        servers = [each.failed(REASON, at=now) for each in result.servers]
        return result.model_copy(update={"servers": servers})

    monkeypatch.setattr(fakes, "_accepted", failed)
    waves = [wave(f"Wave{number}") for number in range(8)]
    for number, each in enumerate(waves):
        first = number * SERVERS_A_WAVE
        each.servers = [
            Server(source_server_id=server_id(first + n)) for n in range(SERVERS_A_WAVE)
        ]
    run = await env_on_real_server.start(*waves)
    await run.ended(run.handle)
    state = await run.state()
    assert {each.status for each in state.waves} == {WaveStatus.FAILED}
    servers = [server for each in state.waves for server in each.servers]
    assert len(servers) == 8 * SERVERS_A_WAVE
    assert all("UnauthorizedOperation" in str(each.reason) for each in servers)
