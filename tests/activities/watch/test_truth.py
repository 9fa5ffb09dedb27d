"""No sequence of AWS's responses makes a server up that is not up in the sandbox's ledger.

The real watch and review poll the real sandbox over HTTP, on a clock that stops between polls.
Responses are lost, late, repeated or incomplete, other clients terminate, stop and launch, and
the worker is killed.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given, note
from hypothesis import strategies as st
from moto.core.base_backend import BackendDict
from temporalio.exceptions import ApplicationError

from activities.review import Review
from activities.watch import watch as watching
from activities.watch.instance_networks import InstanceNetworks
from activities.watch.watch import LOOKUP_SECONDS, Watch
from aws.drs import models
from aws.drs.client import DrsClient
from aws.drs.job_poller import JobPoller
from aws.drs.models import LAUNCH_ID_TAG, Job, JobLogItem
from aws.drs.server_status import ServerStatusTracker
from aws.sessions import AwsSessions
from contract.launch import ReviewRequest
from contract.watch import WatchedServer, WatchHeartbeat, WatchRequest
from recovery.execution.judge import Verdict, judge_wave
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Target
from sandbox.aws import SandboxApplication, SandboxAws
from sandbox.drs import drs_backends
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.http.wsgi_server import LoopbackServer
from settings import Settings
from tests.activities.watch.faulty_drs import (
    LISTINGS,
    NO_FAULTS,
    OPERATIONS,
    Fault,
    Faults,
    FaultyDrs,
    Response,
)
from tests.aws_in_process import ACCOUNT, REGION, Attempt, Temporal
from tests.examples import TIMES, examples
from tests.recovery.plans import server_id

pytestmark = pytest.mark.timeout(150 * TIMES)

NOON = 1_700_000_000.0
PREFIX = "crm-1/database/"
POLL = 60.0
# After this time the slowest launch that ends at all has ended: a late failure.
LONGEST_LAUNCH = 1100.0
UNDISTURBED_SECONDS = LOOKUP_SECONDS + 3 * POLL

Facts = dict[str, Any]


@dataclass(frozen=True)
class LedgerSnapshot:
    """The ledger at one time: by server, the instances that exist."""

    time: float
    up: dict[str, list[Facts]]

    def instances(self, server: str, job: str | None) -> list[Facts]:
        """A server's instances of one job."""
        return [i for i in self.up.get(server, []) if i["JobId"] == job]

    def is_down(self, server: str, job: str | None, *, should_run: bool) -> bool:
        """Whether a job's own instance is listed in a final state other than up."""
        states = [i["State"] for i in self.instances(server, job) if i["KnownToDrs"]]
        return bool(states) and (
            states[0] == "SHUTTING-DOWN" or (states[0] == "STOPPED" and should_run)
        )

    def contradicts(self, server: str, job: str | None, *, should_run: bool) -> bool:
        """Whether DRS lists a state that contradicts LAUNCHED."""
        listed = [i for i in self.up.get(server, []) if i["KnownToDrs"]]
        if any(i["JobId"] == job for i in listed):
            return self.is_down(server, job, should_run=should_run)
        return any(i["State"] != "SHUTTING-DOWN" for i in listed)


@dataclass(frozen=True)
class Step:
    """What happens between two polls, and in the next one.

    Attributes:
        faults: by operation.
        action: what another client does, and to which server.
        pause: seconds of delay, in addition to the poll interval.
        heartbeats_lost: the worker dies; the next starts that many heartbeats earlier.
    """

    faults: dict[str, Faults] = field(default_factory=dict)
    action: tuple[str, int] | None = None
    pause: float = 0.0
    heartbeats_lost: int | None = None
    form: str = "offset"


