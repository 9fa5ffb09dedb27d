"""The scenario file: valid and invalid content."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.scenario import ScenarioError, load_scenario, read_scenario

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVER = "s-51d6b65c73391918f"


def test_a_scenario_reads_as_documented() -> None:
    scenario = read_scenario(
        f"""
SourceServers:
  - {{SourceServerId: {SERVER}, Os: windows, Outcome: failed-late}}
  - {{SourceServerId: {SERVER[:-1]}0, ReplicationState: INITIAL_SYNC, LagDuration: PT4H}}
Quotas: {{JobsInProgress: 5}}
Faults:
  - {{Operation: StartRecovery, Error: ThrottlingException, Times: 3}}
  - {{Operation: DescribeJobs, Error: InternalServerException, Rate: 0.2}}
  - {{Operation: StartRecovery, Effect: answer-lost, Times: 1}}
"""
    )
    assert scenario.source_servers[0].outcome == ("failed-late",)
    assert scenario.source_servers[1].lag_duration == timedelta(hours=4)
    assert scenario.quotas.jobs_in_progress == 5
    assert [fault.times for fault in scenario.faults] == [3, None, 1]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.scenario.yaml")), ids=lambda p: p.stem)
def test_the_scenarios_of_the_examples_are_valid(path: Path) -> None:
    assert load_scenario(path).source_servers


def test_an_empty_scenario_is_valid() -> None:
    assert read_scenario("").source_servers == ()


def test_an_account_id_may_be_written_as_a_number() -> None:
    keys = f"SourceServerId: {SERVER}, AccountId: 123456789012"
    (server,) = read_scenario(f"SourceServers: [{{{keys}}}]").source_servers
    assert server.account_id == "123456789012"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SourceServer: []", "SourceServer: unknown key, did you mean SourceServers?"),
        (
            f"SourceServers: [{{SourceServerId: {SERVER}, Outcom: stuck}}]",
            "SourceServers.0.Outcom: unknown key, did you mean Outcome?",
        ),
        ("SourceServers: [{SourceServerId: s-1}]", "SourceServers.0.SourceServerId"),
        (f"SourceServers: [{{SourceServerId: {SERVER}, Outcome: []}}]", "at least one outcome"),
        (f"SourceServers: [{{SourceServerId: {SERVER}, Outcome: lost}}]", "failed-early"),
        (f"SourceServers: [{{SourceServerId: {SERVER}, LaunchSeconds: 0}}]", "LaunchSeconds"),
        (
            "Faults: [{Operation: StartRecovry, Error: X}]",
            "drs has no Operation StartRecovry, did you mean StartRecovery?",
        ),
        (
            "Faults: [{Service: dynamdb, Operation: Query, Error: X}]",
            "unknown Service dynamdb, did you mean dynamodb?",
        ),
        ("Faults: [{Operation: DescribeJobs}]", "specify either Error or Effect"),
        ("Faults: [{Operation: DescribeJobs, Effect: delay}]", "requires Seconds"),
        ("Faults: [{Operation: DescribeJobs, Error: X, Status: 500}]", "only the gateway effects"),
        ("Faults: [{Service: '*', Operation: '*', Error: X}]", "requires Operation"),
        (f"SourceServers: [{{SourceServerId: {SERVER}, LagDuration: 4 h}}]", "such as PT4H"),
        ("Faults: [{Operation: DescribeJobs, Error: X, Rate: 2}]", "Faults.0.Rate"),
        (f"SourceServers: [{{SourceServerId: {SERVER}, StatusCheckSeconds: -1}}]", "StatusCheckS"),
        (
            f"SourceServers: [{{SourceServerId: {SERVER}, Applications: [{{Prt: 1}}]}}]",
            "SourceServers.0.Applications.0.Prt: unknown key, did you mean Port?",
        ),
        (
            f"SourceServers: [{{SourceServerId: {SERVER}, LaunchActions: [{{Order: 1}}]}}]",
            "SourceServers.0.LaunchActions.0.Order",
        ),
        ("{", "not YAML"),
        ("Functions: [{Answers: []}]", "Functions.0.FunctionName: Field required"),
        ("Functions: [{FunctionName: x, Answers: []}]", "Functions.0.Answers"),
        ("Functions: [{FunctionName: x, Region: xx-nowhere-1}]", "unknown Region xx-nowhere-1"),
        ("HostedZones: [{ZoneId: Z1, Nam: a.b}]", "did you mean Name?"),
        (
            "HostedZones: [{ZoneId: Z1, Name: a.b, Records: [{Name: c.d, Values: [10.0.0.1]}]}]",
            "HostedZones.0: the record c.d is not in the zone a.b",
        ),
        (
            "HostedZones: [{ZoneId: Z1, Name: a.b, Records: [{Name: a.b, Values: [here]}]}]",
            "HostedZones.0.Records.0: here is not a value of A",
        ),
        ("RoutingControls: [{RoutingControlArn: 'arn:x', Name: x}]", "RoutingControls.0"),
        ("Alarms: [{AlarmName: x, States: [{State: RED}]}]", "Alarms.0.States.0.State"),
        ("HttpPaths: [{Path: x}]", "HttpPaths.0.Path"),
        ("Faults: [{Service: http, Operation: FETCH, Effect: drop}]", "GET, HEAD, POST"),
        ("Faults: [{Service: http, Operation: GET, Error: X}]", "http has an Effect"),
        ("Faults: [{Service: dns, Operation: Query, Error: X}]", "NXDOMAIN, REFUSED, SERVFAIL"),
        ("Faults: [{Service: dns, Operation: Query, Effect: hang}]", "drop or delay"),
    ],
)
def test_a_mistake_is_rejected_with_its_location(text: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as refusal:
        read_scenario(text)
    assert problem in str(refusal.value)


def test_all_mistakes_are_listed_at_once() -> None:
    with pytest.raises(ScenarioError) as refusal:
        read_scenario("{Quotas: {JobsInProgress: -1}, Faults: [{Operation: Nothing, Error: X}]}")
    assert len(str(refusal.value).splitlines()) == 2
