"""What the worker sees of the targets, and what readiness finds."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from activities.launch.launch_activities import LaunchActivities
from activities.targets import TargetActivities
from activities.watch.watch_activities import WatchActivities
from aws.targets import TargetClients
from contract.launch import RunningJobsRequest
from contract.readiness import Finding, Readiness, SourcesSeen, WorkerContext
from recovery.execution.server import OperatingSystem
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from settings import Settings
from storage.history import HistoryTable
from tests.activities.launch.test_guard import lists_no_instances, recovered
from tests.activities.launch.test_job_starter import DEAD_SNAPSHOT
from tests.aws_in_process import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    TARGET,
    Attempt,
    LocalAws,
    Temporal,
)
from tests.gateway import Answer, gateway
from tests.recovery.plans import server_id

FAR = Target(region="eu-central-1")
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"


def plan(*waves: list[Server], account_id: str | None = None) -> RecoveryPlan:
    return RecoveryPlan(
        plan_id="crm",
        region=REGION,
        waves=[
            Wave(wave_id=f"w{n}", servers=servers, region=REGION, account_id=account_id)
            for n, servers in enumerate(waves)
        ],
    )


async def readiness(
    of: RecoveryPlan, settings: Settings, history: HistoryTable | None = None
) -> Readiness:
    targets = TargetActivities(TargetClients(settings), settings, history=history)
    return await Attempt(Temporal()).run(targets.check_readiness, of)


def messages_of(readiness: Readiness) -> list[str]:
    return [finding.message for finding in readiness.findings]


async def test_a_healthy_plan_has_no_findings_and_changes_nothing(
    aws: LocalAws, fast: Settings
) -> None:
    history = HistoryTable(fast)
    await history.create()
    found = await readiness(plan(aws.servers(2), aws.servers(1)), fast, history)
    assert found.findings == []
    assert found.sources == SourcesSeen(seen=3, known=3, total=3)
    (target,) = found.context.targets
    assert (target.account_id, target.region) == (ACCOUNT, REGION)
    assert target.is_sandbox
    assert target.endpoint == aws.server.endpoint_url
    assert set(target.other_endpoints) == {aws.server.endpoint_url}
    assert found.context.history_endpoint == aws.server.endpoint_url
    assert aws.calls("StartRecovery") == 0


async def test_a_region_where_drs_was_never_used_is_one_finding(
    aws: LocalAws, fast: Settings
) -> None:
    waves = [
        Wave(
            wave_id=f"w{number}",
            servers=[Server(source_server_id=server_id(number))],
            region="eu-west-1",
            account_id=account,
        )
        for number, account in enumerate((None, ACCOUNT), start=1)
    ]
    (finding,) = (await readiness(RecoveryPlan(plan_id="crm", waves=waves), fast)).findings
    assert (finding.region, finding.account_id, finding.blocks) == ("eu-west-1", ACCOUNT, True)
    assert "UninitializedAccount" in finding.message
    assert finding.message.endswith("is the Region right?")


async def test_a_finding_has_the_name_of_its_server(aws: LocalAws, fast: Settings) -> None:
    servers = aws.servers(1, ReplicationState="PAUSED", Name="web01")
    (finding,) = (await readiness(plan(servers), fast)).findings
    assert finding.server_name == "web01"


async def test_a_full_jobs_quota_blocks(aws: LocalAws, fast: Settings) -> None:
    others = aws.servers(2, RunningJob=True)
    assert len(others) == 2
    servers = aws.servers(1)
    for quota, findings in ((3, []), (2, ["2 of 2 jobs are in progress"])):
        found = await readiness(plan(servers), fast.model_copy(update={"jobs_quota": quota}))
        assert [message[:27] for message in messages_of(found)] == findings
        assert all(finding.blocks for finding in found.findings)


async def test_more_servers_than_the_quota_takes_at_a_time_is_a_warning(
    aws: LocalAws, fast: Settings
) -> None:
    aws.servers(2, RunningJob=True)
    servers = aws.servers(3)
    few = fast.model_copy(update={"servers_quota": 4})
    found = await readiness(plan(servers[:2], servers[2:]), few)
    (finding,) = found.findings
    assert "2 servers are in running jobs and the plan has 3 here" in finding.message
    assert not finding.blocks
    enough = fast.model_copy(update={"servers_quota": 5})
    assert messages_of(await readiness(plan(servers), enough)) == []


@pytest.mark.parametrize(
    ("state", "blocks"),
    [("BACKLOG", False), ("RESCAN", False), ("PAUSED", False), ("STALLED", False),
     ("INITIATING", True), ("STOPPED", True), ("DISCONNECTED", True)],
)  # fmt: skip
async def test_replication_that_drs_can_launch_from_only_warns(
    aws: LocalAws, fast: Settings, state: str, blocks: bool
) -> None:
    servers = aws.servers(1, ReplicationState=state, LagDuration="PT3H")
    (finding,) = (await readiness(plan(servers), fast)).findings
    assert state in finding.message
    assert "PT3H" in finding.message
    assert finding.blocks == blocks
    assert finding.source_server_id == servers[0].source_server_id
    assert finding.wave_id == "w0"


async def test_a_read_error_is_a_finding_beside_the_others(aws: LocalAws, fast: Settings) -> None:
    servers = aws.servers(1, ReplicationState="STALLED")
    aws.fault("DescribeRecoveryInstances", Error="AccessDeniedException")
    found = await readiness(plan(servers), fast)
    assert len(found.findings) == 2
    assert "STALLED" in found.findings[0].message
    assert found.findings[1].message.startswith("readiness could not be read")


async def test_a_target_with_an_error_does_not_hide_the_others(
    aws: LocalAws, fast: Settings
) -> None:
    servers = aws.servers(1)
    aws.fault("AssumeRole", Service="sts", Error="ExpiredTokenException")
    there = Wave(wave_id="far", servers=servers, region="eu-central-1", role_arn=ROLE)
    both = plan(aws.servers(1, ReplicationState="STALLED"))
    both.waves.append(there)
    found = await readiness(both, fast)
    near, far = found.context.targets
    assert (near.account_id, near.error) == (ACCOUNT, None)
    assert far.account_id is None
    assert "ExpiredToken" in str(far.error)
    assert not far.mismatch

    def of(region: str) -> list[Finding]:
        return [finding for finding in found.findings if finding.region == region]

    assert "STALLED" in of(REGION)[0].message
    assert "could not be read" in of("eu-central-1")[0].message


@pytest.mark.usefixtures("patient")
async def test_another_account_than_the_plan_names_is_a_mismatch(
    aws: LocalAws, fast: Settings
) -> None:
    targets = TargetActivities(TargetClients(fast), fast)
    named = [Target(region=REGION, account_id=a) for a in (ACCOUNT, OTHER_ACCOUNT)]
    context = await Attempt(Temporal()).run(targets.check_targets, named)
    assert [target.mismatch for target in context.targets] == [False, True]
    assert OTHER_ACCOUNT in str(context.targets[1].error)
    assert context.speed == fast.speed


@pytest.mark.usefixtures("patient")
async def test_the_check_of_targets_returns_the_operating_systems_of_servers(
    aws: LocalAws, fast: Settings
) -> None:
    windows, linux = *aws.servers(1, Os="windows"), *aws.servers(1)
    targets = TargetActivities(TargetClients(fast), fast)
    here = Target(region=REGION)
    ids = [windows.source_server_id, linux.source_server_id]
    # In a mere two seconds DRS may say nothing: that is asked of it once more, not believed.
    systems: dict[str, OperatingSystem] = {}

    async def check(_: object) -> WorkerContext:
        return await targets.check_targets([here], [ids])

    while not systems:
        systems = (await Attempt(Temporal()).run(check, None)).operating_systems
    assert systems == {ids[0]: OperatingSystem.WINDOWS, ids[1]: OperatingSystem.LINUX}


async def test_a_history_table_that_is_missing_or_not_as_it_should_be_is_a_warning(
    aws: LocalAws, fast: Settings
) -> None:
    of, history = plan(aws.servers(1)), HistoryTable(fast)
    (missing,) = (await readiness(of, fast, history)).findings
    assert "Create it with `drs-waves init-tables`" in missing.message
    assert not missing.blocks
    await history.create()
    assert (await readiness(of, fast, history)).findings == []
    disabled = {"PointInTimeRecoveryEnabled": False}
    aws.client("dynamodb").update_continuous_backups(
        TableName=history.name, PointInTimeRecoverySpecification=disabled
    )
    (found,) = messages_of(await readiness(of, fast, history))
    assert "has no point-in-time recovery" in found


async def test_a_history_table_without_an_answer_delays_readiness_for_seconds_only(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.targets._RESPONSE_TIMEOUT_SECONDS", 0.5)
    aws.fault("DescribeTable", Service="dynamodb", Effect="delay", Seconds=2)
    (found,) = messages_of(await readiness(plan(aws.servers(1)), fast, HistoryTable(fast)))
    assert found == "The history table did not answer in 0.5 s"


async def test_a_dry_run_does_not_call_such_a_server_ready(
    aws: LocalAws,
    launches: LaunchActivities,
    temporal: Temporal,
    fast: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = aws.servers()
    recovery = await recovered(aws, launches, temporal, servers)
    lists_no_instances(monkeypatch)
    findings = (await readiness(plan(servers), fast)).findings
    assert [f.blocks for f in findings if recovery in f.message] == [True]


async def test_a_dry_run_says_that_a_snapshot_is_dead(aws: LocalAws, fast: Settings) -> None:
    healthy, dead = aws.servers(2)
    dead.recovery_snapshot_id = DEAD_SNAPSHOT
    (found,) = (await readiness(plan([healthy, dead]), fast)).findings
    assert found.source_server_id == dead.source_server_id
    assert DEAD_SNAPSHOT in found.message
    assert found.blocks


def changed_items(operation: str, **fields: Any) -> Callable[[str, Answer], Answer]:
    """Answers of an operation with other fields in each item."""

    def change(called: str, answer: Answer) -> Answer:
        status, error, content = answer
        if called == operation and not error:
            told = json.loads(content)
            told["items"] = [each | fields for each in told["items"]]
            content = json.dumps(told).encode()
        return status, error, content

    return change


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"stagingArea": {"status": "EXTENSION_ERROR", "errorMessage": "No such account"}},
            ("its extension failed (No such account): DRS cannot launch it", True),
        ),
        (
            {"lifeCycle": {"lastSeenByServiceDateTime": "2023-11-14T22:00:00Z"}},
            ("its agent was last seen at 2023-11-14T22:00:00Z", False),
        ),
        ({"lifeCycle": {}}, ("DRS does not say when its agent was last seen", False)),
    ],
)
async def test_a_dry_run_looks_at_extensions_and_agents(
    aws: LocalAws,
    fast: Settings,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    expected: tuple[str, bool],
) -> None:
    servers = aws.servers(1)
    async with gateway(aws, changed_items("DescribeSourceServers", **fields)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        found = await readiness(plan(servers), fast)
    (finding,) = found.findings
    assert (finding.message, finding.blocks) == expected
    is_known, is_seen = "does not say" not in finding.message, "extension" in finding.message
    assert found.sources == SourcesSeen(seen=int(is_seen), known=int(is_known), total=1)


async def test_a_dry_run_counts_odd_items(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.servers(2, RunningJob=True)
    async with gateway(aws, changed_items("DescribeJobs", tags={"Owner": None})) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        (finding,) = (await readiness(plan(aws.servers(1)), fast)).findings
    assert finding.message.startswith("DescribeJobs: 2 items of an unknown form")
    assert not finding.blocks


async def test_jobs_in_an_unknown_status_take_up_no_quota(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch, watches: WatchActivities
) -> None:
    aws.servers(2, RunningJob=True)
    one = fast.model_copy(update={"jobs_quota": 1})
    async with gateway(aws, changed_items("DescribeJobs", status="ARCHIVED")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        assert messages_of(await readiness(plan(aws.servers(1)), one)) == []
        found = await Attempt(Temporal()).run(
            watches.read_running_jobs, RunningJobsRequest(target=TARGET)
        )
    assert found.jobs == {}


async def test_a_region_that_hangs_delays_the_start_of_a_plan_by_two_seconds_only(
    aws: LocalAws, fast: Settings
) -> None:
    near, far = aws.servers(1), aws.servers(1, Region=FAR.region)
    for service in ("drs", "sts"):
        aws.fault("*", Service=service, Region=FAR.region, Effect="delay", Seconds=10)
    activities = TargetActivities(TargetClients(fast), fast)
    ids = [[server.source_server_id for server in servers] for servers in (near, far)]
    began = time.monotonic()
    found = await Attempt(Temporal()).environment.run(
        activities.check_targets, [Target(region=REGION), FAR], ids
    )
    assert time.monotonic() - began < 9
    assert [target.account_id for target in found.targets] == [ACCOUNT, None]
    assert found.targets[1].error == "AWS did not answer in 2 s"
