"""The largest plan: too slow for every change (`make soak`)."""

import itertools

import pytest

from recovery.execution.state import PlanStatus
from recovery.plan.fields import MAX_SECONDS
from tests.end_to_end.conftest import E2eEnvironment, end_of, start_of

CHAINS, WAVES_A_CHAIN = 20, 50


@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_a_plan_of_1000_waves_runs_in_order_within_temporals_limits(
    env: E2eEnvironment,
) -> None:
    env.aws.apply(Quotas={"JobsInProgress": 1000, "ServersInAllJobs": 4000})
    names = [[f"C{c}-{n}x" for n in range(WAVES_A_CHAIN)] for c in range(CHAINS)]
    waves = [
        env.wave(name, *chain[max(0, n - 1) : n], servers=env.aws.servers(1, LaunchSeconds=60))
        for chain in names
        for n, name in enumerate(chain)
    ]
    # A day's deadline, scaled, would be minutes.
    plan = env.plan(*waves, deadline_seconds=MAX_SECONDS)
    state = await env.run(plan)
    assert state.status is PlanStatus.COMPLETED
    for chain in names:
        for before, after in itertools.pairwise(chain):
            assert start_of(state, after) >= end_of(state, before)
    handle = env.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
    described = await handle.describe()
    assert state.end_time is not None
    print(f"{described.history_length} events in {state.end_time - state.start_time:.0f} s")
    assert described.history_length < 51_200
