"""The sandbox's AWS with a clock that tests control."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws import SandboxAws
from sandbox.scenario import read_scenario

if TYPE_CHECKING:
    from types_boto3_drs.client import DrsClient
    from types_boto3_drs.type_defs import JobTypeDef

DATABASE = "s-51d6b65c73391918f"
WEB = "s-5c555d9c008f90131"
TWO_SERVERS = f"SourceServers: [{{SourceServerId: {DATABASE}}}, {{SourceServerId: {WEB}}}]"
RECORDED_DURATIONS = f"Durations: recorded\n{TWO_SERVERS}"
STALLED = (
    f"SourceServers: [{{SourceServerId: {DATABASE}, ReplicationState: STALLED, LagDuration: PT4H}}]"
)

# One for all tests: a session reads each service's model once, which takes longer than most tests.
SESSION = boto3.Session()


def server_id(number: int) -> str:
    """Return a well-formed source server ID."""
    return f"s-{number:017x}"


def many_servers(count: int) -> str:
    """Return a scenario with `count` source servers."""
    return json.dumps({"SourceServers": [{"SourceServerId": server_id(n)} for n in range(count)]})


class LocalAws:
    """A running SandboxAws whose clock advances only in `pass_time`.

    Attributes:
        read_timeout: How many seconds new clients wait for a response.
    """

    read_timeout = 60.0

    def __init__(self, scenario: str = TWO_SERVERS, speed: float = 1.0) -> None:
        self.now = 1_700_000_000.0
        self.server = SandboxAws(
            scenarios=[read_scenario(scenario)], speed=speed, clock=lambda: self.now
        )

    def __enter__(self) -> Self:
        self.server.start()
        self.drs = self.drs_client()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.stop()

    def pass_time(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds

    def client(self, service: str, region: str = "us-west-2", **credentials: Any) -> Any:
        """Return a boto3 client that does not retry."""
        keys = credentials or {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=self.read_timeout
        )
        return SESSION.client(
            service,  # type: ignore[call-overload]  # the name is not a literal here
            region_name=region,
            **keys,
            endpoint_url=self.server.endpoint_url,
            config=config,
        )

    def drs_client(self, region: str = "us-west-2", **credentials: Any) -> DrsClient:
        """Return a DRS client that does not retry."""
        client: DrsClient = self.client("drs", region, **credentials)
        return client

    def launch(self, *servers: str, drill: bool = True) -> str:
        """Start a recovery and return its job's ID."""
        response = self.drs.start_recovery(
            sourceServers=[{"sourceServerID": each} for each in servers], isDrill=drill
        )
        return response["job"]["jobID"]

    def job(self, job_id: str) -> JobTypeDef:
        """Return the current state of a job."""
        return self.drs.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]

    def statuses(self, job_id: str) -> list[str]:
        """Return the launch status of each of a job's servers, in order."""
        return [each["launchStatus"] for each in self.job(job_id)["participatingServers"]]

    def log(self, job_id: str) -> list[Any]:
        """Return the log of a job, untyped, because it has events that are not in the model."""
        return list(self.drs.describe_job_log_items(jobID=job_id)["items"])

    def source_server(self, server: str) -> Any:
        """Return a source server as DRS describes it."""
        filters = {"sourceServerIDs": [server]}
        (item,) = self.drs.describe_source_servers(filters=filters)["items"]  # type: ignore[arg-type]  # a plain dict
        return item

    def events(self, job_id: str) -> list[str]:
        """Return the event names in the log of a job."""
        return [each["event"] for each in self.log(job_id)]

    def instances(self, *servers: str) -> list[Any]:
        """Return the recovery instances that DRS lists."""
        filters = {"sourceServerIDs": list(servers)}
        return list(self.drs.describe_recovery_instances(filters=filters)["items"])  # type: ignore[arg-type]  # a plain dict

    def control(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Call the control API over HTTP."""
        request = urllib.request.Request(
            f"{self.server.endpoint_url}/_sandbox/{path}",
            data=None if body is None else body.encode(),
            method=method,
        )
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def error_of(error: ClientError) -> dict[str, Any]:
    """Return the HTTP status, the code and the fields of an error response."""
    response: dict[str, Any] = dict(error.response)
    fields = {key: response[key] for key in response if key not in ("Error", "ResponseMetadata")}
    return {
        "status": response["ResponseMetadata"]["HTTPStatusCode"],
        "error": response["Error"]["Code"],
        "text": response["Error"]["Message"],
        **fields,
    }


def offsets(log: Sequence[Any], start: float) -> list[tuple[str, float, str | None]]:
    """Return (event, seconds after the start, source server) of each job log event."""
    return [
        (
            line["event"],
            datetime.fromisoformat(line["logDateTime"]).timestamp() - start,
            line["eventData"].get("sourceServerID"),
        )
        for line in log
    ]