@dataclass
class _Polls:
    """Polls of jobs with a pause between them, for one watch."""

    api: DrsClient
    pause: Callable[[float], Awaitable[None]]
    begun: bool = False

    async def jobs(self, job_ids: Sequence[str], /, *, soon: bool) -> list[Job]:
        """The next poll."""
        if self.begun:
            await self.pause(POLL)
        self.begun = True
        return await self.api.jobs(job_ids)

    async def log(self, job_id: str, /) -> list[JobLogItem]:
        """The log."""
        return await self.api.job_log(job_id)

    async def instances(self, server_ids: Sequence[str], /) -> list[models.RecoveryInstance]:
        """The instances."""
        return await self.api.recovery_instances(server_ids)


class WorkerDied(Exception):
    """The worker is killed during its watch."""


@dataclass
class DrsSimulation:
    """The sandbox, the faults of its responses, and their clock."""

    now: float = NOON

    def __post_init__(self) -> None:
        self.sandbox = SandboxAws(clock=lambda: self.now)

    def begin(self, servers: list[Facts]) -> None:
        """An AWS with these source servers and nothing else, at noon."""
        BackendDict.reset()
        self.now = NOON
        self.drs.begin()
        where = {"Region": REGION, "AccountId": ACCOUNT}
        self.sandbox.control.apply(json.dumps({"SourceServers": [s | where for s in servers]}))

    def serve(self) -> Iterator["DrsSimulation"]:
        """Run both while the generator is open."""
        with self.sandbox:
            self.drs: FaultyDrs[LedgerSnapshot] = FaultyDrs(
                SandboxApplication(self.sandbox.control), self.snapshot
            )
            server = LoopbackServer(self.drs, 0)
            thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            self.endpoint = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()
            server.server_close()
            server.close_connections()
            thread.join()

    def snapshot(self) -> LedgerSnapshot:
        """What the ledger says now."""
        return LedgerSnapshot(
            self.now,
            {
                server["SourceServerId"]: server["InstancesUp"]
                for backend in self.sandbox.control.ledger()["Backends"]
                for server in backend["Servers"]
            },
        )


