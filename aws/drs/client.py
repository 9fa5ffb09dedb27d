"""A client of DRS that parses each response into a typed model."""

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from botocore.model import OperationModel
from pydantic import ValidationError

from aws.drs.models import (
    DAY_SECONDS,
    LAUNCH_ID_TAG,
    DrsResponse,
    Job,
    JobLogItem,
    LaunchAction,
    LaunchConfiguration,
    RecoveryInstance,
    RecoverySnapshot,
    ReplicationConfiguration,
    SourceServer,
    TagList,
)
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.late_calls import Sending, refuse_late_calls, sending_as
from aws.sessions import AwsSessions, CallThreads, call, pages
from recovery.launch_settings.in_force import DrsFields
from recovery.plan.model import Server, Target

MAX_IDS = 200
# A launch that needs no account does not wait for it.
_ACCOUNT_SECONDS = 5.0
_MAX_JOB_IDS = 1000
_MAX_PAGES = 200
T = TypeVar("T", bound=DrsResponse)
UNREADABLE_ITEMS: ContextVar[Counter[str] | None] = ContextVar("UNREADABLE_ITEMS", default=None)
"""Where it is set, how many items of responses had no form that we know, by operation."""
_logger = logging.getLogger(__name__)
# By structure of DRS's model, which is the same for all clients.
_MEMBERS: dict[str, dict[str, Any]] = {}


