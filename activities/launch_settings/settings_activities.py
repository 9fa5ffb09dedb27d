"""The activities that compare launch settings with DRS and EC2, and apply them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import NAMESPACE_URL, uuid5

from temporalio import activity

from activities.access.audit_events import launch_settings_event
from activities.access.settings_check import SettingsCheck
from activities.access.verifier import RequestVerifier
from activities.fence import confirm_attempt
from activities.heartbeat import heartbeating
from activities.retry import retried_later
from aws.ec2.existing_reader import ExistingReader
from aws.ec2.models import TemplateVersion
from aws.ec2.settings_reader import ReadSettings, SettingsReader
from aws.ec2.template_data import new_template_data
from aws.errors import AwsError, AwsErrorKind
from aws.role_credentials import acting_for
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.launch_settings.apply import (
    ApplyRequest,
    PreparedServer,
    PrepareRequest,
    SettingsRequest,
)
from recovery.access.grants import AccessRefusedError, Grant
from recovery.access.session_identity import SessionIdentity
from recovery.launch_settings.applied import applied_description
from recovery.launch_settings.existing import Named
from recovery.launch_settings.in_force import (
    DrsFields,
    differences_in,
    drs_fields_to_change,
    template_differs,
)
from recovery.launch_settings.lease import is_drills
from recovery.launch_settings.report import (
    AppliedServer,
    AppliedStatus,
    ServerSettings,
    WantedServer,
)
from recovery.plan.model import Target
from settings import Settings

_AT_ONCE = 4
# EC2's reads may be older than its last change.
_ROUNDS = 8
A = TypeVar("A")
R = TypeVar("R")


class _LeftAloneError(Exception):
    """A server's settings are not changed; the text says why."""


