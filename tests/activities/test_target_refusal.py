"""No activity calls anything in a target that the worker's allow-list does not have."""

import asyncio
import importlib
import json
import pkgutil
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError

import activities
from activities.access.decision_check import DecisionActivities
from activities.access.message_activities import MessageActivities
from activities.access.verifier import RequestVerifier
from activities.cleanup import CleanupActivities
from activities.coverage.coverage_activities import list_servers
from activities.doctor.target_checks import TargetChecks
from activities.executions import ExecutionActivities
from activities.history import HistoryActivities
from activities.isolation.isolation_activities import IsolationActivities
from activities.isolation.lease_activities import LeaseActivities
from activities.job_logs import JobLogActivities
from activities.launch.launch_activities import LaunchActivities
from activities.launch_settings.settings_activities import LaunchSettingsActivities
from activities.membership.membership_activities import MembershipActivities
from activities.notify.notify_activities import NotifyActivities
from activities.portfolio.portfolio_activities import PortfolioActivities
from activities.readiness.readiness_activities import ReadinessActivities
from activities.readiness.results import ReadinessResultActivities
from activities.readiness.surroundings import SurroundingsActivities
from activities.schedule.schedule_activities import ScheduleActivities
from activities.snapshots import SnapshotActivities
from activities.steps.checks.registry import CHECKS
from activities.steps.reverting import RevertActivities
from activities.steps.step_activities import StepActivities
from activities.targets import TargetActivities
from activities.watch.watch_activities import WatchActivities
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsErrorKind
from aws.targets import NO_ALLOW_LIST, TargetClients
from contract.cleanup import TargetScope, TerminateRequest
from contract.job_logs import JobLogsRequest
from contract.launch import (
    BatchRequest,
    QueueLaunches,
    ReviewRequest,
    RunningJobsRequest,
    WaveLaunches,
)
from contract.launch_settings.apply import (
    ApplyRequest,
    PreparedServer,
    PrepareRequest,
    SettingsRequest,
)
from contract.launch_settings.lease import (
    HoldRequest,
    Isolation,
    LeaseInput,
    LeaseJobsRequest,
    RestoreRequest,
)
from contract.readiness import MembershipRequest, SnapshotsRead, TargetLook
from contract.steps import StartedStep, StartOutcome, StartRevert, StepCall, StepServer, WatchedStep
from contract.watch import WatchRequest
from recovery.access.step_needs import needs_of
from recovery.execution.cleanup_state import LaunchedInstance
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.launch_settings.lease import DrillVersion, Lease
from recovery.launch_settings.model import ServerLaunchSettings
from recovery.launch_settings.network import LaunchNetwork
from recovery.launch_settings.report import WantedServer
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.readiness.finding import FindingCode, Severity
from recovery.readiness.verdict import ReadinessStatus
from recovery.steps.model import Step, StepKind
from settings import Settings
from storage.history import HistoryTable
from tests.activities.launch.test_attempt import launch
from tests.activities.steps.step_calls import step_call
from tests.aws_in_process import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    Attempt,
    LocalAws,
    Temporal,
    batch,
)
from tests.readiness_looks import readiness_of
from tests.recovery.plans import server_id

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/drs-waves"
LIST = {
    "Targets": [
        {"AccountIds": [ACCOUNT], "Regions": ["us-*"]},
        {"AccountIds": [OTHER_ACCOUNT], "Regions": ["ap-*"]},
        {"AccountIds": [OTHER_ACCOUNT], "Regions": [REGION], "RoleArns": [ROLE]},
    ],
    "Steps": {"Documents": ["Listed"], "HostedZones": ["Z1"]},
}
REFUSED = [
    # The Region is listed, for another account than the worker's.
    Target(region="ap-south-1", account_id=OTHER_ACCOUNT),
    Target(region="eu-central-1"),
    Target(region="eu-central-1", role_arn=ROLE),
    Target(region=REGION, role_arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/Admin"),
    Target(region=REGION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/drs-waves"),
]
SERVERS = [Server(source_server_id=server_id(1))]
RESULTS = [ServerResult(source_server_id=server_id(1), recovery_job_id="drsjob-1")]
INSTANCE = LaunchedInstance(
    recovery_instance_id="i-1",
    source_server_id=server_id(1),
    recovery_job_id="drsjob-1",
    region=REGION,
)


@pytest.fixture
def listed(fast: Settings) -> Settings:
    """The settings of a worker with an allow-list."""
    return fast.model_copy(update={"allow_list": json.dumps(LIST)})


def plan(target: Target) -> RecoveryPlan:
    wave = Wave(wave_id="w", servers=SERVERS, region=target.region, role_arn=target.role_arn)
    return RecoveryPlan(plan_id="crm", waves=[wave])


def by_tags(target: Target) -> RecoveryPlan:
    """The plan, with tags instead of its servers."""
    (wave,) = plan(target).waves
    tagged = wave.model_copy(update={"servers": [], "servers_by_tag": {"App": "crm"}})
    return RecoveryPlan(plan_id="crm", waves=[tagged])


WANTED = WantedServer(
    wave_id="w",
    source_server_id=server_id(1),
    settings=ServerLaunchSettings(instance_type="m6i.large"),
)


def settings_activities(clients: TargetClients, settings: Settings) -> LaunchSettingsActivities:
    return LaunchSettingsActivities(clients, settings, RequestVerifier(settings))


Run = Callable[[TargetClients, Settings, Target], Awaitable[Any]]


def run(activity: Callable[[Any], Awaitable[Any]], request: Any) -> Awaitable[Any]:
    return Attempt(Temporal()).run(activity, request)


def step(target: Target, seconds: float = 5.0, **kind: Any) -> StepCall:
    """A call of a step for a server in a target."""
    server = StepServer(source_server_id=server_id(1), instance_id="i-1", target=target)
    there = {"target": target, "servers": [server], "server_ids": [server_id(1)]}
    return step_call(seconds=seconds, call=there, **kind)


def automation(target: Target, seconds: float = 5.0) -> StepCall:
    return step(target, seconds, SsmAutomation={"Document": "Listed"})


def started(target: Target) -> WatchedStep:
    begun = StartedStep(outcome=StartOutcome.STARTED, reference="1")
    return WatchedStep(call=automation(target, seconds=0.0), started=begun)


class Recorded:
    """A history in which a step has set a record in a target."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan]:
        """The execution and its plan."""
        record = {"ZoneId": "Z1", "Name": "shop.example.com", "Type": "A", "Values": ["192.0.2.1"]}
        dns = Step.model_validate({"StepId": "dns", "When": "BOTH", "Route53Record": record})
        where = {"region": self._target.region, "role_arn": self._target.role_arn}
        plan = RecoveryPlan(
            plan_id="crm", waves=[Wave(wave_id="w", servers=[], steps=[dns], **where)]
        )
        state = ExecutionState.begin(
            plan,
            execution_id=execution_id,
            execution_type=ExecutionType.DRILL,
            started_by="ops",
            now=0.0,
        )
        state.waves[0].steps[0].before = {"Was": None, "SetTo": {}}
        return state, plan


def revert(clients: TargetClients, settings: Settings, target: Target) -> Awaitable[Any]:
    table = cast(HistoryTable, Recorded(target))
    activities = RevertActivities(clients, settings, table, RequestVerifier(settings))
    start = StartRevert(execution_id="crm-1", plan_id="crm", step="w/dns")
    return run(activities.revert_step, start)


LEASE = Lease(
    template_id="lt-1",
    drill_version=2,
    drill=DrillVersion(
        execution_id="crm-1", restore_version=1, source_server_id=server_id(1), lease_id="0" * 12
    ),
    subnet_id="subnet-00000000",
)


def isolated(target: Target) -> BatchRequest:
    """A batch of a drill that isolates its server."""
    settings = {server_id(1): ServerLaunchSettings(subnet_id=LEASE.subnet_id)}
    request = batch(launch(SERVERS, target=target, drill_settings=settings))
    return request.model_copy(update={"isolation": Isolation(leases=[LEASE])})


def isolation(clients: TargetClients, settings: Settings) -> IsolationActivities:
    leases = TemplateLeases(clients)
    return IsolationActivities(clients, leases, settings, RequestVerifier(settings))


# What each activity is asked for may be forged by whoever may start workflows or activities.
ACTIVITIES: dict[str, Run] = {
    "revert_step": revert,
    "queue_launches": lambda c, s, target: run(
        LaunchActivities(c, s).queue_launches,
        QueueLaunches(
            waves=[
                WaveLaunches(
                    requests=[launch(SERVERS, target=target)], launch_before=time.time() + 60
                )
            ]
        ),
    ),
    "launch_batch": lambda c, s, target: run(
        LaunchActivities(c, s).launch_batch,
        batch(launch(SERVERS, target=target, relaunch=[server_id(1)])),
    ),
    "prepare_isolation": lambda c, s, target: run(
        isolation(c, s).prepare_isolation, isolated(target)
    ),
    "switch_templates": lambda c, s, target: run(
        isolation(c, s).switch_templates, isolated(target)
    ),
    "find_lease_jobs": lambda c, s, target: run(
        LeaseActivities(c, TemplateLeases(c), s).find_lease_jobs,
        LeaseJobsRequest(
            lease=LeaseInput(
                target=target, lease_id="0" * 12, leases=[LEASE], execution_ids=["crm-1"],
                since=0.0, expires_time=0.0,
            ),
            server_ids=[server_id(1)],
        ),
    ),
    "hold_templates": lambda c, s, target: run(
        LeaseActivities(c, TemplateLeases(c), s).hold_templates,
        HoldRequest(target=target, leases=[LEASE], jobs={server_id(1): "drsjob-1"}),
    ),
    "restore_templates": lambda c, s, target: run(
        LeaseActivities(c, TemplateLeases(c), s).restore_templates,
        RestoreRequest(target=target, leases=[LEASE], restore_drs=True, held_since=0.0),
    ),
    "find_launch": lambda c, s, target: run(
        LaunchActivities(c, s).find_launch, launch(SERVERS, target=target)
    ),
    "watch_servers": lambda c, s, target: run(
        WatchActivities(c, s).watch_servers,
        WatchRequest(target=target, servers=RESULTS, until=0.0),
    ),
    "read_running_jobs": lambda c, s, target: run(
        WatchActivities(c, s).read_running_jobs, RunningJobsRequest(target=target)
    ),
    "review_launches": lambda c, s, target: run(
        WatchActivities(c, s).review_launches,
        ReviewRequest(
            target=target, servers=RESULTS, launch_prefixes=["crm-1/"], is_drill=True, since=0.0
        ),
    ),
    "check_targets": lambda c, s, target: Attempt(Temporal()).environment.run(
        TargetActivities(c, s).check_targets, [target], [[server_id(1)]]
    ),
    "look_at_target": lambda c, s, target: run(
        ReadinessActivities(c).look_at_target, TargetLook(plan=plan(target), target=target)
    ),
    # It checks each target by this.
    "examine_installation": lambda c, s, target: TargetChecks(c).check_all([target], 20),
    # It reads each target by this.
    "read_coverage": lambda c, s, target: list_servers(c, target, asyncio.Semaphore()),
    "read_snapshots": lambda c, s, target: run(
        SnapshotActivities(c).read_snapshots, SnapshotsRead(target=target, servers=SERVERS)
    ),
    "read_membership": lambda c, s, target: run(
        MembershipActivities(c).read_membership, MembershipRequest(plan=by_tags(target))
    ),
    "read_job_logs": lambda c, s, target: run(
        JobLogActivities(c).read_job_logs, JobLogsRequest(target=target, job_ids=["drsjob-1"])
    ),
    "find_instances": lambda c, s, target: run(
        CleanupActivities(c, s).find_instances,
        TargetScope(
            target=target, server_ids=[server_id(1)], job_ids=["drsjob-1"],
            launch_prefix="crm-1/", since=0.0,
        ),
    ),
    "read_launch_settings": lambda c, s, target: run(
        settings_activities(c, s).read_launch_settings,
        SettingsRequest(target=target, servers=[WANTED]),
    ),
    "create_template_versions": lambda c, s, target: run(
        settings_activities(c, s).create_template_versions,
        PrepareRequest(target=target, servers=[WANTED], apply_id="crm-1", plan_id="crm"),
    ),
    "apply_launch_settings": lambda c, s, target: run(
        settings_activities(c, s).apply_launch_settings,
        ApplyRequest(
            target=target, apply_id="crm-1", plan_id="crm",
            servers=[PreparedServer(server=WANTED, template_id="lt-1", version_after=2)],
        ),
    ),
    "compare_templates": lambda c, s, target: run(
        LeaseActivities(c, TemplateLeases(c), s).compare_templates,
        TargetScope(
            target=target, server_ids=[], job_ids=[], launch_prefix="crm-1/", since=0.0,
            isolated={server_id(1): LaunchNetwork(template_id="lt-1")},
        ),
    ),
    "terminate": lambda c, s, target: run(
        CleanupActivities(c, s).terminate, TerminateRequest(target=target, instances=[INSTANCE])
    ),
    "start_step": lambda c, s, target: run(StepActivities(c, s).start_step, automation(target)),
    "watch_step": lambda c, s, target: run(StepActivities(c, s).watch_step, started(target)),
    "stop_step": lambda c, s, target: run(StepActivities(c, s).stop_step, started(target)),
    "check_step": lambda c, s, target: run(
        StepActivities(c, s).check_step, step(target, Tcp={"Port": 1})
    ),
}  # fmt: skip
NOT_IN_TARGETS = (HistoryActivities, ExecutionActivities, MessageActivities, NotifyActivities,
                  DecisionActivities, SurroundingsActivities,
                  ReadinessResultActivities, ScheduleActivities,
                  PortfolioActivities)  # fmt: skip


def activities_of(kind: type) -> set[str]:
    return {
        name
        for name, each in [*vars(kind).items()]
        if hasattr(each, "__temporal_activity_definition")
    }


def test_each_activity_that_calls_aws_in_a_target_is_attacked_here() -> None:
    modules = [
        importlib.import_module(each.name)
        for each in pkgutil.walk_packages(activities.__path__, "activities.")
    ]
    kinds = {v for m in modules for v in vars(m).values() if isinstance(v, type)}
    found = set().union(*(activities_of(kind) for kind in kinds - {*NOT_IN_TARGETS}))
    # They call nothing in AWS.
    assert found - {"answer_queue", "send_results"} == set(ACTIVITIES)


@pytest.mark.parametrize("name", ACTIVITIES)
@pytest.mark.parametrize("target", REFUSED, ids=lambda each: f"{each.region} {each.role_arn}")
async def test_an_activity_for_a_target_outside_the_list_calls_nothing_there_and_says_why(
    aws: LocalAws,
    listed: Settings,
    name: str,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The address of a server is asked for before the check itself.
    monkeypatch.setitem(CHECKS, StepKind.TCP, lambda _: object())
    clients = TargetClients(listed)
    # Twice: what the first refusal has looked up must open nothing.
    for _ in range(2):
        (outcome,) = await asyncio.gather(
            ACTIVITIES[name](clients, listed, target), return_exceptions=True
        )
        if isinstance(outcome, ApplicationError):
            assert outcome.non_retryable
            assert outcome.type == AwsErrorKind.NOT_ALLOWED
        # The watch has signaled it.
        if name != "watch_servers":
            assert "DRS_WAVES_ALLOW_LIST" in str(outcome)
        # The reason of a watched step is shortened.
        if name not in ("watch_servers", "watch_step"):
            assert target.role_arn is None or target.role_arn in str(outcome)
    decided_by_account = target.region == "ap-south-1"
    allowed = {"sts.GetCallerIdentity"} if decided_by_account else set()
    assert set(aws.server.control.calls()["Calls"]) <= allowed


async def test_a_forged_launch_fails_for_good_and_names_what_to_add(
    aws: LocalAws, listed: Settings
) -> None:
    (target,) = [each for each in REFUSED if each.role_arn and each.role_arn.endswith("Admin")]
    servers = aws.servers(AccountId=OTHER_ACCOUNT)
    activity = LaunchActivities(TargetClients(listed), listed).launch_batch
    result = await run(activity, batch(launch(servers, target=target)))
    (failed,) = result.results[0].servers
    assert failed.launch_status is LaunchStatus.FAILED
    assert f'RoleArns: ["{target.role_arn}"]' in str(failed.reason)
    assert aws.accepted(servers[0]) == []


@pytest.mark.usefixtures("patient")
async def test_a_start_with_one_target_outside_the_list_is_refused_as_a_whole(
    aws: LocalAws, listed: Settings
) -> None:
    aws.servers()
    checked = TargetActivities(TargetClients(listed), listed).check_targets
    targets = [Target(region=REGION), Target(region="eu-central-1")]
    context = await Attempt(Temporal()).environment.run(checked, targets)
    assert [each.mismatch for each in context.targets] == [False, True]
    assert "eu-central-1" in str(context.targets[1].error)


async def test_allowed_targets_are_launched_in_by_whatever_activity(
    aws: LocalAws, listed: Settings
) -> None:
    for account, role in ((ACCOUNT, None), (OTHER_ACCOUNT, ROLE)):
        servers = aws.servers(AccountId=account)
        target = Target(region=REGION, role_arn=role)
        activity = LaunchActivities(TargetClients(listed), listed).launch_batch
        await run(activity, batch(launch(servers, target=target)))
        assert len(aws.accepted(servers[0])) == 1


async def test_readiness_warns_of_a_missing_list_unless_all_of_aws_is_on_this_machine(
    aws: LocalAws, fast: Settings, listed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def messages(settings: Settings) -> list[str]:
        found = await readiness_of(plan(Target(region=REGION)), settings)
        return [each.message for each in found.findings if each.severity is Severity.WARNS]

    aws.servers()
    assert NO_ALLOW_LIST not in await messages(fast)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.us-west-2.amazonaws.com")
    assert NO_ALLOW_LIST in await messages(fast)
    assert NO_ALLOW_LIST not in await messages(listed)


async def test_a_start_is_refused_for_all_that_its_steps_must_not_call_at_once(
    aws: LocalAws, listed: Settings
) -> None:
    aws.servers()
    call, role = {"FunctionName": "notify"}, f"arn:aws:iam::{OTHER_ACCOUNT}:role/admin"
    wave = Wave(
        wave_id="w",
        servers=[],
        region=REGION,
        steps=[
            Step.model_validate({"StepId": "tell", "When": "BOTH", "Lambda": call}),
            Step.model_validate({"StepId": "far", "When": "BOTH", "Lambda": call, "RoleArn": role}),
            Step.model_validate(
                {"StepId": "go", "When": "RECOVERY", "SsmAutomation": {"Document": "Promote"}}
            ),
        ],
    )
    of = RecoveryPlan(plan_id="crm", waves=[wave])
    checks = TargetActivities(TargetClients(listed), listed)
    for is_drill, refused in ((True, ["role/admin", "notify"]), (False, ["Promote"])):
        needs = needs_of(of, is_drill=is_drill)
        context = await Attempt(Temporal()).environment.run(
            checks.check_targets, [Target(region=REGION)], None, False, needs
        )
        assert all(each in str(context.refusal) for each in refused)
    assert "Promote" not in str(needs_of(of, is_drill=True))
    readiness = await readiness_of(of, listed)
    refusals = [f.message for f in readiness.findings if f.code is FindingCode.STEP_NOT_ALLOWED]
    assert [each.split(" is refused: ")[0] for each in refusals] == ["a start", "a recovery"]
    (target,) = [f for f in readiness.findings if f.code is FindingCode.TARGET_NOT_ALLOWED]
    assert "role/admin" in target.message
    assert readiness.status is ReadinessStatus.NOT_READY


@pytest.mark.usefixtures("patient")
async def test_steps_on_the_list_refuse_no_start(aws: LocalAws, fast: Settings) -> None:
    allowed = LIST | {"Steps": {"Functions": ["notify"]}}
    settings = fast.model_copy(update={"allow_list": json.dumps(allowed)})
    step = Step.model_validate(
        {"StepId": "tell", "When": "BOTH", "Lambda": {"FunctionName": "notify"}}
    )
    wave = Wave(wave_id="w", servers=[], region=REGION, steps=[step])
    needs = needs_of(RecoveryPlan(plan_id="crm", waves=[wave]), is_drill=True)
    checks = TargetActivities(TargetClients(settings), settings)
    context = await Attempt(Temporal()).environment.run(
        checks.check_targets, [Target(region=REGION)], None, False, needs
    )
    assert context.refusal is None