@pytest.fixture(scope="module")
def simulation() -> Iterator[DrsSimulation]:
    """A sandbox with faults, and environment variables that lead boto3 to it only."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_")):
                patch.delenv(name)
        pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
        patch.setattr(pause, lambda *_: 0.0)
        for served in DrsSimulation().serve():
            environment = {
                "AWS_ENDPOINT_URL": served.endpoint,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            for name, value in environment.items():
                patch.setenv(name, value)
            yield served


@pytest.fixture(scope="module")
def sessions() -> AwsSessions:
    """The sessions of the worker."""
    return AwsSessions()


@cache
def other_client(endpoint: str) -> Any:
    """Another client; cached, because creating one takes longer than an example."""
    return boto3.client("drs", region_name=REGION, endpoint_url=endpoint)


class Wave:
    """A wave's servers in the sandbox, watched by the real code, as its workflow sees them."""

    def __init__(
        self, simulation: DrsSimulation, sessions: AwsSessions, servers: list[Facts]
    ) -> None:
        self._simulation = simulation
        self._api = DrsClient(sessions, Target(region=REGION))
        simulation.begin(servers)
        self._stopped_on_purpose = {
            s["SourceServerId"] for s in servers if s["LaunchDisposition"] == "STOPPED"
        }
        self._other_client = other_client(simulation.sandbox.endpoint_url)
        self.temporal = Temporal()
        self.known = {
            s["SourceServerId"]: ServerResult(source_server_id=s["SourceServerId"]) for s in servers
        }
        self.snapshots = [simulation.snapshot()]
        self.open_without_faults: set[str] = set()
        self._signals_applied = 0
        self._arrived_before = 0
        self._heartbeats: list[Facts] = []
        self._heartbeat = WatchHeartbeat(servers=[])
        self._steps: list[Step] = []
        self._step = Step()
        self._request = WatchRequest(target=Target(region=REGION), servers=[], until=0)

    # What happens in AWS

    def launch(self, servers: list[str], *, attempt: int, job: int, is_drill: bool) -> None:
        """Have DRS launch servers, as our launch activity would."""
        try:
            answer = self._other_client.start_recovery(
                sourceServers=[{"sourceServerID": s} for s in servers],
                isDrill=is_drill,
                tags={LAUNCH_ID_TAG: f"{PREFIX}{attempt}/{job}"},
            )
        except ClientError:
            # A job of another client has one of them.
            return
        for server in servers:
            self.known[server] = ServerResult(
                source_server_id=server, recovery_job_id=answer["job"]["jobID"]
            )

    def _target_server(self, number: int) -> str:
        """A server; one that is up and was not verified yet, if there is one."""
        known = {w.result.source_server_id: w.result for w in self._heartbeat.servers}
        unseen = [s for s, result in known.items() if result.verified is None]
        among = [s for s in unseen if self._instances(s)] or list(self.known)
        return among[number % len(among)]

    def _perform(self, action: str, server: str) -> None:
        """Perform another client's action on a server; DRS may refuse it."""
        try:
            self._call(action, server)
        except ClientError as error:
            note(f"refused: {error}")

    def _call(self, action: str, server: str) -> None:
        client, instances = self._other_client, self._instances(server)
        match action:
            case "launch":
                client.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
            case "terminate" if instances:
                client.terminate_recovery_instances(
                    recoveryInstanceIDs=[instances[0].recovery_instance_id]
                )
            case "forget" if instances:
                found = instances[0].recovery_instance_id
                client.disconnect_recovery_instance(recoveryInstanceID=found)
                client.delete_recovery_instance(recoveryInstanceID=found)
            case "stop in EC2":
                for instance in instances:
                    instance.stopped_in_ec2 = True
            case "start in EC2":
                for instance in instances:
                    instance.stopped_in_ec2 = False
            case "terminate in EC2":
                for instance in instances:
                    instance.terminating_at = self._simulation.now
                    instance.terminated_at = self._simulation.now + 90
            case _:
                pass

    def _instances(self, server: str) -> list[RecoveryInstance]:
        backend = drs_backends[ACCOUNT][REGION]
        return list(backend.source_servers[server].listed_instances(self._simulation.now))

    # The watch and the review

    async def watch(self, steps: list[Step]) -> None:
        """Watch the servers that have a job through these steps, then without faults."""
        with pytest.MonkeyPatch.context() as patch:
            clock = SimpleNamespace(now=lambda: self._simulation.now)
            patch.setattr(watching, "SteadyClock", lambda *_: clock)
            of_asyncio = {"create_task": asyncio.create_task, "timeout": asyncio.timeout}
            patch.setattr(watching, "asyncio", SimpleNamespace(sleep=self._sleep, **of_asyncio))
            patch.setattr(watching, "ExpectedActions", NoActions)
            await self._watch(steps)
        self._simulation.drs.faults = {}

    async def _watch(self, steps: list[Step]) -> None:
        servers = [s.model_copy() for s in self.known.values() if s.recovery_job_id]
        self._request = WatchRequest(
            target=Target(region=REGION), servers=servers, until=float("inf")
        )
        self._heartbeat = WatchHeartbeat(
            servers=[WatchedServer(result=s.model_copy()) for s in self._request.servers]
        )
        self._heartbeats = [self._heartbeat_json()]
        self._steps = list(steps)
        self.open_without_faults = set()
        self._arrived_before = len(self._simulation.drs.arrived)
        self._next_step()
        if not servers:
            return
        while True:
            try:
                results = await Attempt(self.temporal).environment.run(self._run_watch)
            except WorkerDied:
                continue
            self._check_poll()
            self._update_known(results)
            return

    async def _run_watch(self) -> list[ServerResult]:
        settings = Settings(poll_seconds=POLL)
        polls = cast(JobPoller, _Polls(self._api, self._sleep))
        # No drill is isolated here.
        networks = cast(InstanceNetworks, None)
        watch = Watch(self._api, polls, self._request, self._heartbeat, settings, networks=networks)
        return await watch.run()

    async def review(self, faults: list[dict[str, Faults]], *, is_drill: bool) -> None:
        """Review the servers repeatedly with these faults, and without faults at the end."""
        request = ReviewRequest(
            target=Target(region=REGION),
            servers=[s.model_copy() for s in self.known.values()],
            launch_prefixes=[PREFIX],
            is_drill=is_drill,
            since=NOON,
        )
        for each in [*faults, {}]:
            self._simulation.drs.faults = each
            try:
                found = await Review(self._api, request, poll_seconds=POLL).run()
            except ApplicationError as error:
                if error.non_retryable:
                    raise
                continue
            self.known = {s.source_server_id: s for s in found}
            break
        self._simulation.drs.faults = {}
        self.snapshots.append(self._simulation.snapshot())

    def _heartbeat_json(self) -> Facts:
        """The heartbeat details."""
        carried: Facts = json.loads(self._heartbeat.model_dump_json(exclude_none=True))
        return carried

    async def _sleep(self, seconds: float) -> None:
        """Sleep between two polls."""
        self._check_poll()
        self._heartbeats.append(self._heartbeat_json())
        self._apply_signals()
        self._simulation.now += seconds + self._step.pause
        self._next_step()
        if self._step.heartbeats_lost is not None:
            back = min(self._step.heartbeats_lost + 1, len(self._heartbeats))
            self._heartbeat = WatchHeartbeat.model_validate(self._heartbeats[-back])
            raise WorkerDied

    def _next_step(self) -> None:
        if not self._steps and self._request.until == float("inf"):
            self._end_disturbances()
        self._step = self._steps.pop(0) if self._steps else Step()
        self.snapshots.append(self._simulation.snapshot())
        if self._step.action:
            action, number = self._step.action
            self._perform(action, self._target_server(number))
            self.snapshots.append(self._simulation.snapshot())
        self._simulation.drs.faults = self._step.faults
        self._simulation.sandbox.control.apply(json.dumps({"TimestampForm": self._step.form}))

    def _end_disturbances(self) -> None:
        """Stop all faults and actions."""
        self.open_without_faults = {s for s, r in self.known.items() if r.recovery_job_id}
        self.open_without_faults -= {
            w.result.source_server_id for w in self._heartbeat.servers if w.result.is_final
        }
        ends = max(self._simulation.now, NOON + LONGEST_LAUNCH) + UNDISTURBED_SECONDS
        self._request.until = ends

    def _apply_signals(self) -> None:
        """Apply the watch's signals, as the wave's workflow does."""
        news = self.temporal.sent("servers_changed")
        for each in news[self._signals_applied :]:
            self._update_known(each.servers)
        self._signals_applied = len(news)

    def _update_known(self, servers: list[ServerResult]) -> None:
        self.known |= {s.source_server_id: s for s in servers}
        self._check()

    # What must hold

    @property
    def verdict(self) -> Verdict:
        """The wave as its workflow judges it."""
        return judge_wave(list(self.known.values()))

    def _check(self) -> None:
        """Compare the wave's state with the ledger."""
        self.snapshots.append(self._simulation.snapshot())
        for server in self.known.values():
            self._check_server(server)
        if self.verdict.status is WaveStatus.COMPLETED:
            for server in self.known.values():
                assert self._was_up(server), f"COMPLETED, but {server} was never up"

    def _was_up(self, server: ServerResult) -> bool:
        """Whether the ledger had an instance of the recorded job."""
        job = server.recovery_job_id
        return any(t.instances(server.source_server_id, job) for t in self.snapshots)

    def _check_server(self, server: ServerResult) -> None:
        if server.launch_status is LaunchStatus.LAUNCHED:
            assert self._was_up(server), f"LAUNCHED, but {server} was never up"
        if server.verified is Verified.YES:
            assert any(self._confirms(server, a.snapshot) for a in self._instance_responses()), (
                server
            )
        if server.verified is Verified.NO:
            meant = server.source_server_id not in self._stopped_on_purpose
            assert any(
                a.snapshot.contradicts(
                    server.source_server_id, server.recovery_job_id, should_run=meant
                )
                for a in self._instance_responses()
            ), server
        if server.launch_status is LaunchStatus.FAILED:
            assert server.reason

    def _confirms(self, server: ServerResult, snapshot: LedgerSnapshot) -> bool:
        """Whether the recorded instance was up, or stopped on purpose, at that time."""
        on_purpose = server.source_server_id in self._stopped_on_purpose
        return any(
            i["State"] == "RUNNING" or (i["State"] == "STOPPED" and on_purpose)
            for i in snapshot.instances(server.source_server_id, server.recovery_job_id)
            if server.recovery_instance_id in (None, i["RecoveryInstanceId"])
        )

    def _instance_responses(self) -> list[Response[LedgerSnapshot]]:
        """The responses with recovery instances that arrived."""
        return [
            a for a in self._simulation.drs.arrived if a.operation == "DescribeRecoveryInstances"
        ]

    def _check_poll(self) -> None:
        """Check that a response without faults that contradicts an unverified server fails it."""
        arrived = self._simulation.drs.arrived[self._arrived_before :]
        self._arrived_before = len(self._simulation.drs.arrived)
        read = [a for a in arrived if a.operation == "DescribeRecoveryInstances"]
        if not read or not all(a.faults.is_fault_free for a in arrived):
            return
        if not self._simulation.drs.faults.get("GetLaunchConfiguration", NO_FAULTS).is_fault_free:
            return
        snapshot = read[-1].snapshot
        for watched in self._heartbeat.servers:
            result = watched.result
            if result.launch_status is not LaunchStatus.LAUNCHED:
                continue
            if result.verified is Verified.YES:
                continue
            meant = result.source_server_id not in self._stopped_on_purpose
            job = result.recovery_job_id
            contradicted = snapshot.contradicts(result.source_server_id, job, should_run=meant)
            assert not (contradicted and result.is_final), f"{result} with {snapshot}"
            assert not snapshot.is_down(result.source_server_id, job, should_run=meant), result

    def check_end(self) -> None:
        """Check that what was open when the faults stopped has ended as in the ledger."""
        for server_id_ in self.open_without_faults:
            self._check_end(self.known[server_id_])

    def _check_end(self, server: ServerResult) -> None:
        snapshot = self.snapshots[-1]
        own = snapshot.instances(server.source_server_id, server.recovery_job_id)
        listed = [i for i in own if i["KnownToDrs"]]
        if self.is_launching(server.source_server_id, server.recovery_job_id):
            assert not server.is_final, server
            return
        assert server.is_final, server
        if not self._was_up(server):
            assert server.launch_status is LaunchStatus.FAILED, server
        elif listed and self._confirms(server, snapshot):
            assert (server.launch_status, server.verified) == (LaunchStatus.LAUNCHED, Verified.YES)

    def is_launching(self, server: str, job_id: str | None) -> bool:
        """Whether, by the ledger, a server's launch by this job has not ended."""
        job = drs_backends[ACCOUNT][REGION].jobs.get(job_id or "")
        if job is None:
            return False
        return job.launch_status(server, self._simulation.now) in ("PENDING", "IN_PROGRESS")


