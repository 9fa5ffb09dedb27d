"""A history or a Temporal in the Region that is recovered is warned of, and holds nothing back."""

import pytest

from activities.targets import TargetActivities
from aws.regions import DependencyRegions, history_region, known_regions, region_in
from aws.targets import TargetClients
from contract.readiness import WorkerContext
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.readiness.finding import Severity
from settings import Settings
from tests.aws_in_process import REGION, Attempt, LocalAws, Temporal
from tests.readiness_looks import readiness_of

# Where the source servers of the local AWS replicate from.
ORIGIN = "us-east-1"
SAFE = DependencyRegions(history="eu-west-1", temporal="eu-central-1")
LOST = DependencyRegions(history=ORIGIN, temporal=ORIGIN)


async def looked_at(
    fast: Settings, ours: DependencyRegions, servers: list[Server] | None
) -> WorkerContext:
    """What a plan of these servers learns at its start."""
    attempt = Attempt(Temporal())
    check = TargetActivities(TargetClients(fast), fast, ours).check_targets
    ids = None if servers is None else [[s.source_server_id for s in servers]]
    return await attempt.environment.run(check, [Target(region=REGION)], ids)


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("us-west-2.aws.api.temporal.io:7233", "us-west-2"),
        ("vpce-0a1b.vpce-svc-0c2d.ap-southeast-1.vpce.amazonaws.com:7233", "ap-southeast-1"),
        ("temporal.us-gov-east-1.example.com", "us-gov-east-1"),
        ("TEMPORAL.EU-CENTRAL-1.EXAMPLE.COM:7233", "eu-central-1"),
        ("temporal.eusc-de-east-1.example.com:7233", "eusc-de-east-1"),
        ("EUSC-DE-EAST-1.tmprl.cloud:7233", "eusc-de-east-1"),
        ("temporal.us-isob-east-1.example.com", "us-isob-east-1"),
        ("node-pool-1.eu-west-3.example.com", "eu-west-3"),
        ("localhost:7233", None),
        ("us-central1.gcp.api.temporal.io:7233", None),
        ("prod.a1b2c.tmprl.cloud:7233", None),
        ("bus-west-2.example.com", None),
        ("us-west-21.example.com", None),
        ("", None),
    ],
)
def test_the_region_is_read_from_an_address_only_where_it_is_one(
    address: str, region: str | None
) -> None:
    assert region_in(address) == region


def test_the_partitions_and_regions_are_known_without_a_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    known = known_regions.__wrapped__()
    assert known.partition_of("eusc-de-east-1") == "aws-eusc"
    assert known.partition_of("us-gov-east-9") == "aws-us-gov"
    assert known.partition_of("xx-north-1") is None
    assert {"us-west-2", "us-gov-west-1", "eusc-de-east-1"} <= set(known.with_drs)
    assert "cn-north-1" not in known.with_drs


def test_a_setting_overrides_the_address(aws: LocalAws) -> None:
    settings = Settings(temporal_region="eu-west-1")
    assert DependencyRegions.of(settings, "us-west-2.aws.api.temporal.io").temporal == "eu-west-1"
    assert DependencyRegions.of(Settings(), "us-west-2.aws.api.temporal.io").temporal == "us-west-2"


def test_the_historys_region_is_the_tables_own_or_awss(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert history_region(Settings()) == REGION
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert history_region(Settings()) == "eu-north-1"
    assert history_region(Settings(history_region="eu-west-1")) == "eu-west-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert history_region(Settings()) is None
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert history_region(Settings()) is None


@pytest.mark.usefixtures("patient")
async def test_a_plan_learns_at_its_start_what_would_be_lost_with_its_servers(
    aws: LocalAws, fast: Settings
) -> None:
    context = await looked_at(fast, LOST, aws.servers(2))
    assert context.warnings == [
        f"The history is in {ORIGIN}, a Region this plan recovers from",
        f"Temporal is in {ORIGIN}, a Region this plan recovers from",
    ]
    assert not any(target.error for target in context.targets)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "ours", [SAFE, DependencyRegions(), DependencyRegions(history=REGION, temporal=REGION)]
)
async def test_there_is_no_warning_for_another_region(
    aws: LocalAws, fast: Settings, ours: DependencyRegions
) -> None:
    assert (await looked_at(fast, ours, aws.servers(2))).warnings == []


@pytest.mark.parametrize(
    "fault",
    [
        {"Error": "AccessDeniedException"},
        {"Error": "ThrottlingException"},
        {"Effect": "drop"},
        {"Effect": "delay", "Seconds": 6},
    ],
    ids=lambda fault: str(fault.get("Error", fault.get("Effect"))),
)
async def test_source_servers_that_cannot_be_read_cost_the_warning_and_nothing_else(
    aws: LocalAws, fast: Settings, fault: dict[str, object]
) -> None:
    servers = aws.servers(1)
    aws.fault("DescribeSourceServers", **fault)
    context = await looked_at(fast, LOST, servers)
    assert context.warnings == []
    assert [target.error for target in context.targets] == [None]
    assert context.targets[0].account_id


@pytest.mark.usefixtures("patient")
async def test_a_check_requested_without_server_ids_still_works(
    aws: LocalAws, fast: Settings
) -> None:
    context = await looked_at(fast, LOST, None)
    assert context.warnings == []
    assert context.targets[0].account_id


@pytest.mark.usefixtures("patient")
async def test_the_servers_of_a_target_cost_one_call(aws: LocalAws, fast: Settings) -> None:
    await looked_at(fast, LOST, aws.servers(40))
    assert aws.calls("DescribeSourceServers") == 1


async def test_a_dry_run_warns_but_blocks_nothing(aws: LocalAws, fast: Settings) -> None:
    wave = Wave(wave_id="db", servers=aws.servers(2), region=REGION)
    plan = RecoveryPlan(plan_id="crm", region=REGION, waves=[wave])

    async def found(ours: DependencyRegions) -> list[tuple[str, bool]]:
        readiness = await readiness_of(plan, fast, dependencies=ours)
        return [(each.message, each.severity is Severity.WARNS) for each in readiness.findings]

    assert await found(LOST) == [
        (f"The history is in {ORIGIN}, a Region this plan recovers from", True),
        (f"Temporal is in {ORIGIN}, a Region this plan recovers from", True),
    ]
    assert await found(SAFE) == []
