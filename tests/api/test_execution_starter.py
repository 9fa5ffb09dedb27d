"""The API starts nothing that a person could not have confirmed."""

from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api import execution_starter
from api.auth.rate_limits import RateLimits
from api.auth.request_signing import RequestSigning
from api.auth.tokens import Principal
from api.execution_starter import ExecutionStarter, StartRequest
from api.problems import problem_of
from client import start, workers
from client.errors import NoWorkerError
from recovery.access.roles import Role
from recovery.execution.state import ExecutionType
from settings import Settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from tests.cli.executions import CHAIN

_OPS = Principal("ops", frozenset(Role))
_RECOVERY = StartRequest(
    execution_type=ExecutionType.RECOVERY, confirmation="crm", replace_drill=True
)
_RELAUNCH = StartRequest(relaunch=[CHAIN.waves[0].server_ids[0]], confirmation="crm")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done in Temporal, where no worker runs."""
    done: list[str] = []

    async def idle(*_: object) -> NoWorkerError:
        return NoWorkerError("No worker answers", command="Start one", request="Start a worker")

    async def replace(*_: object) -> None:
        done.append("replaced a drill")

    async def started(*_: object, **__: object) -> None:
        done.append("started")

    async def learned(*_: object) -> None:
        return None

    for module in (start, execution_starter, workers):
        monkeypatch.setattr(module, "idle_reason", idle)
    monkeypatch.setattr(execution_starter, "replace_drill", replace)
    monkeypatch.setattr(execution_starter, "start_execution", started)
    monkeypatch.setattr(execution_starter, "learned_durations_in_time", learned)
    return done


@pytest.fixture
def starter(isolated_environment: None) -> ExecutionStarter:
    config = SimpleNamespace(config=SimpleNamespace(target_host="temporal:7233"))

    async def connect() -> Any:
        return SimpleNamespace(service_client=config, namespace="default")

    async def plan(_plan_id: str, _version: int | None) -> Any:
        return SimpleNamespace(plan=CHAIN)

    settings = Settings()

    async def newest(_plan_id: str) -> Any:
        return None

    return ExecutionStarter(
        settings,
        connect,
        plan,
        cast(PlanTable, SimpleNamespace(plan=newest)),
        cast(HistoryTable, None),
        signing=RequestSigning(settings),
        limits=RateLimits(settings),
    )


@pytest.mark.parametrize("request_", [_RECOVERY, _RELAUNCH])
async def test_without_a_worker_to_show_the_targets_nothing_is_started_and_no_drill_ended(
    starter: ExecutionStarter, done: list[str], request_: StartRequest
) -> None:
    with pytest.raises(NoWorkerError) as refused:
        await starter.start(_OPS, "crm", request_)
    assert done == []
    problem = problem_of(refused.value)
    assert problem.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert problem.detail == "nothing was started: No worker answers. Start a worker"


async def test_a_drill_is_queued_without_a_worker(
    starter: ExecutionStarter, done: list[str]
) -> None:
    result = await starter.start(_OPS, "crm", StartRequest())
    assert done == ["started"]
    assert result.warnings == ["it has not started yet. No worker answers. Start a worker"]
