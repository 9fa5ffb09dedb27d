"""Restores what drills have left in launch templates, ahead of a recovery's launch."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from activities.fence import Fence
from activities.launch.launch import Launch
from aws.drs.client import DrsClient
from aws.ec2.template_leases import TemplateLeases
from aws.errors import AwsError, AwsErrorKind
from recovery.execution.wave import WaitingFor
from recovery.launch_settings.lease import CurrentVersions, TemplateVersion
from recovery.plan.model import Target

_READ_SECONDS = 10.0
_RESTORE_SECONDS = 60.0
# EC2 takes some hundred calls at once and then a few a second.
_AT_ONCE = 4

Current = Mapping[str, CurrentVersions]


class RestoreAhead:
    """What drills have left in the templates of a recovery's servers, and what became of it.

    Attributes:
        left: by server that is launched all the same, what could not be removed.
        unread: why it is not known of some server which launch template it has.
    """

    def __init__(self, leases: TemplateLeases, api: DrsClient, target: Target) -> None:
        """Prepare; `api` is DRS in the target."""
        self._leases = leases
        self._api = api
        self._target = target
        # By server: where a drill launches it whose version was found in its template.
        self._found: dict[str, set[str]] = defaultdict(set)
        self.left: dict[str, str] = {}
        self.unread = ""

    @property
    def found_subnets(self) -> set[str]:
        """Where drills launch that had the template of a server of the recovery."""
        return set[str]().union(*self._found.values())

    def subnets_of(self, launch: Launch, server_id: str) -> set[str]:
        """Where drills launch a server, and a recovery must not."""
        return {*launch.request.drill_subnets, *self._found.get(server_id, ())}

    async def run(
        self, launches: Sequence[Launch], current: Current, read: Callable[[], Awaitable[Current]]
    ) -> None:
        """Restore what drills have left in the templates of a recovery's servers.

        A server that would still be launched in a drill's network is not launched; it holds back
        no other launch.

        Args:
            launches: the launches of the recovery.
            current: the templates of the target.
            read: reads them again.

        Raises:
            AwsError: DRS's jobs cannot be read.
        """
        launch_of = {s.source_server_id: launch for launch in launches for s in launch.launchable}
        templates: dict[str, TemplateVersion] = {}
        for each in current.values():
            for version in each.drills:
                if version.drill is not None and version.drill.source_server_id in launch_of:
                    templates[version.drill.source_server_id] = version
                    if version.subnet_id is not None:
                        self._found[version.drill.source_server_id].add(version.subnet_id)
        templates |= await self._copies(launch_of, current, templates)
        if not templates:
            return
        await self._wait_for_jobs(launches, templates)
        templates = {i: each for i, each in templates.items() if launch_of[i].is_open}
        errors = await self._restored(launch_of, templates)
        try:
            after = await read()
        except AwsError as unread:
            after, errors = {}, dict.fromkeys(templates, unread) | errors
        for server_id, version in templates.items():
            error = errors.get(server_id)
            self._judge(launch_of[server_id], server_id, version, after, error)

    def _judge(
        self,
        launch: Launch,
        server_id: str,
        version: TemplateVersion,
        after: Current,
        error: AwsError | None,
    ) -> None:
        """Refuse or postpone a server that would be launched with what a drill has left."""
        found, wrong = after.get(version.template_id), None
        if found is not None:
            is_drills = found.default.subnet_id in self.subnets_of(launch, server_id)
            if is_drills or found.default.drill is not None:
                where = found.default.subnet_id
                wrong = f"version {found.default.number} launches in {where}, a network of drills"
        elif error is not None:
            wrong = "its default is not known"
        if wrong is None and error is not None and version.drill and version.drill.changes_drs:
            wrong = "DRS may still have the drill's settings"
        if wrong is None:
            if error is not None:
                self.left[server_id] = f"what a drill has left could not be removed: {error}"
            return
        wrong = f"launch template {version.template_id} of {server_id}: {wrong}"
        if error is not None and error.kind.is_retryable:
            launch.postpone(WaitingFor.ISOLATION, WaitingFor.ISOLATION.text(f"{wrong}. {error}"))
            return
        why = "no version says what to restore" if error is None else str(error)
        launch.refuse(
            server_id,
            f"not launched: {wrong} ({why}). Make the right version the default, and retry the "
            "wave",
        )

    async def _wait_for_jobs(self, launches: Sequence[Launch], servers: Collection[str]) -> None:
        """Postpone launches of servers that have a job: a drill's still needs its version."""
        jobs = await self._api.jobs_since(time.time())
        for launch in launches:
            own = {i for i in launch.request.server_ids if i in servers}
            blocking = [job for job in jobs if not job.is_over and own.intersection(job.server_ids)]
            if blocking:
                launch.wait_for_jobs(blocking)

    async def _restored(
        self, launch_of: Mapping[str, Launch], templates: Mapping[str, TemplateVersion]
    ) -> dict[str, AwsError]:
        """Restore templates; returns by server why that failed."""
        slots, fence, errors = asyncio.Semaphore(_AT_ONCE), Fence(), dict[str, AwsError]()
        until = time.monotonic() + _RESTORE_SECONDS

        async def restore(server_id: str, template_id: str) -> None:
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())), slots:
                    await self._leases.restore(
                        self._target,
                        template_id,
                        drill_subnets=self.subnets_of(launch_of[server_id], server_id),
                        not_after=await fence.not_after(),
                    )
            except TimeoutError:
                text = f"EC2 and DRS did not answer within {_RESTORE_SECONDS:g} s"
                errors[server_id] = AwsError(AwsErrorKind.UNREACHABLE, text)
            except AwsError as error:
                errors[server_id] = error

        await asyncio.gather(*(restore(i, each.template_id) for i, each in templates.items()))
        return errors

    async def _copies(
        self, launch_of: Mapping[str, Launch], current: Current, known: Collection[str]
    ) -> dict[str, TemplateVersion]:
        """By server, a default that launches in a drill's network, but is not a drill's own."""
        defaults = {template_id: each.default for template_id, each in current.items()}
        suspected = [
            server_id
            for server_id, launch in launch_of.items()
            if server_id not in known
            and any(e.subnet_id in launch.request.drill_subnets for e in defaults.values())
        ]
        slots, found = asyncio.Semaphore(_AT_ONCE), dict[str, TemplateVersion]()
        until = time.monotonic() + _READ_SECONDS

        async def look(server_id: str) -> None:
            try:
                async with asyncio.timeout(until - time.monotonic()), slots:
                    configuration = await self._api.launch_configuration(server_id)
            except TimeoutError:
                self.unread = f"DRS did not answer within {_READ_SECONDS:g} s"
                return
            except AwsError as error:
                self.unread = str(error)
                return
            default = defaults.get(configuration.launch_template_id or "")
            if default and default.subnet_id in launch_of[server_id].request.drill_subnets:
                found[server_id] = default

        await asyncio.gather(*map(look, suspected))
        return found
