"""Launching is dangerous: what is refused, waited for, or asked only once."""

import pytest

from client.errors import RefusedError
from client.readiness import check_readiness
from client.start import start_execution
from recovery.execution.server import LaunchStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from tests.end_to_end.conftest import RECOVERY, House, wave_of


async def test_a_drill_never_launches_over_a_live_instance_of_a_real_recovery(
    house: House,
) -> None:
    live = house.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    plan = house.plan(house.wave("Database", servers=live + house.aws.servers(1)))
    state = await house.run(plan)
    refused, launched = wave_of(state, "Database").servers
    assert refused.launch_status is LaunchStatus.FAILED
    assert "live instance" in str(refused.reason)
    assert launched.launch_status is LaunchStatus.LAUNCHED
    assert house.aws.accepted_launches(live[0]) == []
    assert state.status is PlanStatus.FAILED


async def test_a_second_real_recovery_launches_nothing_over_the_first(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    server_id = plan.waves[0].server_ids[0]
    how = {"execution_type": RECOVERY, "confirmation": plan.plan_id}
    first = await house.run(plan, **how)
    assert first.status is PlanStatus.COMPLETED
    second = await house.run(plan, **how)
    assert second.status is PlanStatus.FAILED
    assert "live instance" in wave_of(second, "Database").status_reason
    assert len(house.aws.accepted_launches(server_id)) == 1
    third = await house.run(plan, **how, relaunch=[server_id])
    assert third.status is PlanStatus.COMPLETED
    assert len(house.aws.accepted_launches(server_id)) == 2


async def test_a_drill_may_replace_the_instance_of_an_earlier_drill(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    assert (await house.run(plan)).status is PlanStatus.COMPLETED
    assert (await house.run(plan)).status is PlanStatus.COMPLETED


@pytest.mark.parametrize("confirmation", [None, "another-plan"])
async def test_an_unconfirmed_recovery_launches_nothing(
    house: House, confirmation: str | None
) -> None:
    plan = house.plan(house.wave("Database"))
    execution_id = await start_execution(
        house.client, plan, execution_type=RECOVERY, confirmation=confirmation
    )
    with pytest.raises(AssertionError, match="not in the history"):
        await house.end(plan, execution_id)
    assert house.aws.accepted_launches(plan.waves[0].server_ids[0]) == []


async def test_nothing_at_all_is_launched_when_the_worker_acts_in_another_account(
    house: House,
) -> None:
    plan = house.plan(house.wave("Database", account_id="999999999999"), house.wave("Monitoring"))
    state = await house.run(plan)
    assert state.status is PlanStatus.FAILED
    assert "999999999999" in wave_of(state, "Database").status_reason
    assert all(wave.start_time is None for wave in state.waves)
    for wave in plan.waves:
        assert house.aws.accepted_launches(wave.server_ids[0]) == []


async def test_a_plan_that_runs_is_not_started_twice(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    execution_id = await start_execution(house.client, plan)
    with pytest.raises(RefusedError, match=r"running already.*drs-waves watch"):
        await start_execution(house.client, plan)
    await house.end(plan, execution_id)
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_a_launch_waits_for_a_quota_that_could_not_be_read_and_says_so(house: House) -> None:
    denied = {"Service": "service-quotas", "Operation": "ListServiceQuotas"}
    house.aws.apply(Quotas={"JobsInProgress": 1}, Faults=[denied | {"Error": "AccessDenied"}])
    plan = house.plan(house.wave("Database"), house.wave("Cache"))
    execution_id = await start_execution(house.client, plan)
    await house.until(plan, lambda s: any("Waiting for quota" in w.status_reason for w in s.waves))
    state = await house.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED


async def test_a_foreign_job_is_waited_for_and_named(house: House) -> None:
    busy = house.aws.servers(1, RunningJob=True, StuckSeconds=1000)
    plan = house.plan(house.wave("Database", servers=busy))
    execution_id = await start_execution(house.client, plan)
    state = await house.until(
        plan, lambda s: "Waiting for another job" in wave_of(s, "Database").status_reason
    )
    assert "drsjob-" in wave_of(state, "Database").status_reason
    assert "ConflictException" not in wave_of(state, "Database").status_reason
    assert wave_of(state, "Database").status is WaveStatus.WAITING
    await house.client.get_workflow_handle(f"drs-plan/{plan.plan_id}").cancel()
    await house.end(plan, execution_id)


async def test_throttling_of_the_launch_passes(house: House) -> None:
    plan = house.plan(house.wave("Database"))
    house.aws.apply(
        Faults=[{"Operation": "StartRecovery", "Error": "ThrottlingException", "Times": 2}]
    )
    assert (await house.run(plan)).status is PlanStatus.COMPLETED
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_a_lost_answer_is_looked_for_and_its_job_adopted(house: House) -> None:
    plan = house.plan(house.wave("Database", servers=2))
    house.aws.apply(Faults=[{"Operation": "StartRecovery", "Effect": "answer-lost", "Times": 1}])
    state = await house.run(plan)
    assert state.status is PlanStatus.COMPLETED
    assert len(house.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_a_server_that_drs_does_not_know_fails_alone(house: House) -> None:
    unknown = ["s-0123456789abcdef0"]
    plan = house.plan(house.wave("Database", servers=unknown + house.aws.servers(1)))
    state = await house.run(plan)
    lost, launched = wave_of(state, "Database").servers
    assert lost.launch_status is LaunchStatus.FAILED
    assert "ResourceNotFoundException" in str(lost.reason)
    assert launched.launch_status is LaunchStatus.LAUNCHED


async def test_a_large_wave_is_split_into_jobs_of_at_most_100_servers(house: House) -> None:
    plan = house.plan(house.wave("Fleet", servers=230))
    state = await house.run(plan)
    assert state.status is PlanStatus.COMPLETED
    jobs = {launch["JobId"]: launch for s in plan.waves[0].server_ids
            for launch in house.aws.accepted_launches(s)}  # fmt: skip
    assert sorted(len(job["SourceServerIds"]) for job in jobs.values()) == [30, 100, 100]
    assert len({job["Tags"]["drs-waves:launch-id"] for job in jobs.values()}) == 3


async def test_readiness_names_each_server_that_is_not_ready_and_launches_nothing(
    house: House,
) -> None:
    syncing = house.aws.servers(1, ReplicationState="INITIAL_SYNC")
    lagging = house.aws.servers(1, LagDuration="PT4H")
    busy = house.aws.servers(1, RunningJob=True)
    live = house.aws.servers(1, LiveRecoveryInstance="RECOVERY")
    fine = house.aws.servers(1)
    unknown = ["s-0123456789abcdef1"]
    servers = syncing + lagging + busy + live + fine + unknown
    readiness = await check_readiness(house.client, house.plan(house.wave("All", servers=servers)))
    found = {f.source_server_id: f for f in readiness.findings}
    assert "INITIAL_SYNC" in found[syncing[0]].message
    assert "PT4H" in found[lagging[0]].message
    assert "running job" in found[busy[0]].message
    assert "live instance" in found[live[0]].message
    assert "does not know" in found[unknown[0]].message
    assert fine[0] not in found
    assert not found[lagging[0]].blocks
    assert found[syncing[0]].blocks
    assert readiness.context.targets[0].is_sandbox
    for server in syncing + lagging + fine:
        assert house.aws.accepted_launches(server) == []
