"""Failed, stuck and doubtful servers: what the history then says."""

import pytest

from client.start import start_execution
from recovery.execution.server import LaunchStatus, PostLaunch, Verified
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.plan.fields import Impact
from tests.end_to_end.conftest import SPEED, E2eEnvironment, end_of, start_of, wave_of

RAW_ERROR = "An error occurred (UnauthorizedOperation) when calling RunInstances"


async def test_a_failed_server_in_a_completed_job_fails_its_wave_and_skips_only_its_dependents(
    env: E2eEnvironment,
) -> None:
    good = env.aws.servers(1)
    bad = env.aws.servers(1, Outcome="failed-late", RawError=RAW_ERROR)
    plan = env.plan(
        env.wave("Database", servers=good + bad),
        env.wave("App", "Database"),
        env.wave("Web", "App"),
        env.wave("Monitoring"),
    )
    state = await env.run(plan)
    assert state.status is PlanStatus.FAILED
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.FAILED
    assert bad[0] in database.status_reason
    assert RAW_ERROR in database.status_reason
    up, down = database.servers
    assert (up.launch_status, up.verified) == (LaunchStatus.LAUNCHED, Verified.YES)
    assert down.launch_status is LaunchStatus.FAILED
    for name in ("App", "Web"):
        assert wave_of(state, name).status is WaveStatus.SKIPPED
        assert wave_of(state, name).status_reason == "Skipped because Database FAILED"
        assert wave_of(state, name).start_time is None
    assert wave_of(state, "Monitoring").status is WaveStatus.COMPLETED


async def test_a_failed_optional_server_leaves_the_wave_partial_and_its_dependents_go_on(
    env: E2eEnvironment,
) -> None:
    wave = env.wave("Database", servers=1)
    extra = env.wave("Extra", servers=env.aws.servers(1, Outcome="failed-early")).servers[0]
    wave.servers.append(extra.model_copy(update={"impact": Impact.OPTIONAL}))
    state = await env.run(env.plan(wave, env.wave("App", "Database")))
    assert wave_of(state, "Database").status is WaveStatus.PARTIAL
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    assert state.status is PlanStatus.PARTIAL


async def test_a_stuck_server_times_out_at_its_limit_counted_from_acceptance(
    env: E2eEnvironment,
) -> None:
    stuck = env.aws.servers(1, Outcome="stuck")
    limit = 4 * SPEED
    plan = env.plan(
        env.wave("Database", servers=stuck, timeout_seconds=limit),
        env.wave("App", "Database"),
    )
    state = await env.run(plan)
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.TIMED_OUT
    # Earlier is wrong; a busy machine is late.
    assert 4.0 <= end_of(state, "Database") - start_of(state, "Database") < 30.0
    assert stuck[0] in database.status_reason
    assert wave_of(state, "App").status_reason == "Skipped because Database TIMED_OUT"
    assert state.status is PlanStatus.FAILED


async def test_a_wave_that_arrives_late_while_the_plan_is_open_completes_and_its_dependents_run(
    env: E2eEnvironment,
) -> None:
    slow = env.aws.servers(1, Outcome="stuck", StuckSeconds=5 * SPEED)
    plan = env.plan(
        env.wave("Database", servers=slow, timeout_seconds=3 * SPEED),
        env.wave("App", "Database"),
        env.wave("Other", servers=env.aws.servers(1, LaunchSeconds=8 * SPEED)),
    )
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.TIMED_OUT)
    state = await env.end(plan, execution_id)
    database = wave_of(state, "Database")
    assert database.status is WaveStatus.COMPLETED
    assert database.late
    assert wave_of(state, "App").status is WaveStatus.COMPLETED
    assert start_of(state, "App") >= end_of(state, "Database")
    assert state.status is PlanStatus.COMPLETED