class LaunchSettingsActivities:
    """The activities of launch settings."""

    def __init__(
        self, clients: TargetClients, settings: Settings, verifier: RequestVerifier
    ) -> None:
        self._clients = clients
        self._reader = SettingsReader(clients)
        self._ec2 = self._reader.ec2
        self._existing = ExistingReader(ServiceClient(clients))
        self._pause = settings.scaled_poll_seconds
        self._verifier = verifier
        self._check = SettingsCheck(verifier) if verifier.is_required else None

    @activity.defn
    async def read_launch_settings(self, request: SettingsRequest) -> list[ServerSettings]:
        """What DRS and EC2 have for servers, and how it differs from what their plan wants."""
        async with heartbeating():
            with retried_later(after=self._pause):
                found = await self._reader.read(
                    request.target, [each.source_server_id for each in request.servers]
                )
        return [
            compared(each, request.target.region, found[each.source_server_id])
            for each in request.servers
        ]

    @activity.defn
    async def create_template_versions(self, request: PrepareRequest) -> list[PreparedServer]:
        """Create the versions of launch templates that a plan's settings need; none is used yet.

        Raises:
            ApplicationError: retryable; some could not be read or created now.
        """
        async with heartbeating():
            with acting_for(_identity(request)), retried_later(after=self._pause):
                _, refused = await self._allowed(request, request.servers)
                allowed = [e for e in request.servers if e.source_server_id not in refused]
                ids = [each.source_server_id for each in allowed]
                found = await self._reader.read(request.target, ids)
                used = {
                    e.source_server_id: Named.by(e.settings, read.settings)
                    for e in allowed
                    if not isinstance(read := found[e.source_server_id], AwsError)
                }
                existing = await self._existing.read(request.target, used.values())

                async def prepare(server: WantedServer) -> PreparedServer:
                    named = used.get(server.source_server_id, Named())
                    if problems := existing.problems(named):
                        return PreparedServer(server=server, refusal="; ".join(problems))
                    prepared = await self._prepare(request, server, found[server.source_server_id])
                    prepared.warning = "; ".join(existing.warnings(named))
                    return prepared

                prepared = await _at_once(prepare, allowed)
        denied = [e for e in request.servers if e.source_server_id in refused]
        return [
            *prepared,
            *(PreparedServer(server=e, refusal=refused[e.source_server_id]) for e in denied),
        ]

    @activity.defn
    async def apply_launch_settings(self, request: ApplyRequest) -> list[AppliedServer]:
        """Make the new versions the default, and change DRS's own fields.

        A server that a DRS job or an isolated drill holds is left as it is.

        Raises:
            ApplicationError: retryable; something could not be read or changed now.
        """
        target = request.target
        async with heartbeating():
            with acting_for(_identity(request)), retried_later(after=self._pause):
                servers = [each.server for each in request.servers]
                grant, refused = await self._allowed(request, servers)
                jobs = await self._jobs(target)

                async def apply(prepared: PreparedServer) -> AppliedServer:
                    server_id = prepared.server.source_server_id
                    try:
                        if reason := refused.get(server_id) or prepared.refusal:
                            raise _LeftAloneError(reason)
                        if job_id := jobs.get(server_id):
                            raise _LeftAloneError(f"DRS job {job_id} has the server; apply later")
                        return await self._apply(target, prepared)
                    except _LeftAloneError as error:
                        return _applied(target, prepared, AppliedStatus.REFUSED, str(error))
                    except AwsError as error:
                        if error.kind.is_retryable:
                            raise
                        return _applied(target, prepared, AppliedStatus.FAILED, str(error))

                results = await _at_once(apply, request.servers)
        for event in launch_settings_event(request, results, grant):
            self._verifier.audit.write(event)
        return results

    async def _allowed(
        self, request: PrepareRequest | ApplyRequest, servers: Sequence[WantedServer]
    ) -> tuple[Grant | None, dict[str, str]]:
        """The signature, and why servers may not be changed: they belong to no signed request."""
        if self._check is None:
            return None, {}
        try:
            grant = await self._check.allowed(request, servers)
        except AccessRefusedError as refused:
            for event in launch_settings_event(request, [], None):
                self._verifier.report_refusal(event, refused)
            return None, {e.source_server_id: f"not changed: {refused}" for e in servers}
        return grant, {}

    async def _prepare(
        self, request: PrepareRequest, server: WantedServer, found: ReadSettings | AwsError
    ) -> PreparedServer:
        if isinstance(found, AwsError):
            if found.kind.is_retryable:
                raise found
            return PreparedServer(server=server, refusal=str(found))
        before, wanted = found.settings, server.settings
        changed = drs_fields_to_change(wanted, before.drs)
        names = [name for name, value in changed if value is not None]
        prepared = PreparedServer(
            server=server,
            template_id=before.template_id,
            version_before=before.template_version,
            drs_before=DrsFields.model_validate({n: getattr(before.drs, n) for n in names}),
            drs_after=changed,
        )
        if is_drills(before.description):
            prepared.refusal = _drill_has(before.template_version)
        elif template_differs(wanted, before):
            if found.default is None or before.template_version is None:
                prepared.refusal = "DRS or EC2 names no launch template for it"
            else:
                prepared.version_after = await self._create(request, server, found.default)
        return prepared

    async def _create(
        self, request: PrepareRequest, server: WantedServer, default: TemplateVersion
    ) -> int:
        name = f"drs-waves:{request.apply_id}/{server.source_server_id}/{default.version_number}"
        return await self._ec2.create_version(
            request.target,
            default.launch_template_id,
            new_template_data(default.raw_data, server.settings),
            source=default.version_number,
            description=applied_description(request.plan_id, request.actor),
            client_token=str(uuid5(NAMESPACE_URL, name)),
            not_after=await confirm_attempt(),
        )

    async def _jobs(self, target: Target) -> dict[str, str]:
        """The servers that DRS works on, each with its job."""
        jobs = await self._clients.drs(target).jobs_since(time.time())
        return {i: job.job_id for job in jobs if not job.is_over for i in job.server_ids}

    async def _apply(self, target: Target, prepared: PreparedServer) -> AppliedServer:
        if prepared.changes_nothing:
            return _applied(target, prepared, AppliedStatus.UNCHANGED)
        if prepared.version_after is not None:
            await self._set_default(target, prepared, prepared.version_after)
        elif prepared.template_id is not None:
            # A drill may have begun since the versions were created.
            _require_no_drill(await self._ec2.template_versions(target, prepared.template_id))
        server_id = prepared.server.source_server_id
        if not prepared.drs_after.is_empty:
            await self._clients.drs(target).update_launch_configuration(
                server_id, prepared.drs_after, not_after=await confirm_attempt()
            )
        left = (await self._reader.read(target, [server_id]))[server_id]
        if isinstance(left, AwsError):
            raise left
        others = differences_in(prepared.server.settings, left.settings)
        if others:
            text = ", ".join(f"{e.setting} is {e.found or 'not set'}" for e in others)
            return _applied(target, prepared, AppliedStatus.FAILED, f"after the change, {text}")
        return _applied(target, prepared, AppliedStatus.APPLIED, prepared.warning)

    async def _set_default(self, target: Target, prepared: PreparedServer, number: int) -> None:
        """Make the new version the default, unless somebody else has changed it.

        Raises:
            _LeftAloneError: another version is the default, or an isolated drill has the template.
            AwsError: EC2 failed, or does not confirm it.
        """
        template_id = prepared.template_id or ""
        for _ in range(_ROUNDS):
            versions = await self._ec2.template_versions(target, template_id)
            default = next((e.version_number for e in versions if e.default_version), None)
            if default == number:
                return
            _require_no_drill(versions)
            if default != prepared.version_before:
                raise _LeftAloneError(
                    f"the default of {template_id} became version {default} meanwhile, not "
                    f"{prepared.version_before}; compare again"
                )
            await self._ec2.set_default_version(
                target, template_id, number, not_after=await confirm_attempt()
            )
        raise _unconfirmed(template_id)


