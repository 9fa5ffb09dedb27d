"""No sequence of AWS's answers makes a server up that, by the sandbox's ledger, is not.

The real watch and review ask the real sandbox over HTTP, on a clock that stands still between
their looks. Meanwhile answers are lost, late, repeated or stripped, other people terminate, stop
and launch, and the worker dies.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given, note
from hypothesis import strategies as st
from moto.core.base_backend import BackendDict
from temporalio.exceptions import ApplicationError

from activities.review import Review
from activities.watch import watch as watching
from activities.watch.watch import LOOK_UP_SECONDS, Watch
from aws.drs.client import DrsClient
from aws.drs.models import LAUNCH_ID_TAG, Job, JobLogItem
from aws.sessions import AwsSessions
from contract.launch import ReviewRequest
from contract.watch import WatchedServer, WatchMemory, WatchRequest
from recovery.execution.judge import Verdict, judge_wave
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.wave import WaveStatus
from recovery.plan.model import Target
from sandbox.aws import SandboxApplication, SandboxAws
from sandbox.drs import drs_backends
from sandbox.drs.servers.recovery_instances import RecoveryInstance
from sandbox.http.wsgi_server import LoopbackServer
from settings import Settings
from tests.activities.watch.weather import (
    CLEAR,
    LISTINGS,
    OPERATIONS,
    Answer,
    Fault,
    Weather,
    WeatheredDrs,
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
CALM = LOOK_UP_SECONDS + 3 * POLL

Facts = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """What the ledger says at one moment: by server, the instances that exist."""

    time: float
    up: dict[str, list[Facts]]

    def instances(self, server: str, job: str | None) -> list[Facts]:
        """A server's instances of one job."""
        return [i for i in self.up.get(server, []) if i["JobId"] == job]

    def is_down(self, server: str, job: str | None, *, meant_to_run: bool) -> bool:
        """Whether a job's own instance is listed as something that nothing makes good again."""
        states = [i["State"] for i in self.instances(server, job) if i["KnownToDrs"]]
        return bool(states) and (
            states[0] == "SHUTTING-DOWN" or (states[0] == "STOPPED" and meant_to_run)
        )

    def contradicts(self, server: str, job: str | None, *, meant_to_run: bool) -> bool:
        """Whether DRS lists something that a launched server must not be."""
        listed = [i for i in self.up.get(server, []) if i["KnownToDrs"]]
        if any(i["JobId"] == job for i in listed):
            return self.is_down(server, job, meant_to_run=meant_to_run)
        return any(i["State"] != "SHUTTING-DOWN" for i in listed)


@dataclass(frozen=True)
class Moment:
    """What happens between two looks, and what comes of the next one.

    Attributes:
        weather: by operation.
        deed: what somebody else does, and to which server.
        pause: seconds for which we are away, besides our own pause.
        forgets: the worker dies; the next goes on from what so many heartbeats ago was known.
    """

    weather: dict[str, Weather] = field(default_factory=dict)
    deed: tuple[str, int] | None = None
    pause: float = 0.0
    forgets: int | None = None
    form: str = "offset"


@dataclass
class _Looks:
    """Looks at jobs with a pause between them; only one watch asks here."""

    api: DrsClient
    pause: Callable[[float], Awaitable[None]]
    begun: bool = False

    async def jobs(self, job_ids: Sequence[str], /, *, soon: bool) -> list[Job]:
        """The next look."""
        if self.begun:
            await self.pause(POLL)
        self.begun = True
        return await self.api.jobs(job_ids)

    async def log(self, job_id: str, /) -> list[JobLogItem]:
        """The log."""
        return await self.api.job_log(job_id)


class WorkerDied(Exception):
    """The worker is gone in the middle of its watch."""