class NoActions:
    """Knows that DRS runs no actions: reading it beside the polls would mix their faults."""

    def __init__(self, api: DrsClient, tracker: ServerStatusTracker, *, speed: float) -> None:
        tracker.expected_actions = {server_id: [] for server_id in tracker.servers}

    def begin(self) -> None:
        """Read nothing."""

    async def run(self, *, within: float) -> None:
        """Read nothing."""

    async def read(self) -> None:
        """Read nothing."""


# What may happen

_JOB_FIELDS = (
    "jobID", "type", "status", "launchStatus", "recoveryInstanceID", "creationDateTime",
    "endDateTime", "participatingServers", "sourceServerID", "tags",
)  # fmt: skip
_LOG_FIELDS = (
    "event", "eventData", "logDateTime", "sourceServerID", "targetInstanceID", "rawError"
)  # fmt: skip
_INSTANCE_FIELDS = (
    "recoveryInstanceID", "jobID", "sourceServerID", "ec2InstanceState", "isDrill"
)  # fmt: skip
_FIELDS = {
    "DescribeJobs": _JOB_FIELDS,
    "DescribeJobLogItems": _LOG_FIELDS,
    "DescribeRecoveryInstances": _INSTANCE_FIELDS,
    "GetLaunchConfiguration": ("launchDisposition", "sourceServerID"),
}
_UNKNOWN_FIELDS = (
    "status", "launchStatus", "type", "event", "ec2InstanceState", "endDateTime", "logDateTime",
    "launchDisposition",
)  # fmt: skip