def compared(server: WantedServer, region: str, found: ReadSettings | AwsError) -> ServerSettings:
    """A server's settings in force beside what its plan wants."""
    result = ServerSettings(
        wave_id=server.wave_id, source_server_id=server.source_server_id, region=region
    )
    if isinstance(found, AwsError):
        result.problem = str(found)
        return result
    result.found = found.settings
    result.differences = differences_in(server.settings, found.settings)
    if template_differs(server.settings, found.settings) and found.default is None:
        result.problem = "DRS or EC2 names no launch template for it"
    return result


async def _at_once(work: Callable[[A], Awaitable[R]], items: Sequence[A]) -> list[R]:
    """Do the work of each item, a few at once.

    Raises:
        AwsError: the first one that occurred, once all are done.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def do(item: A) -> R:
        async with slots:
            return await work(item)

    results = await asyncio.gather(*map(do, items), return_exceptions=True)
    done: list[R] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _applied(
    target: Target, prepared: PreparedServer, status: AppliedStatus, reason: str = ""
) -> AppliedServer:
    # What is left as it is has the earlier default still.
    is_left = status is AppliedStatus.REFUSED
    return AppliedServer(
        wave_id=prepared.server.wave_id,
        source_server_id=prepared.server.source_server_id,
        region=target.region,
        status=status,
        reason=reason,
        template_id=prepared.template_id,
        version_before=prepared.version_before,
        version_after=None if is_left else prepared.version_after,
        drs_before=DrsFields() if is_left else prepared.drs_before,
        drs_after=DrsFields() if is_left else prepared.drs_after,
    )


def _identity(request: PrepareRequest | ApplyRequest) -> SessionIdentity:
    return SessionIdentity.of(request.plan_id, request.apply_id, request.actor)


def _require_no_drill(versions: Sequence[TemplateVersion]) -> None:
    """Check that no isolated drill has a launch template, or has to restore DRS's own settings.

    Raises:
        _LeftAloneError: one has.
    """
    if drill := next((e for e in versions if is_drills(e.version_description)), None):
        raise _LeftAloneError(_drill_has(drill.version_number))


def _drill_has(number: int | None) -> str:
    return f"an isolated drill has its launch template (version {number}); apply later"


def _unconfirmed(template_id: str) -> AwsError:
    return AwsError(AwsErrorKind.THROTTLED, f"EC2 does not confirm the default of {template_id}")