@dataclass
class Sky:
    """The sandbox, the weather before it, and the clock of both."""

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

    def serve(self) -> Iterator["Sky"]:
        """Run both while the generator is open."""
        with self.sandbox:
            self.drs: WeatheredDrs[Truth] = WeatheredDrs(
                SandboxApplication(self.sandbox.control), self.truth
            )
            server = LoopbackServer(self.drs, 0, verbose=False)
            thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            self.endpoint = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()
            server.server_close()
            server.close_connections()
            thread.join()

    def truth(self) -> Truth:
        """What the ledger says now."""
        return Truth(
            self.now,
            {
                server["SourceServerId"]: server["InstancesUp"]
                for backend in self.sandbox.control.ledger()["Backends"]
                for server in backend["Servers"]
            },
        )


@pytest.fixture(scope="module")
def sky() -> Iterator[Sky]:
    """A sandbox in all weathers, and an environment in which boto3 finds no other."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_")):
                patch.delenv(name)
        pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
        patch.setattr(pause, lambda *_: 0.0)
        for served in Sky().serve():
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
def somebody(endpoint: str) -> Any:
    """A client of somebody else's; making one takes longer than an example."""
    return boto3.client("drs", region_name=REGION, endpoint_url=endpoint)


class Wave:
    """A wave's servers in the sandbox, watched by the real code, as its workflow hears of them."""

    def __init__(self, sky: Sky, sessions: AwsSessions, servers: list[Facts]) -> None:
        self._sky = sky
        self._api = DrsClient(sessions, Target(region=REGION))
        sky.begin(servers)
        self._stopped_on_purpose = {
            s["SourceServerId"] for s in servers if s["LaunchDisposition"] == "STOPPED"
        }
        self._somebody = somebody(sky.sandbox.endpoint_url)
        self.temporal = Temporal()
        self.known = {
            s["SourceServerId"]: ServerResult(source_server_id=s["SourceServerId"]) for s in servers
        }
        self.truths = [sky.truth()]
        self.open_at_calm: set[str] = set()
        self._heard = 0
        self._arrived_before = 0
        self._memories: list[Facts] = []
        self._memory = WatchMemory(servers=[])
        self._moments: list[Moment] = []
        self._moment = Moment()
        self._request = WatchRequest(target=Target(region=REGION), servers=[], until=0)

    # What happens in AWS

    def launch(self, servers: list[str], *, attempt: int, job: int, is_drill: bool) -> None:
        """Have DRS launch servers, as our launch activity would."""
        try:
            answer = self._somebody.start_recovery(
                sourceServers=[{"sourceServerID": s} for s in servers],
                isDrill=is_drill,
                tags={LAUNCH_ID_TAG: f"{PREFIX}{attempt}/{job}"},
            )
        except ClientError:
            # Somebody else's job is at work on one of them.
            return
        for server in servers:
            self.known[server] = ServerResult(
                source_server_id=server, recovery_job_id=answer["job"]["jobID"]
            )

    def _victim(self, number: int) -> str:
        """A server; one that is up and was not verified yet, if there is one."""
        known = {w.result.source_server_id: w.result for w in self._memory.servers}
        unseen = [s for s, result in known.items() if result.verified is None]
        among = [s for s in unseen if self._instances(s)] or list(self.known)
        return among[number % len(among)]

    def _do(self, deed: str, server: str) -> None:
        """What somebody else does to a server; DRS may refuse it."""
        try:
            self._try(deed, server)
        except ClientError as error:
            note(f"refused: {error}")

    def _try(self, deed: str, server: str) -> None:
        client, there = self._somebody, self._instances(server)
        match deed:
            case "launch":
                client.start_recovery(sourceServers=[{"sourceServerID": server}], isDrill=True)
            case "terminate" if there:
                client.terminate_recovery_instances(
                    recoveryInstanceIDs=[there[0].recovery_instance_id]
                )
            case "forget" if there:
                found = there[0].recovery_instance_id
                client.disconnect_recovery_instance(recoveryInstanceID=found)
                client.delete_recovery_instance(recoveryInstanceID=found)
            case "stop in EC2":
                for instance in there:
                    instance.stopped = True
            case "start in EC2":
                for instance in there:
                    instance.stopped = False
            case "terminate in EC2":
                for instance in there:
                    instance.terminating_at = self._sky.now
                    instance.terminated_at = self._sky.now + 90
            case _:
                pass

    def _instances(self, server: str) -> list[RecoveryInstance]:
        found: list[RecoveryInstance] = drs_backends[ACCOUNT][REGION].instances_of(
            server, self._sky.now
        )
        return found

    # What we make of it

    async def watch(self, moments: list[Moment]) -> None:
        """Watch the servers that have a job through these moments, then on in clear weather."""
        with pytest.MonkeyPatch.context() as patch:
            clock = SimpleNamespace(now=lambda: self._sky.now)
            patch.setattr(watching, "SteadyClock", lambda *_: clock)
            patch.setattr(watching, "asyncio", SimpleNamespace(sleep=self._sleep))
            await self._watch(moments)
        self._sky.drs.weather = {}

    async def _watch(self, moments: list[Moment]) -> None:
        servers = [s.model_copy() for s in self.known.values() if s.recovery_job_id]
        self._request = WatchRequest(
            target=Target(region=REGION), servers=servers, until=float("inf")
        )
        self._memory = WatchMemory(
            servers=[WatchedServer(result=s.model_copy()) for s in self._request.servers]
        )
        self._memories = [self._beat()]
        self._moments = list(moments)
        self.open_at_calm = set()
        self._arrived_before = len(self._sky.drs.arrived)
        self._next_moment()
        if not servers:
            return
        while True:
            try:
                results = await Attempt(self.temporal).environment.run(self._run_watch)
            except WorkerDied:
                continue
            self._check_look()
            self._learn(results)
            return

    async def _run_watch(self) -> list[ServerResult]:
        settings = Settings(poll_seconds=POLL)
        looks = _Looks(self._api, self._sleep)
        return await Watch(self._api, looks, self._request, self._memory, settings).run()

    async def review(self, weather: list[dict[str, Weather]], *, is_drill: bool) -> None:
        """Ask again and again what became of the servers, in ever other weather, clear at last."""
        request = ReviewRequest(
            target=Target(region=REGION),
            servers=[s.model_copy() for s in self.known.values()],
            launch_prefixes=[PREFIX],
            is_drill=is_drill,
            since=NOON,
        )
        for each in [*weather, {}]:
            self._sky.drs.weather = each
            try:
                found = await Review(self._api, request, poll_seconds=POLL).run()
            except ApplicationError as error:
                if error.non_retryable:
                    raise
                continue
            self.known = {s.source_server_id: s for s in found}
            break
        self._sky.drs.weather = {}
        self.truths.append(self._sky.truth())

    def _beat(self) -> Facts:
        """What a heartbeat carries."""
        carried: Facts = json.loads(self._memory.model_dump_json(exclude_none=True))
        return carried

    async def _sleep(self, seconds: float) -> None:
        """Between two looks."""
        self._check_look()
        self._memories.append(self._beat())
        self._hear()
        self._sky.now += seconds + self._moment.pause
        self._next_moment()
        if self._moment.forgets is not None:
            back = min(self._moment.forgets + 1, len(self._memories))
            self._memory = WatchMemory.model_validate(self._memories[-back])
            raise WorkerDied

    def _next_moment(self) -> None:
        if not self._moments and self._request.until == float("inf"):
            self._calm_from()
        self._moment = self._moments.pop(0) if self._moments else Moment()
        self.truths.append(self._sky.truth())
        if self._moment.deed:
            deed, number = self._moment.deed
            self._do(deed, self._victim(number))
            self.truths.append(self._sky.truth())
        self._sky.drs.weather = self._moment.weather
        self._sky.sandbox.control.apply(json.dumps({"TimestampForm": self._moment.form}))

    def _calm_from(self) -> None:
        """Nothing is disturbed from here on."""
        self.open_at_calm = {s for s, r in self.known.items() if r.recovery_job_id}
        self.open_at_calm -= {
            w.result.source_server_id for w in self._memory.servers if w.result.is_final
        }
        ends = max(self._sky.now, NOON + LONGEST_LAUNCH) + CALM
        self._request.until = ends

    def _hear(self) -> None:
        """The wave's workflow takes what the watch has signalled."""
        news = self.temporal.sent("servers_changed")
        for each in news[self._heard :]:
            self._learn(each.servers)
        self._heard = len(news)

    def _learn(self, servers: list[ServerResult]) -> None:
        self.known |= {s.source_server_id: s for s in servers}
        self._check()

    # What must hold

    @property
    def verdict(self) -> Verdict:
        """The wave as its workflow judges it."""
        return judge_wave(list(self.known.values()))

    def _check(self) -> None:
        """The wave's word against the ledger's."""
        self.truths.append(self._sky.truth())
        for server in self.known.values():
            self._check_server(server)
        if self.verdict.status is WaveStatus.COMPLETED:
            for server in self.known.values():
                assert self._was_up(server), f"COMPLETED, but {server} was never up"

    def _was_up(self, server: ServerResult) -> bool:
        """Whether the ledger had an instance of the very job it is recorded with."""
        job = server.recovery_job_id
        return any(t.instances(server.source_server_id, job) for t in self.truths)

    def _check_server(self, server: ServerResult) -> None:
        if server.launch_status is LaunchStatus.LAUNCHED:
            assert self._was_up(server), f"LAUNCHED, but {server} was never up"
        if server.verified is Verified.YES:
            assert any(self._bears_out(server, a.truth) for a in self._looked_up()), server
        if server.verified is Verified.NO:
            meant = server.source_server_id not in self._stopped_on_purpose
            assert any(
                a.truth.contradicts(
                    server.source_server_id, server.recovery_job_id, meant_to_run=meant
                )
                for a in self._looked_up()
            ), server
        if server.launch_status is LaunchStatus.FAILED:
            assert server.reason

    def _bears_out(self, server: ServerResult, truth: Truth) -> bool:
        """Whether the instance that we name was up, or stopped on purpose, at that moment."""
        on_purpose = server.source_server_id in self._stopped_on_purpose
        return any(
            i["State"] == "RUNNING" or (i["State"] == "STOPPED" and on_purpose)
            for i in truth.instances(server.source_server_id, server.recovery_job_id)
            if server.recovery_instance_id in (None, i["RecoveryInstanceId"])
        )

    def _looked_up(self) -> list[Answer[Truth]]:
        """The answers of recovery instances that reached us."""
        return [a for a in self._sky.drs.arrived if a.operation == "DescribeRecoveryInstances"]

    def _check_look(self) -> None:
        """A clear answer that contradicts a server which was never verified fails it."""
        arrived = self._sky.drs.arrived[self._arrived_before :]
        self._arrived_before = len(self._sky.drs.arrived)
        looked = [a for a in arrived if a.operation == "DescribeRecoveryInstances"]
        if not looked or not all(a.weather.is_clear for a in arrived):
            return
        if not self._sky.drs.weather.get("GetLaunchConfiguration", CLEAR).is_clear:
            return
        truth = looked[-1].truth
        for watched in self._memory.servers:
            result = watched.result
            if result.launch_status is not LaunchStatus.LAUNCHED:
                continue
            if result.verified is Verified.YES:
                continue
            meant = result.source_server_id not in self._stopped_on_purpose
            job = result.recovery_job_id
            contradicted = truth.contradicts(result.source_server_id, job, meant_to_run=meant)
            assert not (contradicted and result.is_final), f"{result} with {truth}"
            assert not truth.is_down(result.source_server_id, job, meant_to_run=meant), result

    def check_calm(self) -> None:
        """What was open when the weather cleared has ended as the ledger has it."""
        for server_id_ in self.open_at_calm:
            self._check_end(self.known[server_id_])

    def _check_end(self, server: ServerResult) -> None:
        truth = self.truths[-1]
        own = truth.instances(server.source_server_id, server.recovery_job_id)
        listed = [i for i in own if i["KnownToDrs"]]
        if self.is_launching(server.source_server_id, server.recovery_job_id):
            assert not server.is_final, server
            return
        assert server.is_final, server
        if not self._was_up(server):
            assert server.launch_status is LaunchStatus.FAILED, server
        elif listed and self._bears_out(server, truth):
            assert (server.launch_status, server.verified) == (LaunchStatus.LAUNCHED, Verified.YES)

    def is_launching(self, server: str, job_id: str | None) -> bool:
        """Whether, by the ledger, a server's launch by this job has not ended."""
        job = drs_backends[ACCOUNT][REGION].jobs.get(job_id or "")
        if job is None:
            return False
        return job.launch_status(server, self._sky.now) in ("PENDING", "IN_PROGRESS")


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
_ODD = (
    "status", "launchStatus", "type", "event", "ec2InstanceState", "endDateTime", "logDateTime",
    "launchDisposition",
)  # fmt: skip


