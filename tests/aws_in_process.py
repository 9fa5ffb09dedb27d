"""A local AWS over HTTP in this process, and one attempt at an activity at a time."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from unittest.mock import ANY

import boto3
import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities import heartbeat
from activities.launch.launch_activities import LaunchActivities
from activities.watch.watch_activities import WatchActivities
from aws.targets import TargetClients
from contract.identifiers import search_attributes
from contract.launch import (
    BatchRequest,
    LaunchRequest,
    LaunchResult,
    LaunchWaiting,
    PostponedLaunch,
)
from recovery.execution.server import LaunchStatus
from recovery.plan.model import Server, Target
from sandbox.aws import SandboxAws
from settings import Settings

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "222222222222"
REGION = "us-west-2"
TARGET = Target(region=REGION)

A = TypeVar("A")
R = TypeVar("R")


@dataclass
class LocalAws:
    """The local AWS, whose clock can be moved ahead."""

    ahead: float = 0.0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.server = SandboxAws(clock=lambda: time.time() + self.ahead)

    def pass_time(self, seconds: float) -> None:
        """Advance AWS's clock."""
        self.ahead += seconds

    def servers(self, count: int = 1, **scenario: Any) -> list[Server]:
        """New source servers, each as `scenario` says."""
        ids = [f"s-{next(self.numbers):017x}" for _ in range(count)]
        where = {"Region": REGION, "AccountId": ACCOUNT} | scenario
        self.apply(SourceServers=[{"SourceServerId": i} | where for i in ids])
        return [Server(source_server_id=i) for i in ids]

    def apply(self, **scenario: Any) -> None:
        """Apply more scenario."""
        self.server.control.apply(json.dumps(scenario))

    def fault(self, operation: str, **what: Any) -> None:
        """Add a fault to an operation."""
        self.apply(Faults=[{"Operation": operation} | what])

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.server.control.faults.clear()

    def calls(self, operation: str, service: str = "drs") -> int:
        """How often an operation was called, whatever came of it."""
        calls = self.server.control.calls()["Calls"]
        return sum(calls.get(f"{service}.{operation}", {}).values())

    def faults_applied(self) -> int:
        """How often a fault was applied."""
        return sum(self.server.control.calls()["FaultsApplied"].values())

    def accepted(self, server: Server) -> list[dict[str, Any]]:
        """The jobs that were truly started for a server."""
        return [
            event
            for backend in self.server.control.ledger()["Backends"]
            for event in backend["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED"
            and server.source_server_id in event["SourceServerIds"]
        ]

    def client(self, service: str) -> Any:
        """Another client."""
        return boto3.client(cast(Any, service), region_name=REGION)


@dataclass
class Temporal:
    """A fake of Temporal's client: it records the signals to the activity's workflow.

    Attributes:
        plan_runs: the execution that the workflow of each plan runs; "" if it has ended; None if
            Temporal does not say; by default the one that is asked about.
        plan_status: the status of that execution.
        is_down: signals are not taken.
        refuses: by the name of a signal, how the next ones are answered.
        replaced: this attempt is no longer the current one.
        started: the IDs of the workflows that it started.
    """

    signals: list[tuple[str, Any]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    is_down: bool = False
    refuses: dict[str, list[RPCStatusCode]] = field(default_factory=dict)
    replaced: bool = False
    plan_runs: str | None = field(default_factory=lambda: ANY)
    plan_status: str = "IN_PROGRESS"

    def get_workflow_handle(self, workflow_id: str, *, run_id: str | None = None) -> "Temporal":
        return self

    async def describe(self, **how: Any) -> Any:
        if self.plan_runs is None:
            raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")
        running = WorkflowExecutionStatus.RUNNING
        return SimpleNamespace(
            status=running if self.plan_runs else WorkflowExecutionStatus.TERMINATED,
            typed_search_attributes=search_attributes(
                "crm", self.plan_runs, "RECOVERY", self.plan_status
            ),
        )

    def get_async_activity_handle(self, *, task_token: bytes) -> "Temporal":
        return self

    async def heartbeat(self, *details: Any, **how: Any) -> None:
        if self.replaced:
            raise RPCError("workflow execution already completed", RPCStatusCode.NOT_FOUND, b"")

    async def start_workflow(self, name: str, start: Any, *, id: str, **how: Any) -> None:
        self.started.append(id)

    async def signal(self, name: str, *given: Any, args: Sequence[Any] = (), **how: Any) -> None:
        if self.is_down:
            raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")
        if answers := self.refuses.get(name):
            raise RPCError("refused", answers.pop(0), b"")
        inputs = [each.model_copy(deep=True) for each in (*given, *args)]
        self.signals.append((name, inputs[0] if inputs else None))

    def sent(self, name: str) -> list[Any]:
        """The inputs of the signals of this name."""
        return [signal for sent, signal in self.signals if sent == name]

    def waiting(self) -> list[LaunchWaiting]:
        """What the launcher was signalled that launches wait for."""
        return [each for progress in self.sent("batch_progress") for each in progress.waiting]


class Attempt:
    """One attempt of an activity, with the previous attempt's heartbeat details."""

    def __init__(
        self, temporal: Temporal, *, number: int = 1, details: dict[str, Any] | None = None
    ) -> None:
        self._temporal = temporal
        self._number = number
        self.environment = ActivityEnvironment(client=cast(Client, temporal))
        self.environment.info = replace(
            ActivityEnvironment.default_info(),
            attempt=number,
            started_time=datetime.now(UTC),
            heartbeat_details=[details] if details is not None else [],
        )
        self.heartbeats: list[dict[str, Any]] = []
        # Temporal keeps what was sent, not what becomes of it later.
        self.environment.on_heartbeat = lambda *sent: self.heartbeats.extend(
            json.loads(json.dumps(sent))
        )

    def next(self) -> "Attempt":
        """The attempt after this one, with what its last heartbeat carried."""
        details = self.heartbeats[-1]
        return Attempt(self._temporal, number=self._number + 1, details=details)

    async def run(self, activity: Callable[[A], Awaitable[R]], request: A) -> R:
        """Run the activity."""
        return await self.environment.run(activity, request)

    async def run_failing(
        self, activity: Callable[[A], Awaitable[R]], request: A
    ) -> ApplicationError:
        """Run the activity, which must fail."""
        with pytest.raises(ApplicationError) as caught:
            await self.run(activity, request)
        return caught.value


def batch(*requests: LaunchRequest) -> BatchRequest:
    """These launches as one batch, for which DRS's jobs are read again."""
    return BatchRequest(requests=list(requests), jobs_read_after=time.time())


async def launch_result(
    attempt: Attempt, activities: LaunchActivities, request: LaunchRequest
) -> LaunchResult:
    """Run a batch of one launch, which must be settled."""
    result = await attempt.run(activities.launch_batch, batch(request))
    (settled,) = result.results
    assert (settled.launch_id, result.job_id) == (request.launch_id, settled.job_id)
    assert (result.postponed, result.split, result.in_doubt) == ([], False, False)
    return settled


async def failure_reason(
    attempt: Attempt, activities: LaunchActivities, request: LaunchRequest
) -> str:
    """Run a batch of one launch, which must end with every server failed for one reason."""
    result = await launch_result(attempt, activities, request)
    assert (result.job_id, result.accepted_time) == (None, None)
    assert {s.launch_status for s in result.servers} == {LaunchStatus.FAILED}
    (reason,) = {s.reason for s in result.servers}
    return str(reason)


async def postponed_launch(
    attempt: Attempt, activities: LaunchActivities, request: LaunchRequest
) -> PostponedLaunch:
    """Run a batch of one launch, which must be postponed."""
    result = await attempt.run(activities.launch_batch, batch(request))
    (postponed,) = result.postponed
    assert postponed.launch_id == request.launch_id
    assert (result.job_id, result.results, result.in_doubt) == (None, [], False)
    return postponed


async def until(condition: Callable[[], object], *, within: float = 60.0) -> None:
    """Await a condition."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A local AWS, and environment variables that lead boto3 to it only."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DRS_WAVES_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(heartbeat, "heartbeat_interval", lambda: timedelta(seconds=0.02))
    # botocore's own pauses between its tries would be most of these tests' time.
    pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(pause, lambda *_: 0.0)
    local = LocalAws()
    with local.server as server:
        environment = {
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield local


@pytest.fixture
def fast(aws: LocalAws) -> Settings:
    """Settings with which a lookup's two minutes are over after 0.6 s."""
    return Settings(poll_seconds=4.0, speed=200.0).model_copy(update={"absent_after_seconds": 0.4})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of targets that waits for DRS as long as a busy machine takes."""
    monkeypatch.setattr("activities.targets._START_TIMEOUT_SECONDS", 60.0)


def launch_activities(settings: Settings) -> LaunchActivities:
    """The launch activities of a worker of its own."""
    return LaunchActivities(TargetClients(settings), settings)


@pytest.fixture
def launches(fast: Settings) -> LaunchActivities:
    """The launch activities of a worker."""
    return launch_activities(fast)


@pytest.fixture
def watches(fast: Settings) -> WatchActivities:
    """The activities of a worker that read DRS."""
    return WatchActivities(TargetClients(fast), fast)


@pytest.fixture
def temporal() -> Temporal:
    """A fake of Temporal's client."""
    return Temporal()
