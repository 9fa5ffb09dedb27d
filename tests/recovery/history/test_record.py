"""What of an execution is recorded while it runs."""

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.history.record import HistoryDelta
from tests.cli.executions import CHAIN, START, begin


def test_what_a_waiting_wave_takes_over_is_recorded_for_the_execution_that_continues_it() -> None:
    state = begin(CHAIN)
    scheduler, delta = WaveScheduler(CHAIN, state), HistoryDelta(CHAIN, state)
    scheduler.touch(START)
    delta.unwritten({}, 0)
    web = state.waves[-1]
    server_id = web.servers[0].source_server_id
    up = ServerResult(
        source_server_id=server_id, launch_status=LaunchStatus.LAUNCHED, recovery_job_id="drsjob-1"
    )
    scheduler.take_over([up], now=START + 1)
    record = delta.unwritten({}, 0)
    assert record is not None
    (recorded,) = [wave for wave in record.waves if wave.wave_id == web.wave_id]
    assert recorded.servers[0].recovery_job_id == "drsjob-1"
    # What took nothing over can be read from the plan.
    assert len(record.waves) == 1
