"""A client of DRS that parses each response into a typed model."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from aws.drs.models import (
    DAY_SECONDS,
    LAUNCH_ID_TAG,
    DrsResponse,
    Job,
    JobLogItem,
    RecoveryInstance,
    SourceServer,
    TagList,
)
from aws.errors import AwsError, AwsErrorKind
from aws.sessions import AwsSessions, call, call_threads, pages
from recovery.plan.model import Server, Target

_MAX_IDS = 200
_MAX_JOB_IDS = 1000
_MAX_PAGES = 200
T = TypeVar("T", bound=DrsResponse)


class WrongAccountError(AwsError):
    """The worker acts in another account than the plan names."""


class DrsClient:
    """DRS in one target. Every method raises `AwsError` when its call fails.

    Calls are made only in the account that the target names, if it names one, and wait for no call
    of another client.
    """

    def __init__(self, sessions: AwsSessions, target: Target) -> None:
        self._sessions = sessions
        self._target = target
        self._account_id: str | None = None
        self._threads = call_threads(f"drs-{target.region}")

    @property
    def endpoint(self) -> str:
        """The URL that calls go to."""
        return str(self._sessions.client("drs", self._target).meta.endpoint_url)

    async def check(self) -> None:
        """Raise `WrongAccountError` for a wrong account; ignore a failure of STS."""
        if not self._target.account_id:
            return
        try:
            await self.account_id()
        except WrongAccountError:
            raise
        except AwsError:
            return

    async def account_id(self) -> str:
        """The account that calls act in, by STS; looked up once.

        Raises:
            WrongAccountError: it is not the account the plan names.
        """
        if self._account_id is None:
            threads, operation = self._threads, "GetCallerIdentity"
            client = await call(
                threads, operation, self._sessions.client, service="sts", target=self._target
            )
            response = await call(threads, operation, client.get_caller_identity)
            account_id, named = str(response.get("Account", "")), self._target.account_id
            if named and account_id != named:
                raise WrongAccountError(
                    AwsErrorKind.INVALID,
                    f"Nothing was launched in {self._target.region}: the plan names account "
                    f"{named}, but the worker acts in {account_id}. Correct AccountId or RoleArn, "
                    "or the worker's credentials",
                )
            self._account_id = account_id
        return self._account_id

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
            | ({"recoverySnapshotID": s.recovery_snapshot_id} if s.recovery_snapshot_id else {})
            for s in servers
        ]
        client = await self._client("StartRecovery", retries=False)

        def send() -> Any:
            # Checked in the thread, because the call may have waited for one.
            if time.monotonic() > not_after:
                raise AwsError(AwsErrorKind.THROTTLED, "AWS answers too slowly to launch safely")
            return client.start_recovery(
                sourceServers=requested, isDrill=is_drill, tags=_tags(launch_ids)
            )

        response = await call(self._threads, "StartRecovery", send)
        return _parse("StartRecovery", Job, [response.get("job")])[0]

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
        return _parse(operation, TagList, [response])[0].tags

    async def job_log(self, job_id: str) -> list[JobLogItem]:
        """A job's log, oldest line first."""
        return await self._all("DescribeJobLogItems", JobLogItem, jobID=job_id)

    async def recovery_instances(self, server_ids: Sequence[str]) -> list[RecoveryInstance]:
        """All recovery instances of these source servers."""
        operation = "DescribeRecoveryInstances"
        return await self._with_ids(operation, RecoveryInstance, "sourceServerIDs", server_ids)

    async def source_servers(self, server_ids: Sequence[str]) -> list[SourceServer]:
        """The source servers of these IDs that DRS knows."""
        operation = "DescribeSourceServers"
        return await self._with_ids(operation, SourceServer, "sourceServerIDs", server_ids)

    async def terminate(self, recovery_instance_ids: Sequence[str]) -> None:
        """Start jobs that terminate recovery instances."""
        operation = "TerminateRecoveryInstances"
        terminate = (await self._client(operation)).terminate_recovery_instances
        for some in _slices(recovery_instance_ids, _MAX_IDS):
            await call(self._threads, operation, terminate, recoveryInstanceIDs=some)

    async def should_run(self, server_id: str) -> bool | None:
        """Whether the launch configuration asks for a running instance; None if it does not say."""
        operation = "GetLaunchConfiguration"
        read = (await self._client(operation)).get_launch_configuration
        response = await call(self._threads, operation, read, sourceServerID=server_id)
        return {"STARTED": True, "STOPPED": False}.get(str(response.get("launchDisposition")))

    async def _client(self, operation: str, *, retries: bool = True) -> Any:
        await self.check()
        make, target = self._sessions.client, self._target
        return await call(
            self._threads, operation, make, service="drs", target=target, retries=retries
        )

    async def _with_ids(
        self, operation: str, model: type[T], name: str, ids: Sequence[str], size: int = _MAX_IDS
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
            found += _parse(operation, model, page.get("items") or [])
            count += 1
            if count == _MAX_PAGES and page.get("nextToken"):
                raise AwsError(
                    AwsErrorKind.UNCLEAR, f"{operation}: the response has too many pages"
                )
        return found


def _parse(operation: str, model: type[T], items: list[Any]) -> list[T]:
    try:
        return [model.model_validate(item) for item in items]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AwsError(
            AwsErrorKind.UNCLEAR,
            f"{operation}: the response cannot be parsed at {where}: {first['msg']}",
        ) from error


def _tags(launch_ids: Sequence[str]) -> dict[str, str]:
    first, *others = launch_ids
    more = {f"{LAUNCH_ID_TAG}/{number}": each for number, each in enumerate(others, start=2)}
    return {LAUNCH_ID_TAG: first} | more


def _slices(ids: Sequence[str], size: int) -> list[list[str]]:
    return [list(ids[i : i + size]) for i in range(0, len(ids), size)]
