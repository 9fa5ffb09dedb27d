"""Any response of AWS is parsed, or it is one AwsError, never another exception."""

import asyncio
import json
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activities.retry import retry_later
from aws.drs.client import DrsClient
from aws.drs.models import JobLogItem
from aws.drs.server_status import ServerStatusTracker
from aws.errors import AwsError
from aws.sessions import AwsSessions
from contract.watch import WatchedServer
from recovery.execution.judge import judge_wave
from recovery.execution.server import ServerResult
from recovery.plan.model import Server, Target
from sandbox.http.wsgi_server import LoopbackServer
from tests.aws_in_process import REGION
from tests.examples import TIMES, examples
from tests.recovery.plans import server_id

pytestmark = pytest.mark.timeout(150 * TIMES)

JOB = "drsjob-0123456789abcdef0"


@dataclass
class Aws:
    """A server that gives one answer to everything."""

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer."""
        start_response(self.status, self.headers)
        return [self.body]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An AWS that answers anything, and an environment in which boto3 finds no other."""
    server_app = Aws()
    server = LoopbackServer(server_app, 0)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DRS_WAVES_")):
                patch.delenv(name)
        pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
        patch.setattr(pause, lambda *_: 0.0)
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        yield server_app
    server.shutdown()
    server.server_close()
    server.close_connections()
    thread.join()


@pytest.fixture(scope="module")
def api() -> DrsClient:
    """DRS as the activities call it."""
    return DrsClient(AwsSessions(), Target(region=REGION))


CALLS: dict[str, Callable[[DrsClient], Awaitable[Any]]] = {
    "StartRecovery": lambda api: api.start_recovery(
        [Server(source_server_id=server_id(1))],
        is_drill=True,
        launch_ids=["crm-1/db/1/0"],
        not_after=time.monotonic() + 60,
    ),
    "DescribeJobs": lambda api: api.jobs([JOB]),
    "DescribeJobs, all": lambda api: api.jobs_since(0.0),
    "DescribeJobLogItems": lambda api: api.job_log(JOB),
    "DescribeRecoveryInstances": lambda api: api.recovery_instances([server_id(1)]),
    "DescribeSourceServers": lambda api: api.source_servers([server_id(1)]),
    "TerminateRecoveryInstances": lambda api: api.terminate(["i-01"], not_after=math.inf),
    "GetLaunchConfiguration": lambda api: api.launch_configuration(server_id(1)),
    "ListLaunchActions": lambda api: api.launch_actions(server_id(1)),
    "ListTagsForResource": lambda api: api.tags_of("arn:aws:drs:us-west-2:1:job/drsjob-1"),
    "GetCallerIdentity": lambda api: DrsClient(api._sessions, Target(region=REGION)).account_id(),
}

WORDS = st.sampled_from(
    ["LAUNCHED", "FAILED", "COMPLETED", "RUNNING", "STOPPED", JOB, server_id(1), "",
     "2024-11-23T01:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
     "2024-11-23", "\x1b[2J", "a\nb", "\ud800", "LAUNCH_END", "LAUNCH_FAILED", "x" * 3000]
)  # fmt: skip
KEYS = st.sampled_from(
    ["items", "job", "nextToken", "jobID", "status", "launchStatus", "participatingServers",
     "sourceServerID", "recoveryInstanceID", "tags", "type", "creationDateTime", "endDateTime",
     "event", "eventData", "logDateTime", "rawError", "targetInstanceID", "ec2InstanceState",
     "isDrill", "launchDisposition", "dataReplicationInfo", "dataReplicationState", "arn",
     "launchActionsStatus", "runs", "action", "actionId", "optional", "postLaunchEnabled",
     "message", "code", "resourceId", "resourceType", "__type", "Error"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=6),
    max_leaves=15,
)