def faults_of(operation: str) -> st.SearchStrategy[Faults]:
    """Faults that change some of an operation's responses."""
    fields = _FIELDS[operation]
    faults = st.sampled_from(Fault).map(lambda fault: Faults(fault=fault))
    late = st.integers(1, 4).map(lambda age: Faults(age=age))
    changed = st.builds(
        Faults,
        age=st.sampled_from([0, 0, 0, 2]),
        is_empty=st.sampled_from([False, False, operation in LISTINGS]),
        is_reversed=st.just(operation in LISTINGS),
        without=st.frozensets(st.sampled_from(fields), max_size=2),
        unknown_value_of=st.frozensets(
            st.sampled_from([f for f in fields if f in _UNKNOWN_FIELDS] or [""]), max_size=1
        ),
        every_other=st.booleans(),
    )
    return st.just(NO_FAULTS) | faults | late | changed


FAULTS = st.fixed_dictionaries({}, optional={o: faults_of(o) for o in OPERATIONS})
UNREADABLE_INSTANCES = FAULTS.map(
    lambda faults: faults | {"DescribeRecoveryInstances": Faults(fault=Fault.THROTTLED)}
)
UNKNOWN_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "DescribeJobs": st.sampled_from(["launchStatus", "status"]).map(
            lambda key: Faults(unknown_value_of=frozenset([key]))
        ),
        "GetLaunchConfiguration": st.sampled_from(
            [
                Faults(unknown_value_of=frozenset(["launchDisposition"])),
                Faults(without=frozenset(["launchDisposition"])),
                Faults(fault=Fault.THROTTLED),
            ]
        ),
    },
)
ACTIONS = st.sampled_from(
    ["launch", "terminate", "forget", "stop in EC2", "stop in EC2", "start in EC2",
     "terminate in EC2"]
)  # fmt: skip
STEPS = st.builds(
    Step,
    faults=FAULTS | UNREADABLE_INSTANCES | UNKNOWN_FIELDS,
    action=st.none() | st.tuples(ACTIONS, st.integers(0, 2)),
    pause=st.sampled_from([0.0, 0.0, 60.0, 400.0]),
    heartbeats_lost=st.sampled_from([None, None, None, None, 0, 1, 3]),
    form=st.sampled_from(["offset", "z"]),
)
BEHAVIORS = st.fixed_dictionaries(
    {
        "Outcome": st.lists(
            st.sampled_from(["launched"] * 4 + ["failed-early", "failed-late", "stuck"]),
            min_size=1,
            max_size=2,
        ),
        "LaunchSeconds": st.sampled_from([50, 110, 300]),
        "LaunchDisposition": st.sampled_from(["STARTED", "STOPPED"]),
        "RecoveryInstanceIdMissing": st.booleans(),
    },
    optional={
        "StuckSeconds": st.just(800),
        "LiveRecoveryInstance": st.sampled_from(["DRILL", "RECOVERY"]),
    },
)
WAVES = st.lists(st.tuples(BEHAVIORS, st.integers(0, 1)), min_size=1, max_size=3)