@pytest.mark.slow
async def test_a_wave_that_arrives_after_the_plans_end_is_still_recorded(
    env: E2eEnvironment,
) -> None:
    slow = env.aws.servers(1, Outcome="stuck", StuckSeconds=6 * SPEED)
    plan = env.plan(env.wave("Database", servers=slow, timeout_seconds=2 * SPEED))
    state = await env.run(plan)
    assert wave_of(state, "Database").status is WaveStatus.TIMED_OUT
    wave = env.client.get_workflow_handle(f"drs-wave/{state.execution_id}/database/1")
    await wave.result()
    later = await env.recorded(state.execution_id)
    assert wave_of(later, "Database").status is WaveStatus.COMPLETED
    assert wave_of(later, "Database").late
    assert later.status is PlanStatus.FAILED


async def test_a_job_that_never_shows_an_instance_id_is_verified_by_its_source_server(
    env: E2eEnvironment,
) -> None:
    servers = env.aws.servers(2, RecoveryInstanceIdMissing=True)
    state = await env.run(env.plan(env.wave("Database", servers=servers)))
    for server in wave_of(state, "Database").servers:
        assert server.verified is Verified.YES
        assert server.recovery_instance_id


async def test_an_empty_lookup_is_shown_as_unknown_and_blocks_nothing(env: E2eEnvironment) -> None:
    slow = env.aws.servers(1, LaunchSeconds=8 * SPEED)
    plan = env.plan(env.wave("Database", servers=slow), env.wave("App", "Database"))
    execution_id = await start_execution(env.client, plan)
    await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.IN_PROGRESS)
    env.aws.apply(
        Faults=[{"Operation": "DescribeRecoveryInstances", "Error": "ThrottlingException"}]
    )
    state = await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.COMPLETED)
    assert wave_of(state, "Database").servers[0].verified is Verified.UNKNOWN
    assert "1 not verified" in wave_of(state, "Database").status_reason
    env.aws.clear_faults()
    verified = await env.until(
        plan, lambda s: wave_of(s, "Database").servers[0].verified is Verified.YES
    )
    assert wave_of(verified, "Database").status is WaveStatus.COMPLETED
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED


async def test_a_server_kept_stopped_by_its_launch_disposition_counts_as_up(
    env: E2eEnvironment,
) -> None:
    servers = env.aws.servers(1, LaunchDisposition="STOPPED")
    state = await env.run(env.plan(env.wave("Standby", servers=servers)))
    assert wave_of(state, "Standby").status is WaveStatus.COMPLETED
    assert wave_of(state, "Standby").servers[0].verified is Verified.YES


async def test_drs_post_launch_actions_keep_their_wave_from_completed_and_are_not_run_again(
    env: E2eEnvironment,
) -> None:
    def servers(**action: object) -> list[str]:
        actions = [{"Name": "Join domain"} | action]
        return env.aws.servers(1, PostLaunchEnabled=True, LaunchActions=actions)

    broken = servers(Outcome="failed", FailureReason="no such domain")
    plan = env.plan(
        env.wave("Slow", servers=servers(Seconds=5 * SPEED)),
        env.wave("Broken", servers=broken).model_copy(update={"retries": 1}),
        env.wave("App", "Slow"),
        env.wave("Web", "Broken"),
    )
    state = await env.run(plan)
    slow, failed = wave_of(state, "Slow"), wave_of(state, "Broken")
    (server,) = slow.servers
    assert slow.status is WaveStatus.COMPLETED
    assert server.post_launch is PostLaunch.SUCCEEDED
    assert server.launch_time is not None
    assert end_of(state, "Slow") - server.launch_time >= 5.0
    assert start_of(state, "App") >= end_of(state, "Slow")
    assert failed.status is WaveStatus.FAILED
    assert "its post-launch action Join domain FAILED: no such domain" in failed.status_reason
    # A retry would change nothing, and another launch would destroy the instance.
    assert (failed.attempt, failed.launched_count) == (1, 1)
    assert wave_of(state, "Web").status is WaveStatus.SKIPPED
    assert len(env.aws.accepted_launches(broken[0])) == 1
