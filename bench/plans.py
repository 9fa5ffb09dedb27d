"""Waves and plans for the benches."""

from collections.abc import Iterable
from typing import Any

from bench.testbed import ACCOUNT, REGION
from recovery.plan.fields import MAX_SECONDS
from recovery.plan.model import Dependency, RecoveryPlan, Server, Wave


def new_wave(wave_id: str, server_ids: Iterable[str], *after: str, **fields: Any) -> Wave:
    """A wave of these servers after other waves, which does not time out."""
    where = {"region": REGION, "account_id": ACCOUNT, "timeout_seconds": MAX_SECONDS}
    return Wave(
        wave_id=wave_id,
        servers=[Server(source_server_id=server_id) for server_id in server_ids],
        dependencies=[Dependency(depends_on_wave_id=each) for each in after],
        **where | fields,
    )


def new_plan(plan_id: str, *waves: Wave, **fields: Any) -> RecoveryPlan:
    """A plan without a deadline."""
    return RecoveryPlan(plan_id=plan_id, deadline_seconds=MAX_SECONDS, waves=list(waves), **fields)
