"""What a look at a plan finds in its targets and around them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from activities.launch.launch_activities import LaunchActivities
from activities.readiness.readiness_activities import ReadinessActivities
from activities.watch.watch_activities import WatchActivities
from aws.targets import TargetClients
from contract.launch import RunningJobsRequest
from contract.readiness import Readiness, SourcesSeen, TargetLook
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.verdict import ReadinessStatus
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
from tests.readiness_looks import readiness_of
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


def messages_of(readiness: Readiness) -> list[str]:
    return [finding.message for finding in readiness.findings]


async def test_a_healthy_plan_has_no_findings_and_changes_nothing(
    aws: LocalAws, fast: Settings
) -> None:
    history = HistoryTable(fast)
    await history.create()
    found = await readiness_of(plan(aws.servers(2), aws.servers(1)), fast, history)
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
    (finding,) = (await readiness_of(RecoveryPlan(plan_id="crm", waves=waves), fast)).findings
    assert (finding.region, finding.account_id) == ("eu-west-1", ACCOUNT)
    assert finding.code is FindingCode.DRS_NOT_INITIALIZED
    assert "UninitializedAccount" in finding.message
    assert finding.message.endswith("is the Region right?")


async def test_a_finding_has_the_name_of_its_server(aws: LocalAws, fast: Settings) -> None:
    servers = aws.servers(1, ReplicationState="PAUSED", Name="web01")
    findings = (await readiness_of(plan(servers), fast)).findings
    assert {each.server_name for each in findings} == {"web01"}


async def test_a_full_jobs_quota_blocks(aws: LocalAws, fast: Settings) -> None:
    others = aws.servers(2, RunningJob=True)
    assert len(others) == 2
    servers = aws.servers(1)
    for quota, findings in ((3, []), (2, ["2 of 2 jobs are in progress"])):
        found = await readiness_of(plan(servers), fast.model_copy(update={"jobs_quota": quota}))
        assert [message[:27] for message in messages_of(found)] == findings
        expected = ReadinessStatus.NOT_READY if findings else ReadinessStatus.READY
        assert found.status is expected


async def test_more_servers_than_the_quota_takes_at_a_time_is_a_warning(
    aws: LocalAws, fast: Settings
) -> None:
    aws.servers(2, RunningJob=True)
    servers = aws.servers(3)
    few = fast.model_copy(update={"servers_quota": 4})
    found = await readiness_of(plan(servers[:2], servers[2:]), few)
    (finding,) = found.findings
    assert "2 servers are in running jobs and the plan has 3 here" in finding.message
    assert finding.severity is Severity.WARNS
    enough = fast.model_copy(update={"servers_quota": 5})
    assert messages_of(await readiness_of(plan(servers), enough)) == []


@pytest.mark.parametrize(
    ("state", "prevents_launch", "status"),
    [("BACKLOG", False, "READY"), ("RESCAN", False, "READY"), ("PAUSED", False, "READY"),
     ("STALLED", False, "NOT_READY"), ("INITIATING", True, "NOT_READY"),
     ("STOPPED", True, "NOT_READY"), ("DISCONNECTED", True, "NOT_READY")],
)  # fmt: skip
async def test_only_a_state_that_drs_cannot_launch_from_prevents_a_launch(
    aws: LocalAws, fast: Settings, state: str, prevents_launch: bool, status: str
) -> None:
    servers = aws.servers(1, ReplicationState=state, LagDuration="PT3H")
    found = await readiness_of(plan(servers), fast)
    finding = next(each for each in found.findings if state in each.message)
    assert finding.prevents_launch == prevents_launch
    assert (finding.source_server_id, finding.wave_id) == (servers[0].source_server_id, "w0")
    assert "replication lags by 3 h" in messages_of(found)
    assert found.status == status
    assert found.worst_lag is not None
    assert found.worst_lag.seconds >= 3 * 3600


async def test_a_read_error_is_a_finding_beside_the_others(aws: LocalAws, fast: Settings) -> None:
    servers = aws.servers(1, ReplicationState="STALLED")
    aws.fault("DescribeRecoveryInstances", Error="AccessDeniedException")
    found = await readiness_of(plan(servers), fast)
    stalled, unread, *_ = found.findings
    assert "STALLED" in stalled.message
    assert (unread.code, unread.severity) == (FindingCode.PERMISSION_MISSING, Severity.UNKNOWN)
    assert unread.evidence["Permission"] == "drs:DescribeRecoveryInstances"


async def test_a_target_with_an_error_does_not_hide_the_others(
    aws: LocalAws, fast: Settings
) -> None:
    servers = aws.servers(1)
    aws.fault("AssumeRole", Service="sts", Error="ExpiredTokenException")
    there = Wave(wave_id="far", servers=servers, region="eu-central-1", role_arn=ROLE)
    both = plan(aws.servers(1, ReplicationState="STALLED"))
    both.waves.append(there)
    found = await readiness_of(both, fast)
    near, far = found.context.targets
    assert (near.account_id, near.error) == (ACCOUNT, None)
    assert far.account_id is None
    assert "ExpiredToken" in str(far.error)
    assert not far.mismatch

    def of(region: str) -> list[Finding]:
        return [finding for finding in found.findings if finding.region == region]

    assert "STALLED" in of(REGION)[0].message
    assert "could not be read" in of("eu-central-1")[0].message


async def test_a_history_table_that_is_missing_or_not_as_it_should_be_is_a_warning(
    aws: LocalAws, fast: Settings
) -> None:
    of, history = plan(aws.servers(1)), HistoryTable(fast)
    (missing,) = (await readiness_of(of, fast, history)).findings
    assert "Create it with `drs-waves init-tables`" in missing.message
    assert missing.code is FindingCode.HISTORY_TABLE_UNFIT
    assert missing.severity is Severity.WARNS
    await history.create()
    assert (await readiness_of(of, fast, history)).findings == []
    disabled = {"PointInTimeRecoveryEnabled": False}
    aws.client("dynamodb").update_continuous_backups(
        TableName=history.name, PointInTimeRecoverySpecification=disabled
    )
    (found,) = messages_of(await readiness_of(of, fast, history))
    assert "has no point-in-time recovery" in found


async def test_a_history_table_without_an_answer_delays_readiness_for_seconds_only(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.readiness.surroundings._RESPONSE_SECONDS", 0.5)
    aws.fault("DescribeTable", Service="dynamodb", Effect="delay", Seconds=2)
    (found,) = messages_of(await readiness_of(plan(aws.servers(1)), fast, HistoryTable(fast)))
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
    findings = (await readiness_of(plan(servers), fast)).findings
    (found,) = [f for f in findings if recovery in f.message]
    assert found.code is FindingCode.LIVE_RECOVERY_INSTANCE
    assert found.refuses_drill


async def test_a_dry_run_says_that_a_snapshot_is_dead(aws: LocalAws, fast: Settings) -> None:
    healthy, dead = aws.servers(2)
    dead.recovery_snapshot_id = DEAD_SNAPSHOT
    (found,) = (await readiness_of(plan([healthy, dead]), fast)).findings
    assert found.source_server_id == dead.source_server_id
    assert DEAD_SNAPSHOT in found.message
    assert found.code is FindingCode.SNAPSHOT_GONE
    assert found.prevents_launch


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
            ("its agent was last seen at 2023-11-14 22:00:00 UTC", False),
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
        found = await readiness_of(plan(servers), fast)
    (finding,) = found.findings
    assert (finding.message, finding.prevents_launch) == expected
    is_known, is_seen = "does not say" not in finding.message, "extension" in finding.message
    assert found.sources == SourcesSeen(seen=int(is_seen), known=int(is_known), total=1)


async def test_a_dry_run_counts_odd_items(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.servers(2, RunningJob=True)
    async with gateway(aws, changed_items("DescribeJobs", tags={"Owner": None})) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        (finding,) = (await readiness_of(plan(aws.servers(1)), fast)).findings
    assert finding.message.startswith("DescribeJobs: 2 items of an unknown form")
    assert finding.severity is Severity.UNKNOWN


async def test_odd_items_of_a_shared_read_are_counted_in_each_look_that_uses_it(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.servers(2, RunningJob=True)
    clients, plans = TargetClients(fast), [plan(aws.servers(1)) for _ in range(2)]
    activities = ReadinessActivities(clients)

    async def look(each: RecoveryPlan) -> list[str]:
        request = TargetLook(plan=each, target=each.targets[0], is_fresh=False)
        found = await Attempt(Temporal()).run(activities.look_at_target, request)
        return [finding.message for finding in found.findings]

    async with gateway(aws, changed_items("DescribeJobs", tags={"Owner": None})) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        first = await look(plans[0])
        # Of the same operation, for something else, and readable.
        await clients.looks(plans[0].targets[0]).jobs(["drsjob-00000000000000001"])
        second = await look(plans[1])
    assert first == second == ["DescribeJobs: 2 items of an unknown form"]


async def test_jobs_in_an_unknown_status_take_up_no_quota(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch, watches: WatchActivities
) -> None:
    aws.servers(2, RunningJob=True)
    one = fast.model_copy(update={"jobs_quota": 1})
    async with gateway(aws, changed_items("DescribeJobs", status="ARCHIVED")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
        assert messages_of(await readiness_of(plan(aws.servers(1)), one)) == []
        found = await Attempt(Temporal()).run(
            watches.read_running_jobs, RunningJobsRequest(target=TARGET)
        )
    assert found.jobs == {}
