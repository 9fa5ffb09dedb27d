"""What a clean-up looks for, by the history."""

from contract.cleanup import CleanupScope
from recovery.execution.server import LaunchStatus
from recovery.execution.wave import WaveStatus
from tests.cli.executions import CHAIN, begin, put, wave


def test_only_servers_that_were_or_may_have_been_launched_can_be_left() -> None:
    state = begin(CHAIN)
    database = put(state, "Database", WaveStatus.PARTIAL, launched=2)
    for server, job_id in zip(database.servers, ("drsjob-1", "drsjob-2"), strict=False):
        server.recovery_job_id = job_id
    refused, taken_over = database.servers[-1], database.servers[1]
    taken_over.taken_over = True
    refused.recovery_job_id, refused.launch_status = None, LaunchStatus.FAILED
    (scope,) = CleanupScope.of(state, CHAIN).targets
    assert scope.launched_ids == [database.servers[0].source_server_id]
    assert len(scope.server_ids) > 2

    app = wave(state, "App")
    app.status, app.launches_in_doubt = WaveStatus.CANCELLED, ["crm-1/app/1/0"]
    (scope,) = CleanupScope.of(state, CHAIN).targets
    in_doubt = [server.source_server_id for server in app.servers]
    assert scope.launched_ids == [database.servers[0].source_server_id, *in_doubt]
