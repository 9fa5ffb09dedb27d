"""Launching is dangerous: what is refused, waited for, or asked only once."""

import pytest

from client.errors import RefusedError
from client.readiness.check import check_readiness
from client.start import start_execution
from recovery.execution.server import LaunchStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.readiness.verdict import ReadinessStatus
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment, wave_of


# DRS may clean up a server's earlier instance at the start of a job, or before the launch.
@pytest.mark.parametrize("clean_up", ["at-start", "before-launch"])
async def test_a_drill_never_launches_over_a_live_instance_of_a_real_recovery(
    env: E2eEnvironment, clean_up: str
) -> None:
    live = env.aws.servers(1, LiveRecoveryInstance="RECOVERY", EarlierInstanceCleanUp=clean_up)
    plan = env.plan(env.wave("Database", servers=live + env.aws.servers(1)))
    state = await env.run(plan)
    refused, launched = wave_of(state, "Database").servers
    assert refused.launch_status is LaunchStatus.FAILED
    assert "live instance" in str(refused.reason)
    assert launched.launch_status is LaunchStatus.LAUNCHED
    assert env.aws.accepted_launches(live[0]) == []
    assert len(env.aws.instances_up(live[0])) == 1
    assert state.status is PlanStatus.FAILED


async def test_a_second_real_recovery_launches_nothing_over_the_first(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    server_id = plan.waves[0].server_ids[0]
    how = {"execution_type": RECOVERY, "confirmation": plan.plan_id}
    first = await env.run(plan, **how)
    assert first.status is PlanStatus.COMPLETED
    second = await env.run(plan, **how)
    assert second.status is PlanStatus.FAILED
    assert "live instance" in wave_of(second, "Database").status_reason
    assert len(env.aws.accepted_launches(server_id)) == 1
    third = await env.run(plan, **how, relaunch=[server_id])
    assert third.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(server_id)) == 2


@pytest.mark.parametrize(
    "clean_up", ["at-start", pytest.param("before-launch", marks=pytest.mark.slow)]
)
async def test_a_drill_may_replace_the_instance_of_an_earlier_drill(
    env: E2eEnvironment, clean_up: str
) -> None:
    servers = env.aws.servers(1, EarlierInstanceCleanUp=clean_up)
    plan = env.plan(env.wave("Database", servers=servers))
    assert (await env.run(plan)).status is PlanStatus.COMPLETED
    assert (await env.run(plan)).status is PlanStatus.COMPLETED
    assert len(env.aws.instances_up(servers[0])) == 1


@pytest.mark.parametrize("confirmation", [None, "another-plan"])
async def test_an_unconfirmed_recovery_launches_nothing(
    env: E2eEnvironment, confirmation: str | None
) -> None:
    plan = env.plan(env.wave("Database"))
    execution_id = await start_execution(
        env.client, plan, execution_type=RECOVERY, confirmation=confirmation
    )
    with pytest.raises(AssertionError, match="not in the history"):
        await env.end(plan, execution_id)
    assert env.aws.accepted_launches(plan.waves[0].server_ids[0]) == []


async def test_nothing_at_all_is_launched_when_the_worker_acts_in_another_account(
    env: E2eEnvironment,
) -> None:
    plan = env.plan(env.wave("Database", account_id="999999999999"), env.wave("Monitoring"))
    state = await env.run(plan)
    assert state.status is PlanStatus.FAILED
    assert "999999999999" in wave_of(state, "Database").status_reason
    assert all(wave.start_time is None for wave in state.waves)
    for wave in plan.waves:
        assert env.aws.accepted_launches(wave.server_ids[0]) == []