def weather_of(operation: str) -> st.SearchStrategy[Weather]:
    """Weather that keeps some of an operation's answers from arriving as they are."""
    fields = _FIELDS[operation]
    faults = st.sampled_from(Fault).map(lambda fault: Weather(fault=fault))
    late = st.integers(1, 4).map(lambda behind: Weather(behind=behind))
    changed = st.builds(
        Weather,
        behind=st.sampled_from([0, 0, 0, 2]),
        is_empty=st.sampled_from([False, False, operation in LISTINGS]),
        turned_round=st.just(operation in LISTINGS),
        without=st.frozensets(st.sampled_from(fields), max_size=2),
        odd=st.frozensets(st.sampled_from([f for f in fields if f in _ODD] or [""]), max_size=1),
        every_other=st.booleans(),
    )
    return st.just(CLEAR) | faults | late | changed


WEATHERS = st.fixed_dictionaries({}, optional={o: weather_of(o) for o in OPERATIONS})
BLIND = WEATHERS.map(
    lambda weather: weather | {"DescribeRecoveryInstances": Weather(fault=Fault.THROTTLED)}
)
STRANGE = st.fixed_dictionaries(
    {},
    optional={
        "DescribeJobs": st.sampled_from(["launchStatus", "status"]).map(
            lambda key: Weather(odd=frozenset([key]))
        ),
        "GetLaunchConfiguration": st.sampled_from(
            [
                Weather(odd=frozenset(["launchDisposition"])),
                Weather(without=frozenset(["launchDisposition"])),
                Weather(fault=Fault.THROTTLED),
            ]
        ),
    },
)
DEEDS = st.sampled_from(
    ["launch", "terminate", "forget", "stop in EC2", "stop in EC2", "start in EC2",
     "terminate in EC2"]
)  # fmt: skip
MOMENTS = st.builds(
    Moment,
    weather=WEATHERS | BLIND | STRANGE,
    deed=st.none() | st.tuples(DEEDS, st.integers(0, 2)),
    pause=st.sampled_from([0.0, 0.0, 60.0, 400.0]),
    forgets=st.sampled_from([None, None, None, None, 0, 1, 3]),
    form=st.sampled_from(["offset", "z"]),
)
CONDUCTS = st.fixed_dictionaries(
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
WAVES = st.lists(st.tuples(CONDUCTS, st.integers(0, 1)), min_size=1, max_size=3)


def wave_of(sky: Sky, sessions: AwsSessions, drawn: list[tuple[Facts, int]]) -> Wave:
    """A wave of these servers, launched with up to two jobs."""
    servers = [
        {"SourceServerId": server_id(place)} | conduct for place, (conduct, _) in enumerate(drawn)
    ]
    wave = Wave(sky, sessions, servers)
    for job in (0, 1):
        asked = [server_id(place) for place, (_, of) in enumerate(drawn) if of == job]
        if asked:
            wave.launch(asked, attempt=1, job=job, is_drill=True)
    return wave


def one(disposition: str) -> list[tuple[Facts, int]]:
    """One server that is up after less than a minute."""
    conduct = {"Outcome": ["launched"], "LaunchSeconds": 50, "LaunchDisposition": disposition}
    return [(conduct | {"RecoveryInstanceIdMissing": False}, 0)]


_SILENT = {"GetLaunchConfiguration": Weather(without=frozenset(["launchDisposition"]))}
_BROKEN = {"GetLaunchConfiguration": Weather(fault=Fault.BROKEN)}


@given(WAVES, st.lists(MOMENTS, max_size=12))
@example(one("STARTED"), [Moment(pause=60), Moment(deed=("stop in EC2", 0), weather=_SILENT)])
@example(one("STARTED"), [Moment(pause=60), Moment(deed=("stop in EC2", 0), weather=_BROKEN)])
@example(one("STARTED"), [Moment(pause=60), Moment(deed=("terminate in EC2", 0))])
@example(one("STOPPED"), [Moment(pause=60), Moment(weather=_SILENT)])
@example(one("STOPPED"), [Moment(pause=60), Moment(weather=_BROKEN)])
@examples(50)
def test_no_answers_make_a_server_up_that_the_ledger_has_not(
    sky: Sky, sessions: AwsSessions, servers: list[tuple[Facts, int]], moments: list[Moment]
) -> None:
    wave = wave_of(sky, sessions, servers)
    asyncio.run(wave.watch(moments))
    wave.check_calm()


# A retry launches what is not up, and nothing else

_UNREADABLE = st.sampled_from(Fault).map(lambda fault: Weather(fault=fault))
_OLD_INSTANCES = st.one_of(
    _UNREADABLE,
    st.just(Weather(is_empty=True)),
    st.sampled_from(["ec2InstanceState", "recoveryInstanceID", "jobID"]).map(
        lambda key: Weather(without=frozenset([key]))
    ),
    st.just(Weather(odd=frozenset(["ec2InstanceState"]))),
    st.just(Weather(turned_round=True)),
)
_OLD_JOBS = _UNREADABLE | st.just(Weather(turned_round=True))
REVIEWS = st.fixed_dictionaries(
    {}, optional={"DescribeJobs": _OLD_JOBS, "DescribeRecoveryInstances": _OLD_INSTANCES}
)


@given(WAVES, st.lists(MOMENTS, max_size=6), st.lists(REVIEWS, max_size=2))
@examples(15)
def test_a_retry_after_any_answers_launches_nothing_that_is_up(
    sky: Sky,
    sessions: AwsSessions,
    servers: list[tuple[Facts, int]],
    moments: list[Moment],
    reviews: list[dict[str, Weather]],
) -> None:
    wave = wave_of(sky, sessions, servers)
    asyncio.run(wave.watch(moments))
    jobs = {s: r.recovery_job_id for s, r in wave.known.items()}
    truth = sky.truth()
    asyncio.run(wave.review(reviews, is_drill=True))
    for server, job in jobs.items():
        if wave.known[server].recovery_job_id is None:
            up = [i for i in truth.instances(server, job) if i["State"] != "SHUTTING-DOWN"]
            assert job is None or not [i for i in up if i["KnownToDrs"]], f"{server} of {job}"
            assert not wave.is_launching(server, job), f"{server} in {job}"
    asked = [s for s, r in wave.known.items() if r.recovery_job_id is None]
    if asked:
        wave.launch(asked, attempt=2, job=0, is_drill=True)
    asyncio.run(wave.watch([]))
    wave.check_calm()