def wave_of(
    simulation: DrsSimulation, sessions: AwsSessions, generated: list[tuple[Facts, int]]
) -> Wave:
    """A wave of these servers, launched with up to two jobs."""
    servers = [
        {"SourceServerId": server_id(number)} | behavior
        for number, (behavior, _) in enumerate(generated)
    ]
    wave = Wave(simulation, sessions, servers)
    for job in (0, 1):
        server_ids = [server_id(number) for number, (_, of) in enumerate(generated) if of == job]
        if server_ids:
            wave.launch(server_ids, attempt=1, job=job, is_drill=True)
    return wave


def one(disposition: str) -> list[tuple[Facts, int]]:
    """One server that is up after less than a minute."""
    behavior = {"Outcome": ["launched"], "LaunchSeconds": 50, "LaunchDisposition": disposition}
    return [(behavior | {"RecoveryInstanceIdMissing": False}, 0)]


_WITHOUT_DISPOSITION = {"GetLaunchConfiguration": Faults(without=frozenset(["launchDisposition"]))}
_BROKEN_DISPOSITION = {"GetLaunchConfiguration": Faults(fault=Fault.BROKEN)}


@given(WAVES, st.lists(STEPS, max_size=12))
@example(
    one("STARTED"), [Step(pause=60), Step(action=("stop in EC2", 0), faults=_WITHOUT_DISPOSITION)]
)
@example(
    one("STARTED"), [Step(pause=60), Step(action=("stop in EC2", 0), faults=_BROKEN_DISPOSITION)]
)
@example(one("STARTED"), [Step(pause=60), Step(action=("terminate in EC2", 0))])
@example(one("STOPPED"), [Step(pause=60), Step(faults=_WITHOUT_DISPOSITION)])
@example(one("STOPPED"), [Step(pause=60), Step(faults=_BROKEN_DISPOSITION)])
@examples(20)
def test_no_responses_make_a_server_up_that_is_not_in_the_ledger(
    simulation: DrsSimulation,
    sessions: AwsSessions,
    servers: list[tuple[Facts, int]],
    steps: list[Step],
) -> None:
    wave = wave_of(simulation, sessions, servers)
    asyncio.run(wave.watch(steps))
    wave.check_end()