async def test_a_plan_that_runs_is_not_started_twice(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    execution_id = await start_execution(env.client, plan)
    with pytest.raises(RefusedError, match=r"already running.*drs-waves watch"):
        await start_execution(env.client, plan)
    await env.end(plan, execution_id)
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


@pytest.mark.slow
async def test_a_launch_waits_for_a_quota_that_could_not_be_read_and_says_so(
    env: E2eEnvironment,
) -> None:
    denied = {"Service": "service-quotas", "Operation": "ListServiceQuotas"}
    env.aws.apply(Quotas={"JobsInProgress": 1}, Faults=[denied | {"Error": "AccessDenied"}])
    plan = env.plan(env.wave("Database"), env.wave("Cache"))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: any("Waiting for quota" in w.status_reason for w in s.waves))
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED


async def test_a_foreign_job_is_waited_for_and_named(env: E2eEnvironment) -> None:
    busy = env.aws.servers(1, RunningJob=True, StuckSeconds=1000)
    plan = env.plan(env.wave("Database", servers=busy))
    execution_id = await start_execution(env.client, plan)
    state = await env.until(
        plan, lambda s: "Waiting for another job" in wave_of(s, "Database").status_reason
    )
    assert "drsjob-" in wave_of(state, "Database").status_reason
    assert "ConflictException" not in wave_of(state, "Database").status_reason
    assert wave_of(state, "Database").status is WaveStatus.WAITING
    await env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}").cancel()
    await env.end(plan, execution_id)


async def test_throttling_of_the_launch_passes(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database"))
    env.aws.apply(
        Faults=[{"Operation": "StartRecovery", "Error": "ThrottlingException", "Times": 2}]
    )
    assert (await env.run(plan)).status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_after_a_lost_response_the_job_is_searched_and_adopted(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Database", servers=2))
    env.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "answer-lost", "Times": 1}])
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_a_server_that_drs_does_not_know_fails_alone(env: E2eEnvironment) -> None:
    unknown = ["s-0123456789abcdef0"]
    plan = env.plan(env.wave("Database", servers=unknown + env.aws.servers(1)))
    state = await env.run(plan)
    lost, launched = wave_of(state, "Database").servers
    assert lost.launch_status is LaunchStatus.FAILED
    assert "ResourceNotFoundException" in str(lost.reason)
    assert launched.launch_status is LaunchStatus.LAUNCHED


@pytest.mark.slow
async def test_a_large_wave_is_split_into_jobs_of_at_most_100_servers(env: E2eEnvironment) -> None:
    plan = env.plan(env.wave("Fleet", servers=230))
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    jobs = {launch["JobId"]: launch for s in plan.waves[0].server_ids
            for launch in env.aws.accepted_launches(s)}  # fmt: skip
    assert sorted(len(job["SourceServerIds"]) for job in jobs.values()) == [30, 100, 100]
    assert len({job["Tags"]["drs-waves:launch-id"] for job in jobs.values()}) == 3


async def test_readiness_names_each_server_that_is_not_ready_and_launches_nothing(
    env: E2eEnvironment,
) -> None:
    syncing = env.aws.servers(1, ReplicationState="INITIAL_SYNC")
    lagging = env.aws.servers(1, LagDuration="PT4H")
    busy = env.aws.servers(1, RunningJob=True)
    live = env.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    fine = env.aws.servers(1)
    unknown = ["s-0123456789abcdef1"]
    servers = syncing + lagging + busy + live + fine + unknown
    readiness = await check_readiness(env.client, env.plan(env.wave("All", servers=servers)))
    found = {f.source_server_id: f for f in reversed(readiness.findings)}
    assert "INITIAL_SYNC" in found[syncing[0]].message
    assert "lags by 4 h" in found[lagging[0]].message
    assert "running job" in found[busy[0]].message
    assert "live instance" in found[live[0]].message
    assert "no such source server" in found[unknown[0]].message
    assert fine[0] not in found
    assert not found[lagging[0]].prevents_launch
    assert found[syncing[0]].prevents_launch
    assert readiness.status is ReadinessStatus.NOT_READY
    assert readiness.context.targets[0].is_sandbox
    for server in syncing + lagging + fine:
        assert env.aws.accepted_launches(server) == []
