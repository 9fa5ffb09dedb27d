"""What is counted before a start is confirmed."""

from cli.input.confirmation import launch_lines
from contract.readiness import Finding, Readiness, TargetContext, WorkerContext
from tests.recovery.plans import diamond, server_id


def test_a_start_counts_what_it_keeps_what_it_refuses_and_what_it_launches() -> None:
    live = Finding(
        source_server_id=server_id(2), region="us-west-2", message="has a live one", blocks=True
    )
    context = WorkerContext(speed=1.0, targets=[])
    readiness = Readiness(context=context, findings=[live])
    assert launch_lines(diamond(), readiness, [], []) == [
        "Refuses  1 server that is listed below",
        "Launches 3 servers in 3 waves",
    ]
    assert launch_lines(diamond(), readiness, [server_id(2)], []) == [
        "Launches 4 servers in 4 waves"
    ]
    assert launch_lines(diamond(), None, [], [server_id(1), server_id(3)]) == [
        "Keeps    2 servers that are recorded as up",
        "Launches 2 servers in 2 waves",
    ]


def test_a_start_with_a_refused_target_says_that_it_launches_nothing() -> None:
    refused = TargetContext(region="eu-central-1", error="not on the list", mismatch=True)
    context = WorkerContext(speed=1.0, targets=[TargetContext(region="us-west-2"), refused])
    (line,) = launch_lines(diamond(), Readiness(context=context, findings=[]), [], [])
    assert line.startswith("Launches nothing")
