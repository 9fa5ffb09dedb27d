"""What is counted before a start is confirmed."""

import pytest

from client.readiness.check import launch_lines, sources_text
from client.takeover import PreviousExecution
from contract.readiness import SourcesSeen, TargetContext
from recovery.execution.cleanup_state import CleanupState, CleanupStatus, LaunchedInstance
from recovery.execution.wave import WaveStatus
from recovery.readiness.finding import FindingCode
from tests.cli.executions import CHAIN, START, begin, put
from tests.findings import a_finding, a_readiness
from tests.recovery.plans import diamond, server_id


def test_a_start_counts_what_it_refuses_and_what_it_launches() -> None:
    live = a_finding(FindingCode.LIVE_RECOVERY_INSTANCE, source_server_id=server_id(2))
    lags = a_finding(FindingCode.RPO_EXCEEDED, source_server_id=server_id(1))
    readiness = a_readiness(live, lags)
    assert launch_lines(diamond(), readiness) == [
        "Refuses  1 server that is listed below",
        "Launches 3 servers in 3 waves",
    ]
    assert launch_lines(diamond(), readiness, [server_id(2)]) == ["Launches 4 servers in 4 waves"]


def test_a_start_counts_what_it_keeps_even_if_a_relaunch_names_it() -> None:
    state = begin(CHAIN)
    up = put(state, "Database", WaveStatus.COMPLETED, launched=2)
    for server in up.servers:
        server.recovery_job_id = "drsjob-1"
    previous = PreviousExecution(state, CHAIN, ())
    kept = "Keeps    2 servers that are recorded as up; each is checked again"
    expected = [kept, "Launches 4 servers in 2 waves"]
    assert launch_lines(CHAIN, None, previous=previous) == expected
    named = up.servers[0].source_server_id
    assert launch_lines(CHAIN, None, [named], previous) == expected


def test_what_a_clean_up_terminated_is_not_kept() -> None:
    state = begin(CHAIN)
    up = put(state, "Database", WaveStatus.COMPLETED, launched=2)
    for server in up.servers:
        server.recovery_job_id = "drsjob-1"
    gone = LaunchedInstance(
        recovery_instance_id="i-1",
        source_server_id=up.servers[0].source_server_id,
        recovery_job_id="drsjob-1",
        region="us-west-2",
    )
    state.cleanup = CleanupState(
        execution_id=state.execution_id,
        status=CleanupStatus.PARTIAL,
        actor="ops",
        start_time=START,
        terminated=[gone],
    )
    assert launch_lines(CHAIN, None, previous=PreviousExecution(state, CHAIN, ())) == [
        "Keeps    1 server that is recorded as up; each is checked again",
        "Launches 5 servers in 3 waves",
    ]


def test_a_start_with_a_refused_target_says_that_it_launches_nothing() -> None:
    refused = TargetContext(region="eu-central-1", error="not on the list", mismatch=True)
    readiness = a_readiness(targets=(TargetContext(region="us-west-2"), refused))
    (line,) = launch_lines(diamond(), readiness)
    assert line.startswith("Launches nothing")


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        (
            SourcesSeen(seen=7, known=40, total=40),
            "7 of 40 source servers were seen in the last 10 minutes and may still be writing",
        ),
        (
            SourcesSeen(seen=0, known=37, total=40),
            "0 of 40 source servers were seen in the last 10 minutes; of 3 it is not known",
        ),
        (SourcesSeen(total=0), "it is not known which source servers the plan has"),
    ],
)
def test_the_confirmation_says_how_many_sources_may_still_be_writing(
    sources: SourcesSeen, text: str
) -> None:
    assert sources_text(a_readiness().model_copy(update={"sources": sources})) == text
    assert sources_text(None) == "it is not known which source servers may still be writing"