SERVERS = st.fixed_dictionaries(
    {"sourceServerID": st.just(server_id(1)) | SCALARS},
    optional={
        "launchStatus": SCALARS,
        "recoveryInstanceID": SCALARS,
        "launchActionsStatus": ANYTHING
        | st.fixed_dictionaries(
            {"runs": st.lists(st.fixed_dictionaries({"action": ANYTHING, "status": SCALARS}))}
        ),
    },
)
JOBS = st.fixed_dictionaries(
    {"jobID": st.just(JOB) | SCALARS},
    optional={
        "status": SCALARS,
        "participatingServers": st.lists(SERVERS, max_size=2) | ANYTHING,
        "endDateTime": SCALARS,
        "creationDateTime": SCALARS,
        "tags": st.dictionaries(WORDS, WORDS, max_size=2) | ANYTHING,
    },
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "event": SCALARS,
        "logDateTime": SCALARS,
        "eventData": ANYTHING
        | st.fixed_dictionaries({"sourceServerID": st.just(server_id(1)), "rawError": SCALARS}),
    },
)
INSTANCES = st.fixed_dictionaries(
    {},
    optional={
        "sourceServerID": st.just(server_id(1)) | SCALARS,
        "jobID": st.just(JOB) | SCALARS,
        "ec2InstanceState": SCALARS,
        "recoveryInstanceID": SCALARS,
        "isDrill": SCALARS,
    },
)
ITEMS = st.lists(JOBS | LINES | INSTANCES | ANYTHING, max_size=3)
ANSWERS = (
    ANYTHING
    | st.fixed_dictionaries(
        {"items": ITEMS},
        optional={"nextToken": st.none() | st.sampled_from(["", "more"]) | ANYTHING},
    )
    | st.fixed_dictionaries({"job": JOBS | ANYTHING})
)
BODIES = ANSWERS.map(lambda answer: json.dumps(answer).encode()) | st.binary(max_size=60)
CODES = st.sampled_from(
    ["ThrottlingException", "ConflictException", "ValidationException", "Unheard", "", "a:b#c:d"]
)
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-amzn-errortype": CODES | LATIN,
        "Retry-After": st.sampled_from(["1", "1.5", "²", "1e400", "-3", "9" * 400, "soon"]) | LATIN,
        "Content-Type": st.sampled_from(["application/json", "text/html", "x"]),
    },
)
STATUSES = st.sampled_from([200, 200, 200, 202, 204, 301, 400, 402, 403, 404, 409, 429, 500, 503])


def check_error(problem: AwsError) -> None:
    """Check what an operator and Temporal get of an error."""
    text = str(problem)
    assert text.isprintable()
    assert 0 < len(text) < 3000
    text.encode()
    later = retry_later(problem, after=2.0)
    assert later.next_retry_delay is not None
    assert 0 < later.next_retry_delay.total_seconds() <= 3600


Given = tuple[int, dict[str, str], bytes]


@given(st.sampled_from(sorted(CALLS)), st.tuples(STATUSES, HEADERS, BODIES))
@example("DescribeJobs", (429, {"Retry-After": "²"}, b"{}"))
@example("DescribeJobs", (503, {"Retry-After": "9" * 400}, b"{}"))
@example("DescribeJobs", (400, {"x-amzn-errortype": "X"}, b'{"message": "\\ud800"}'))
@example("DescribeJobs", (200, {}, b'{"items": [], "nextToken": "same"}'))
@example("StartRecovery", (202, {}, b"{}"))
@example("GetCallerIdentity", (200, {}, b"<x/>"))
@examples(100)
def test_any_response_is_parsed_or_an_aws_error(
    aws: Aws, api: DrsClient, call: str, answer: Given
) -> None:
    status, headers, aws.body = answer
    aws.status, aws.headers = f"{status} Any", list(headers.items())
    try:
        asyncio.run(_awaited(CALLS[call](api)))
    except AwsError as error:
        check_error(error)


async def _awaited(call_result: Awaitable[Any]) -> Any:
    return await call_result


def response_items(aws: Aws, call_result: Awaitable[Any], items: list[Any]) -> list[Any]:
    """These items as our code parses them; none if it cannot."""
    aws.status, aws.headers = "200 OK", []
    aws.body = json.dumps({"items": items}).encode()
    try:
        found: list[Any] = asyncio.run(_awaited(call_result))
    except AwsError as error:
        check_error(error)
        return []
    return found


@given(st.lists(st.tuples(st.lists(JOBS, max_size=2), st.lists(LINES, max_size=3),
                          st.lists(INSTANCES, max_size=2)), max_size=4))  # fmt: skip
@examples(40)
def test_any_responses_leave_serializable_results(
    aws: Aws, api: DrsClient, polls: list[tuple[list[Any], list[Any], list[Any]]]
) -> None:
    server = ServerResult(source_server_id=server_id(1), recovery_job_id=JOB)
    watch = ServerStatusTracker([WatchedServer(result=server)], lookup_seconds=120.0)
    now = 1_700_000_000.0
    for jobs, lines, instances in polls:
        now += 60
        for job in response_items(aws, api.jobs([JOB]), jobs):
            watch.apply_job(job, now=now)
        log: list[JobLogItem] = response_items(aws, api.job_log(JOB), lines)
        watch.apply_log(JOB, log)
        found = response_items(aws, api.recovery_instances([server_id(1)]), instances)
        watch.apply_instances(found, should_run={}, now=now)
        watch.end_lookups(now=now)
        (result,) = watch.results
        assert (result.reason or "").isprintable()
        for model in (*watch.servers.values(), judge_wave(watch.results)):
            again = type(model).model_validate_json(model.model_dump_json())
            assert again == model
