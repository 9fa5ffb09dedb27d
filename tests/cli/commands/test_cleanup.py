"""What a clean-up says before it is confirmed."""

from client.cleanup import termination_lines
from contract.cleanup import own_servers
from recovery.execution.wave import WaveStatus
from tests.cli.executions import CHAIN, begin, put


def test_a_clean_up_counts_only_what_the_execution_itself_launched() -> None:
    state = begin(CHAIN)
    for name, is_taken_over in (("Database", True), ("App", False)):
        up = put(state, name, WaveStatus.COMPLETED, launched=2)
        change = {"recovery_job_id": f"drsjob-{name}", "taken_over": is_taken_over}
        up.servers = [server.model_copy(update=change) for server in up.servers]
    assert len(list(own_servers(state.waves))) == 2
    assert termination_lines(state) == [
        f"2 recovery instances that {state.execution_id} launched will be TERMINATED.",
        "2 instances of earlier executions, which it took over, stay.",
    ]