# A retry launches what is not up, and nothing else

_UNREADABLE = st.sampled_from(Fault).map(lambda fault: Faults(fault=fault))
_OLD_INSTANCES = st.one_of(
    _UNREADABLE,
    st.just(Faults(is_empty=True)),
    st.sampled_from(["ec2InstanceState", "recoveryInstanceID", "jobID"]).map(
        lambda key: Faults(without=frozenset([key]))
    ),
    st.just(Faults(unknown_value_of=frozenset(["ec2InstanceState"]))),
    st.just(Faults(is_reversed=True)),
)
_OLD_JOBS = _UNREADABLE | st.just(Faults(is_reversed=True))
REVIEWS = st.fixed_dictionaries(
    {}, optional={"DescribeJobs": _OLD_JOBS, "DescribeRecoveryInstances": _OLD_INSTANCES}
)


@given(WAVES, st.lists(STEPS, max_size=6), st.lists(REVIEWS, max_size=2))
@examples(6)
def test_a_retry_after_any_responses_launches_nothing_that_is_up(
    simulation: DrsSimulation,
    sessions: AwsSessions,
    servers: list[tuple[Facts, int]],
    steps: list[Step],
    reviews: list[dict[str, Faults]],
) -> None:
    wave = wave_of(simulation, sessions, servers)
    asyncio.run(wave.watch(steps))
    jobs = {s: r.recovery_job_id for s, r in wave.known.items()}
    snapshot = simulation.snapshot()
    asyncio.run(wave.review(reviews, is_drill=True))
    for server, job in jobs.items():
        if wave.known[server].recovery_job_id is None:
            up = [i for i in snapshot.instances(server, job) if i["State"] != "SHUTTING-DOWN"]
            assert job is None or not [i for i in up if i["KnownToDrs"]], f"{server} of {job}"
            assert not wave.is_launching(server, job), f"{server} in {job}"
    server_ids = [s for s, r in wave.known.items() if r.recovery_job_id is None]
    if server_ids:
        wave.launch(server_ids, attempt=2, job=0, is_drill=True)
    asyncio.run(wave.watch([]))
    wave.check_end()
