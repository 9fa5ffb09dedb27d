"""What a portfolio's workflow asks of the activities that follow its plans."""

import pytest

from activities.heartbeat import heartbeat_interval
from recovery.portfolio.model import MAX_PLANS
from workflows.portfolio.plan_runs import follower_heartbeat


@pytest.mark.parametrize("open_plans", [100, 300, MAX_PLANS])
def test_the_followers_of_many_plans_write_at_most_twenty_heartbeats_a_second(
    open_plans: int,
) -> None:
    assert open_plans / follower_heartbeat(open_plans).total_seconds() <= 20.0


def test_the_worker_of_a_few_plans_is_missed_as_soon_as_any() -> None:
    assert follower_heartbeat(5) == heartbeat_interval()