def _drop_unparsable(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    """Called by botocore before it parses a response, which one odd value would make it refuse."""
    shape = operation_model.output_shape
    if shape is not None and response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES:
        body = json.loads(response_dict["body"] or b"{}")
        fitting = _fitting(body, shape)
        if fitting != body:
            response_dict["body"] = json.dumps(fitting).encode()


def _fitting(value: Any, shape: Any) -> Any:
    """A value with None for the parts that are no structure, list or map where one is due."""
    match shape.type_name, value:
        case "structure", dict():
            members = _members(shape)
            return {k: _fitting(v, members[k]) if k in members else v for k, v in value.items()}
        case "list", list():
            return [_fitting(each, shape.member) for each in value]
        case "map", dict():
            return {key: _fitting(each, shape.value) for key, each in value.items()}
        case "structure" | "list" | "map", _:
            return None
    return value


def _members(shape: Any) -> dict[str, Any]:
    """A structure's members, by their names in JSON."""
    if shape.name not in _MEMBERS:
        found = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        _MEMBERS[shape.name] = found
    return _MEMBERS[shape.name]


class DrsClient:
    """DRS in one target. Every method raises `AwsError` when its call fails.

    Calls are made only in the account that the target names, if it names one, and wait for no call
    of another client.
    """

    def __init__(self, sessions: AwsSessions, target: Target) -> None:
        self._sessions = sessions
        self._target = target
        self._threads = CallThreads()
        self._account_id: str | None = None
        # Of the last response, by operation: one that repeats is logged once.
        self._unreadable: dict[str, int] = {}

    async def endpoints(self) -> tuple[str, list[str]]:
        """The URL that calls to DRS go to, and those of the other services called in the target.

        Raises:
            AwsError: clients cannot be made.
        """
        services = "drs", "sts", "service-quotas"

        def read() -> list[str]:
            clients = [self._sessions.client(each, self._target) for each in services]
            return [str(client.meta.endpoint_url) for client in clients]

        # In a thread: to make a client takes some 30 ms.
        own, *others = await call(self._threads, "Endpoints", read)
        return own, others

    async def check(self, *, changes: bool = False) -> None:
        """Raise `TargetRefusedError` for a wrong account.

        Args:
            changes: whether to raise also when STS fails, for nothing is changed in an account that
                may not be the one that the target names.
        """
        if self._target.account_id:
            await (self.account_id() if changes else self.known_account())

    async def known_account(self) -> str | None:
        """The account that calls act in; None if STS does not say it, which stops no call.

        Raises:
            TargetRefusedError: as `account_id`.
        """
        try:
            async with asyncio.timeout(_ACCOUNT_SECONDS):
                return await self.account_id()
        except TargetRefusedError:
            raise
        except (AwsError, TimeoutError):
            return None

    async def account_id(self) -> str:
        """The account that calls act in, by STS; looked up once.

        Raises:
            TargetRefusedError: it is not the account the plan names, or the allow-list of the
                worker does not have the target.
        """
        target, account_id = self._target, self._account_id
        if account_id is None:
            look = self._sessions.account_id
            account_id = str(await call(self._threads, "GetCallerIdentity", look, target))
            self._account_id = account_id
        if target.account_id and account_id != target.account_id:
            raise TargetRefusedError(
                AwsErrorKind.INVALID,
                f"Nothing was launched in {target.region}: the plan names account "
                f"{target.account_id}, but the worker acts in {account_id}. Correct AccountId or "
                "RoleArn, or the worker's credentials",
            )
        return account_id

    async def renew_credentials(self) -> None:
        """Resolve the credentials, so that the next call does not wait for them."""
        operation = "StartRecovery"
        client = await self._client(operation, retries=False)
        # botocore's public way to them: it signs, and sends nothing.
        sign, servers = client.generate_presigned_url, [{"sourceServerID": "s-00000000000000000"}]
        await call(self._threads, operation, sign, "start_recovery", {"sourceServers": servers})

    async def start_recovery(
        self,
        servers: Sequence[Server],
        *,
        is_drill: bool,
        launch_ids: Sequence[str],
        not_after: float,
    ) -> Job:
        """Start a job that launches `servers`; botocore never repeats this call.

        Args:
            servers: the source servers, with their snapshots.
            is_drill: whether the job is a drill.
            launch_ids: the launches that the job is for; each is a tag of the job.
            not_after: do not send the call after this time (`time.monotonic`).
        """
        requested = [
            {"sourceServerID": s.source_server_id}
            | ({"recoverySnapshotID": s.snapshot_id} if s.snapshot_id else {})
            for s in servers
        ]
        client = await self._client("StartRecovery", retries=False, changes=True)

        def send() -> Any:
            with sending_as(Sending(not_after)):
                return client.start_recovery(
                    sourceServers=requested, isDrill=is_drill, tags=_tags(launch_ids)
                )

        response = await call(self._threads, "StartRecovery", send)
        if not isinstance(response.get("job"), dict):
            raise AwsError(AwsErrorKind.UNCLEAR, "StartRecovery: the response names no job")
        return self._parse("StartRecovery", Job, [response["job"]])[0]

    async def jobs(self, job_ids: Sequence[str]) -> list[Job]:
        """The jobs of these IDs that DRS knows."""
        return await self._with_ids("DescribeJobs", Job, "jobIDs", job_ids, size=_MAX_JOB_IDS)

    async def jobs_since(self, moment: float) -> list[Job]:
        """The jobs created since a day before `moment` (epoch seconds), newest first.

        A day, because the clocks of AWS, Temporal and the client that started an execution differ,
        and because a job of yesterday may still have a server.
        """
        return await self.jobs_from(moment - DAY_SECONDS)

    async def jobs_from(self, moment: float) -> list[Job]:
        """The jobs created at or after `moment` (epoch seconds, by AWS's clock), newest first."""
        earliest = datetime.fromtimestamp(max(0.0, moment), UTC)
        from_date = earliest.strftime("%Y-%m-%dT%H:%M:%SZ")
        return await self._all("DescribeJobs", Job, filters={"fromDate": from_date})

    async def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of a resource."""
        operation = "ListTagsForResource"
        list_tags = (await self._client(operation)).list_tags_for_resource
        response = await call(self._threads, operation, list_tags, resourceArn=arn)
        return TagList.model_validate(response).tags

    async def job_log(self, job_id: str) -> list[JobLogItem]:
        """A job's log, oldest line first."""
        return await self._all("DescribeJobLogItems", JobLogItem, jobID=job_id)

    async def recovery_instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        """All recovery instances of these source servers."""
        operation = "DescribeRecoveryInstances"
        return await self._with_ids(operation, RecoveryInstance, "sourceServerIDs", server_ids)

    async def all_recovery_instances(self) -> list[RecoveryInstance]:
        """All recovery instances in the target."""
        return await self._all("DescribeRecoveryInstances", RecoveryInstance, filters={})

    async def source_servers(self, server_ids: Sequence[str]) -> list[SourceServer]:
        """The source servers of these IDs that DRS knows."""
        operation = "DescribeSourceServers"
        return await self._with_ids(operation, SourceServer, "sourceServerIDs", server_ids)

    async def all_source_servers(self) -> list[SourceServer]:
        """The source servers that DRS has in the target, of all plans and of none."""
        return await self._all(
            "DescribeSourceServers", SourceServer, filters={}, maxResults=MAX_IDS
        )

    async def snapshots(self, server_id: str) -> list[RecoverySnapshot]:
        """The points in time that a source server can be recovered to."""
        operation = "DescribeRecoverySnapshots"
        return await self._all(operation, RecoverySnapshot, sourceServerID=server_id)

    async def newest_snapshot(self, server_id: str) -> RecoverySnapshot | None:
        """The newest point in time that a source server can be recovered to."""
        operation = "DescribeRecoverySnapshots"
        read = (await self._client(operation)).describe_recovery_snapshots
        response = await call(
            self._threads, operation, read, sourceServerID=server_id, order="DESC", maxResults=1
        )
        found = self._parse(operation, RecoverySnapshot, response.get("items") or [])
        return found[0] if found else None

    async def replication_configuration(self, server_id: str) -> ReplicationConfiguration:
        """How DRS replicates a source server."""
        operation = "GetReplicationConfiguration"
        read = (await self._client(operation)).get_replication_configuration
        response = await call(self._threads, operation, read, sourceServerID=server_id)
        return ReplicationConfiguration.model_validate(response)

    async def terminate(self, recovery_instance_ids: Sequence[str], *, not_after: float) -> None:
        """Start a job that terminates recovery instances, at most 200.

        Args:
            recovery_instance_ids: the instances.
            not_after: do not send the call after this time (`time.monotonic`).
        """
        client = await self._client("TerminateRecoveryInstances", changes=True)

        def send() -> None:
            with sending_as(Sending(not_after)):
                client.terminate_recovery_instances(recoveryInstanceIDs=list(recovery_instance_ids))

        await call(self._threads, "TerminateRecoveryInstances", send)

    async def launch_configuration(self, server_id: str) -> LaunchConfiguration:
        """How DRS launches a source server."""
        operation = "GetLaunchConfiguration"
        read = (await self._client(operation)).get_launch_configuration
        response = await call(self._threads, operation, read, sourceServerID=server_id)
        return LaunchConfiguration.model_validate(response)

    async def update_launch_configuration(
        self, server_id: str, fields: DrsFields, *, not_after: float = math.inf
    ) -> LaunchConfiguration:
        """Change how DRS launches a source server; what is None stays as it is.

        Args:
            server_id: the source server.
            fields: what to change.
            not_after: do not send the call after this time (`time.monotonic`).
        """
        operation = "UpdateLaunchConfiguration"
        client = await self._client(operation, retries=False, changes=True)
        request = {
            "launchDisposition": fields.launch_disposition,
            "recoveryMode": fields.recovery_mode,
            "copyPrivateIp": fields.copy_private_ip,
            "postLaunchEnabled": fields.post_launch_enabled,
            "targetInstanceTypeRightSizingMethod": fields.right_sizing,
        }
        given = {key: value for key, value in request.items() if value is not None}

        def send() -> Any:
            with sending_as(Sending(not_after)):
                return client.update_launch_configuration(sourceServerID=server_id, **given)

        return LaunchConfiguration.model_validate(await call(self._threads, operation, send))

    async def launch_actions(self, server_id: str) -> list[LaunchAction]:
        """The post-launch actions of a source server, also those that are not active."""
        return await self._all("ListLaunchActions", LaunchAction, resourceId=server_id)

    async def _client(self, operation: str, *, retries: bool = True, changes: bool = False) -> Any:
        await self.check(changes=changes)
        make, target = self._sessions.client, self._target
        client = await call(
            self._threads, operation, make, service="drs", target=target, retries=retries
        )
        events = client.meta.events
        refuse_late_calls(client)
        # Last: the check that a response is complete needs the body as it came.
        events.register_last("before-parse", _drop_unparsable, unique_id="drs-waves-unparsable")
        return client

    async def _with_ids(
        self, operation: str, model: type[T], name: str, ids: Sequence[str], size: int = MAX_IDS
    ) -> list[T]:
        """The items that a filter `name` by IDs finds, with at most `size` IDs in a call."""
        found: list[T] = []
        for some in _slices(ids, size):
            found += await self._all(operation, model, filters={name: some})
        return found

    async def _all(self, operation: str, model: type[T], **request: Any) -> list[T]:
        """The items of all pages of a response."""
        found: list[T] = []
        count = 0
        client = await self._client(operation)
        async for page in pages(self._threads, operation, client, **request):
            items = page.get("items") or []
            if not isinstance(items, list):
                raise AwsError(AwsErrorKind.UNCLEAR, f"{operation}: the items are not a list")
            found += self._parse(operation, model, items)
            count += 1
            if count == _MAX_PAGES and page.get("nextToken"):
                raise AwsError(
                    AwsErrorKind.UNCLEAR, f"{operation}: the response has too many pages"
                )
        return found

    def _parse(self, operation: str, model: type[T], items: list[Any]) -> list[T]:
        """The items that have an ID, with the fields of a form that we know."""
        found: list[T] = []
        odd: list[str] = []
        for number, item in enumerate(items):
            fields: list[str] = []
            try:
                found.append(model.model_validate(item, context=fields))
            except ValidationError as error:
                fields = [str(error.errors()[0]["loc"])]
            if fields:
                odd.append(f"item {number}: {', '.join(fields)}")
        if odd and (counted := UNREADABLE_ITEMS.get()) is not None:
            counted[operation] += len(odd)
        if len(odd) != self._unreadable.get(operation, 0):
            _logger.warning("%s: items of an unknown form: %s", operation, "; ".join(odd[:5]))
        self._unreadable[operation] = len(odd)
        return found


def _tags(launch_ids: Sequence[str]) -> dict[str, str]:
    first, *others = launch_ids
    more = {f"{LAUNCH_ID_TAG}/{number}": each for number, each in enumerate(others, start=2)}
    return {LAUNCH_ID_TAG: first} | more


def _slices(ids: Sequence[str], size: int) -> list[list[str]]:
    return [list(ids[i : i + size]) for i in range(0, len(ids), size)]
